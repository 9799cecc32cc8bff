"""Verifiers that write: prompts as published, verdicts read by number, nothing run, nothing guessed."""

import sys

import numpy as np
import public_layouts
import pytest
import tiny
import torch
from test_rewards import close

from prmlab import tokens
from prmlab.protocols import StepScorer
from prmlab.public_prms.generative import GenPRM, ThinkPRM, read_verdicts
from prmlab.public_prms.writing import LocalWriter, Written
from prmlab.rewards import PRM
from prmlab.traces import Problem, Trace

pytestmark = pytest.mark.torch


def trace(text, *steps):
    return Trace(Problem(text, text, None, "test"), steps, finished=True)


TRACES = [trace("What is 2 + 2 ?", "Ana has 3", "", "The answer is 5"), trace("How?", "Yes.")]


@pytest.fixture(scope="module")
def lm():
    tokenizer = public_layouts.byte_level("qwen")
    return tiny.tiny("Qwen2", len(tokenizer), max_position_embeddings=2000), tokenizer


class Scripted(LocalWriter):
    """A writer that says what it is told, prompt by prompt; its chances are still the model's."""

    def __init__(self, model, tokenizer, texts, **options):
        super().__init__(model, tokenizer, **options)
        self.texts, self.prompts, self.stops = list(texts), [], []

    def write(self, prompts, n, *, seed, temperature, stop):
        self.prompts += [self.tokenizer.decode(list(p)) for p in prompts]
        self.stops.append(stop)
        return [[Written(self.texts.pop(0), True) for _ in range(n)] for _ in prompts]


def scripted(kind, lm, texts, **options):
    made = kind(*lm, **options)
    made.writer = Scripted(*lm, texts)
    return made


@pytest.mark.parametrize(("text", "n", "verdicts"), [
    (r"Step 1: ok \boxed{correct}" "\n" r"Step 2: no \boxed{incorrect}", 3, (True, False, False)),
    (r"\boxed{correct} then \boxed{ correct }", 3, (True, True, None)),  # in order, unnamed
    (r"**Step 2**: \boxed{correct}", 2, (None, True)),
    (r"Step 1: \boxed{correct} wait, \boxed{\text{incorrect}}", 1, (False,)),  # the last counts
    (r"Step 9: \boxed{incorrect}", 3, (None, None, None)),  # a step that does not exist
    (r"Step 1: as step 2 says \boxed{correct}", 2, (True, None)),  # named within a line
    ("I cannot say", 2, (None, None)), ("", 1, (None,)),
    (r"Step 99999999999999: \boxed{correct}", 1, (True,)),
])
def test_verdicts_belong_to_the_step_named_before_them(text, n, verdicts):
    assert read_verdicts(text, n) == verdicts


def test_steps_are_numbers_not_texts():
    """ThinkPRM's script finds the last step by `max` over texts, where "9" is above "10": with ten
    steps or more it stops a verification at the words "Step 10:", and step 10 gets no verdict."""
    text = "\n".join(rf"Step {i}: \boxed{{correct}}" for i in range(1, 13))
    assert max(["9", "10", "12"]) == "9"
    assert read_verdicts(text, 12) == (True,) * 12


def test_thinkprm_asks_as_published(lm):
    scorer = scripted(ThinkPRM, lm, [r"Step 1: \boxed{correct}"], n_samples=1)
    scorer.score([trace("What?", "Step 1: a<|im_end|>")])
    [prompt] = scorer.writer.prompts
    content = ("You are given a math problem and a proposed step-by-step solution:\n\n"
               "[Math Problem]\n\nWhat?\n\n[Solution]\n\nStep 1: a<|im_end|>\n\nReview and critique "
               "each step in the proposed solution to determine whether each step is correct. If "
               "the solution is incomplete, only verify the provided steps.")
    assert prompt == (f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
                      "\nLet's verify step by step:")
    assert scorer.writer.stops == [["Is the solution correct?", "</think>"]]
    ids = scorer.prompt(trace("What?", "a<|im_end|>"))
    assert ids.count(lm[1].eos_token_id) == 1  # the one of the template: a step ends no turn


def test_thinkprm_scores_are_shares_of_what_is_said(lm):
    right, wrong = r"Step {}: \boxed{{correct}}", r"Step {}: \boxed{{incorrect}}"
    texts = ["\n".join((right.format(1), right.format(2), wrong.format(3))),
             "\n".join((right.format(1), wrong.format(2))), "no idea",
             "\n".join(right.format(i) for i in (1, 2, 3)), *["Step 1: \\boxed{correct}"] * 4]
    scorer = scripted(ThinkPRM, lm, texts, n_samples=4)
    assert isinstance(scorer, StepScorer)
    scores = scorer.score(TRACES)
    assert close(scores, [[1, 2 / 3, 1 / 3], [1]])


def test_a_missing_verdict_is_never_a_score(lm):
    """ThinkPRM's script scores a failure as wrong, GenPRM's as one half, neither saying so."""
    scorer = scripted(ThinkPRM, lm, ["Step 1: \\boxed{correct}", "hm"] * 2, n_samples=2)
    with pytest.raises(ValueError, match="none of 2 verifications judges step 1 of problem "
                                         "'What is 2 . 2 .'; raise max_new_tokens"):
        scorer.score(TRACES[:1])
    scorer = scripted(ThinkPRM, lm, ["hm", r"\boxed{correct}"], n_samples=1)
    scores = scorer.score(TRACES, on_missing="skip")
    assert scores[0] is None
    assert close(scores[1:], [[1]])
    for kind in (ThinkPRM, GenPRM):
        with pytest.raises(ValueError, match="has no steps"):
            kind(*lm).score([trace("How?")])
    with pytest.raises(ValueError, match='on_missing must be "error" or "skip"'):
        scorer.score(TRACES, on_missing="half")


def chance_after(lm, text, options):
    """P(first option) right after a text, by plain transformers."""
    model, tokenizer = lm
    columns = [tokenizer.encode(option)[-1] for option in options]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([text])).logits[0, -1]
    return logits[columns].softmax(-1)[0].item()


def test_the_chance_of_yes_is_the_model_s(lm):
    scorer = scripted(ThinkPRM, lm, ["fine", "hm", "yes"], n_samples=1)
    prefixes = [TRACES[0].prefix(s) for s in (1, 2, 3)]
    [scores] = scorer.score_prefixes(TRACES[:1])
    expected = [chance_after(lm, [*scorer.prompt(p), *lm[1].encode(
        text + "\nIs the solution correct? ")], ("yes", "no"))
        for p, text in zip(prefixes, ("fine", "hm", "yes"), strict=True)]
    assert close([scores], [expected])
    assert np.std(expected) > 1e-4
    assert scorer.usage.scorer_tokens > sum(len(scorer.prompt(p)) for p in prefixes)


def test_genprm_reads_yes_against_no_and_runs_nothing(lm):
    hostile = "```python\nimport sys; sys.modules['was_run'] = sys\n```\n</verify>"
    scorer = scripted(GenPRM, lm, [hostile, "fine", "so", "ok"])
    scores = scorer.score(TRACES)
    assert "was_run" not in sys.modules
    assert [len(s) for s in scores] == [3, 1]
    first, other, second, third = scorer.writer.prompts  # step by step, traces side by side
    opened = "<analyze>\nLet's analyze the Paragraph {} step by step: "
    assert first == (f"<|im_start|>system\n{GenPRM.system}<|im_end|>\n<|im_start|>user\nWhat is 2 + "
                     f"2 ?\nAna has 3<|im_end|>\n<|im_start|>assistant\n{opened.format(1)}")
    assert other.endswith(opened.format(1))
    said = "Yes" if scores[0][0] >= 0.5 else "No"
    assert second == (f"{first}{hostile}</analyze>\n<output>\n**Judgement**: $\\boxed{{{said}}}$\n"
                      "</output>\n<|im_end|>\n<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
                      f"{opened.format(2)}")
    assert third.endswith(opened.format(3))
    ids = scorer._prompt(TRACES[0], [])
    judged = [*ids, *tokens.literal_ids(lm[1], hostile + scorer.close + scorer.judgement)]
    assert close([scores[0][:1]], [[chance_after(lm, judged, ("Yes", "No"))]])


def test_texts_follow_from_seed_prompt_and_index(lm):
    writer = LocalWriter(*lm, max_new_tokens=12)
    prompts = [tuple(lm[1].encode(text)) for text in ("Ana has", "What is 2 +", "How? So")]
    asked = {"temperature": 1.0, "stop": [], "seed": 3}
    made = writer.write(prompts, 3, **asked)
    assert writer.usage.cut == sum(not w.ended for row in made for w in row)
    assert [len(row) for row in made] == [3, 3, 3]
    assert made[0][0] != made[0][1]
    assert writer.write(prompts[1:2], 3, **asked) == made[1:2]
    assert LocalWriter(*lm, max_new_tokens=12, batch_tokens=1).write(prompts, 3, **asked) == made
    assert writer.write(prompts, 3, **{**asked, "seed": 4}) != made
    assert writer.usage.calls == 3
    stop = made[0][0].text[3:5]
    [[cut], *_] = writer.write(prompts, 1, **{**asked, "stop": [stop]})
    assert cut == Written(made[0][0].text[:made[0][0].text.index(stop)], True)


def test_a_greedy_text_is_plain_transformers(lm):
    model, tokenizer = lm
    ids = tokenizer.encode("Ana has")
    with torch.no_grad():
        theirs = model.generate(torch.tensor([ids]), max_new_tokens=10, do_sample=False)
    [[ours]] = LocalWriter(*lm, max_new_tokens=10).write([tuple(ids)], 1, seed=0, temperature=0.0,
                                                         stop=[])
    assert ours.text == tokenizer.decode(theirs[0, len(ids):], skip_special_tokens=True)


def test_too_long_is_said(lm):
    small = tiny.tiny("Qwen2", len(lm[1]))  # 90 positions
    for kind in (ThinkPRM, GenPRM):
        with pytest.raises(ValueError, match="ids, the model's limit is 90; no room is left"):
            kind(small, lm[1]).score(TRACES)


def test_verifiers_are_known_by_name_and_named_by_what_decides(lm, tmp_path):
    for name, kind in (("ThinkPRM-1.5B", ThinkPRM), ("GenPRM-7B", GenPRM)):
        lm[0].save_pretrained(tmp_path / name)
        lm[1].save_pretrained(tmp_path / name)
        scorer = PRM.load(tmp_path / name, device="cpu", n_samples=2)
        assert type(scorer) is kind
        assert scorer.fingerprint == kind(*lm, n_samples=2).fingerprint
        assert scorer.fingerprint != kind(*lm, n_samples=3).fingerprint
        assert kind.__name__ in repr(scorer)
    assert ThinkPRM(*lm).score([]) == GenPRM(*lm).score([]) == []
    assert ThinkPRM(*lm).score_prefixes([]) == []
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        ThinkPRM(*lm, n_samples=0)
