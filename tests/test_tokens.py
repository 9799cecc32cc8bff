"""The layout by hand, and texts that survive the trip through ids."""

from random import Random

import pytest

from prmlab import problems, tokens
from prmlab.traces import Problem, Trace


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build()


def test_layout_by_hand():
    tokenizer = tokens.build(["two", "three", "four", "five"])
    trace = Trace(Problem("p", "two three?", None, ""), ("four 12", "five"))
    ids = dict(tokenizer.get_vocab())
    encoded = tokens.encode(tokenizer, trace)
    names = ("<s>", "two", "three", "?", "four", "1", "2", "\n", "five", "\n")
    assert encoded.ids == tuple(ids[name] for name in names)
    assert encoded.step_ends == (7, 9) and encoded.n_prompt == 4
    two = tokens.encode(tokenizer, trace, separator="\n\n")  # a separator of two ids
    assert two.step_ends == (8, 11) and two.ids[7:9] == (ids["\n"], ids["\n"])


def test_a_separator_without_ids_is_refused(tokenizer):
    with pytest.raises(ValueError, match="separator ' ' has no ids"):
        tokens.encode(tokenizer, Trace(Problem("p", "x", None, ""), ("1",)), separator=" ")


@pytest.mark.parametrize("family", problems.FAMILIES)
def test_texts_come_back(tokenizer, family):
    for difficulty in range(1, 9):
        for problem in problems.make(family, 40, seed=11, difficulty=difficulty):
            for text in (problem.text, problems.solve(problem).text):
                ids = tokens.plain_ids(tokenizer, text)
                assert tokenizer.unk_token_id not in ids
                assert tokenizer.decode(ids) == text


def test_any_ids_survive_the_trip(tokenizer):
    rng = Random(0)
    for _ in range(3000):
        ids = [rng.randrange(4, len(tokenizer)) for _ in range(rng.randint(1, 30))]
        assert tokens.plain_ids(tokenizer, tokenizer.decode(ids)) == ids


def test_many_is_one_by_one(tokenizer):
    traces = [problems.solve(p) for p in problems.mix(20, seed=1)]
    assert tokens.encode_many(tokenizer, traces) == [tokens.encode(tokenizer, t) for t in traces]
    assert tokens.encode_many(tokenizer, []) == []


def test_a_batch_asks_the_tokenizer_once(tokenizer, monkeypatch):
    """A call for each trace's separator, and masks nobody reads, were four fifths of the time."""
    calls, ask = [], type(tokenizer).__call__

    def counted(self, text, **options):
        calls.append((text, made := ask(self, text, **options)))
        return made

    monkeypatch.setattr(type(tokenizer), "__call__", counted)
    traces = [problems.solve(p) for p in problems.mix(20, seed=1)]
    assert len(tokens.encode_many(tokenizer, traces)) == 20
    ((texts, made),) = calls
    assert len(texts) == len(set(texts)) and set(made) == {"input_ids"}


def test_split_ids_is_the_way_back(tokenizer):
    trace = problems.solve(problems.make("stories", 1, seed=2, difficulty=3)[0])
    encoded = tokens.encode(tokenizer, trace)
    new = [*encoded.ids[encoded.n_prompt:]]
    assert tokens.split_ids(tokenizer, new) == (trace.steps, False)
    after = [*new, tokenizer.eos_token_id, new[0]]
    assert tokens.split_ids(tokenizer, after) == (trace.steps, True)


def test_too_long_is_an_error(tokenizer):
    trace = problems.solve(problems.make("stories", 1, seed=2, difficulty=3)[0])
    n = len(tokens.encode(tokenizer, trace).ids)
    assert tokens.encode(tokenizer, trace, max_length=n)
    with pytest.raises(ValueError, match=f"has {n} ids, the limit is {n - 1}"):
        tokens.encode(tokenizer, trace, max_length=n - 1)


def test_whether_a_trace_fits_is_what_its_ids_say():
    tokenizer = tokens.build(("a", "b"))
    for steps in ((), ("a b a", "b = 12"), ("a " * 30,)):
        trace = Trace(Problem("p", "a b ?", None, "test"), steps)
        n = len(tokens.encode(tokenizer, trace).ids)
        for limit in (n - 1, n, n + 1, 10 * n + 100, float("inf")):
            assert tokens.fits(tokenizer, trace, limit) == (n <= limit)
