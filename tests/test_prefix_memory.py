"""Prefix memory: the same scores as without, each token of a tree read once, memory bounded."""

import numpy as np
import pytest
from tiny import tiny

from prmlab import search, tokens
from prmlab.prefix_memory import PrefixMemory
from prmlab.protocols import StepScorer, scored
from prmlab.rewards import ORM, PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build(("a", "b", "c"))


@pytest.fixture(scope="module", params=["Llama", "Qwen3", "Gemma", "GPT2", "GPTNeoX"])
def prm(request, tokenizer):
    model = tiny(request.param, len(tokenizer))
    return PRM.from_backbone(model, tokenizer=tokenizer, seed=1)


def trace(text, *steps, finished=False):
    return Trace(Problem(text, text, None, "test"), steps, finished)


ROUNDS = [  # a beam's: two problems, children of what was there, one that comes back
    [trace("a ?", "a b"), trace("a ?", "c"), trace("b a c ?", "c 1 2 3 a b c a")],
    [trace("a ?", "a b", "c c"), trace("a ?", "a b", "c"), trace("a ?", "c", "a 1 2 = 3"),
     trace("b a c ?", "c 1 2 3 a b c a", "b")],
    [trace("a ?", "a b", "c c", "b", "a = 1", finished=True), trace("a ?", "a b")],
]


def seen_by(model):
    """A counter of the ids that go into the model, and the hook's handle.

    Padding, zeros at a row's end, is left out; a zero that was drawn (<pad>) is no padding.
    """
    count = [0]

    def hook(module, args, kwargs):
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        count[0] += (ids.numel() if ids.shape[1] == 1
                     else sum(int(row.nonzero().max()) + 1 for row in ids))

    return count, model.base_model.register_forward_pre_hook(hook, with_kwargs=True)


def test_scores_are_those_without_memory_round_by_round(prm):
    memory = PrefixMemory(prm)
    for traces in ROUNDS:
        for ours, theirs in zip(scored(memory, traces), prm.score(traces), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert isinstance(memory, StepScorer)


def test_each_token_is_read_once_and_counted_as_the_model_saw_it(prm):
    memory = PrefixMemory(prm)
    count, handle = seen_by(prm.model)
    for traces in ROUNDS:
        memory.score(traces)
    handle.remove()
    # By hand: <s> and the problem's words, then each different step's words and separator.
    assert count[0] == (3 + 5) + (3 + 2 + 9) + (3 + 2 + 6 + 2) + (2 + 4)
    assert memory.usage.scorer_tokens == memory.held == count[0]
    assert memory.usage.calls == 3 and memory.usage.traces == 9


def test_an_orm_is_remembered_too(tokenizer):
    orm = ORM.from_backbone(tiny("Llama", len(tokenizer)), tokenizer=tokenizer, seed=1)
    memory = PrefixMemory(orm)
    for traces in ROUNDS:
        plain = orm.as_step_scorer().score(traces)
        for ours, theirs in zip(memory.score(traces), plain, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_memory_is_bounded_and_what_is_forgotten_is_read_again(prm):
    memory = PrefixMemory(prm, positions=20)
    first = memory.score(ROUNDS[0])
    assert memory.held == 3 + 5 + 3 + 2 + 9  # one call is held whole
    memory.score([trace("c ?", "a")])
    assert memory.held == (5 + 9) + (3 + 2)  # the problem unasked the longest had to go
    again = memory.score(ROUNDS[0])
    for a, b in zip(first, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    memory.forget()
    assert memory.held == 0


def test_bad_traces_are_named(prm):
    memory = PrefixMemory(prm)
    with pytest.raises(ValueError, match="trace 0 .* has no steps"):
        memory.score([trace("a ?")])
    with pytest.raises(ValueError, match="trace 1 .* the limit is 90"):
        memory.score([trace("a ?", "a"), trace("a ?", "a " * 100)])
    assert memory.fits(trace("a ?", "a")) and not memory.fits(trace("a ?", "a " * 100))
    assert memory.score([]) == []


STRATEGIES = [
    (search.best_of_n, {"n_samples": 5}), (search.majority_vote, {"n_samples": 5}),
    (search.weighted_vote, {"n_samples": 5}), (search.tie_break_vote, {"n_samples": 5}),
    (search.beam, {"beam_width": 2, "branching": 3}),
    (search.lookahead, {"beam_width": 2, "branching": 3, "ahead": 2}),
    (search.dvts, {"n_trees": 2, "branching": 3}),
    (search.tree_of_thoughts, {"branching": 3, "threshold": 0.1, "max_expansions": 5}),
    (search.mcts, {"n_simulations": 4, "branching": 3}),
]


@pytest.mark.parametrize("strategy, sizes", STRATEGIES, ids=lambda x: getattr(x, "__name__", ""))
def test_counted_tokens_are_those_that_the_models_saw(strategy, sizes, tokenizer):
    """Of policy and scorer, exactly; and the scorer reads each token of the tree at most once."""
    policy = LocalPolicy(tiny("Llama", len(tokenizer)), tokenizer, max_new_tokens=12)
    memory = PrefixMemory(PRM.from_backbone(tiny("Qwen3", len(tokenizer)), tokenizer=tokenizer))
    given = [Problem("p", "a b ?", None, "test"), Problem("q", "c ?", None, "test")]
    policy.complete([Trace(given[0], ())], 1, seed=0)  # it measures its memory once, before
    drawn, policy_handle = seen_by(policy.model)
    read, scorer_handle = seen_by(memory.verifier.model)
    options = {} if sizes.get("n_samples") else {"max_steps": 3}
    results = strategy(given, policy, memory, seed=2, **sizes, **options)
    policy_handle.remove()
    scorer_handle.remove()
    cost = sum((result.cost for result in results), search.Cost())
    assert cost.policy_tokens == drawn[0] > 0
    assert cost.scorer_tokens == read[0] == memory.usage.scorer_tokens
    stretches = {trace.steps[:n] + (trace.problem.id,): trace for result in results
                 for trace in map(result.tree.trace, range(len(result.tree)))
                 for n in range(len(trace.steps) + 1)}
    unique = sum(len(tokens.encode(tokenizer, t.prefix(len(k) - 1)).ids)
                 - (len(tokens.encode(tokenizer, t.prefix(len(k) - 2)).ids) if len(k) > 1 else 0)
                 for k, t in stretches.items())
    assert read[0] <= unique


def test_a_beam_with_memory_is_the_beam_without(tokenizer):
    policy = LocalPolicy(tiny("Llama", len(tokenizer)), tokenizer, max_new_tokens=12)
    prm = PRM.from_backbone(tiny("Qwen3", len(tokenizer)), tokenizer=tokenizer)
    given = Problem("p", "a b ?", None, "test")
    [a] = search.beam(given, policy, prm, max_steps=3, seed=2)
    [b] = search.beam(given, policy, PrefixMemory(prm), max_steps=3, seed=2)
    assert a.tree.step == b.tree.step and a.tree.fate == b.tree.fate
    np.testing.assert_allclose(a.tree.total, b.tree.total, atol=1e-5)
    assert b.cost.scorer_tokens < a.cost.scorer_tokens and b.cost.policy_calls == b.tree.rounds
