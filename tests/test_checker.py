"""The checker over all families, and the proof of it on a small number of problems."""

import importlib.util
from pathlib import Path

import pytest

from prmlab import checker, problems
from prmlab.families import stories
from prmlab.traces import Problem, Trace
from prmlab.verdicts import REASONS, Verdict

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = tuple(problems.FAMILIES)


@pytest.fixture(scope="module")
def proof():
    """scripts/verify_checker.py, as a module."""
    path = ROOT / "scripts" / "verify_checker.py"
    spec = importlib.util.spec_from_file_location("verify_checker", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("family", FAMILIES)
def test_proof_finds_no_disagreement(proof, family):
    counts = proof.Counts()
    proof.verify(family, 150, seed=9, counts=counts)
    assert counts.disagreements == []
    assert {kind for _, kind in counts.steps} >= {"reference", "harmful", "harmless"}


def test_proof_can_fail(proof, monkeypatch):
    """A checker that calls everything right is found out at every broken trace."""
    monkeypatch.setattr(stories, "check",
                        lambda problem, steps: [Verdict(1, "right") for _ in steps])
    counts = proof.Counts()
    proof.verify("stories", 20, seed=9, counts=counts)
    assert sum(text.startswith("harmful") for text in counts.disagreements) == 20


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_traces_are_right(family):
    for problem in problems.make(family, 30, seed=3, difficulty=range(1, 9)):
        trace = problems.solve(problem)
        verdicts = checker.check(trace)
        assert [verdict.label for verdict in verdicts] == [1] * len(trace.steps)
        assert checker.first_error(trace) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_answer_alone_is_not_supported(family):
    (problem,) = problems.make(family, 1, seed=4, difficulty=3)
    assert checker.first_error(Trace(problem, (f"Answer: {problem.answer}",), True)) == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", [
    "", "\0", "😀" * 50, "\u202e12 = 21", "(" * 10_000, "9**9**9 = 1", "x" * 100_000,
    "1+" * 50_000 + "1 = 2", "Answer: " + "9" * 5000, "=" * 3000, "-" * 5000 + "1",
    "1/0 = 0", "Answer: 1/0", "\ud800", "²" * 40, "0" * 100_000, "2^" * 200 + "2 = 1",
])
def test_hostile_text_is_wrong_and_harmless(family, text):
    (problem,) = problems.make(family, 1, seed=5, difficulty=2)
    (verdict,) = checker.check(Trace(problem, (text,)))
    assert verdict.label == -1
    assert verdict.reason in REASONS


def test_first_error_is_the_first():
    (problem,) = problems.make("stories", 1, seed=6, difficulty=4)
    steps = list(problems.solve(problem).steps)
    assert len(steps) == 5
    steps[2] = steps[2].rpartition(" = ")[0] + " = 1000"
    assert checker.first_error(Trace(problem, tuple(steps), True)) == 2


def test_unfinished_trace_is_checked_as_far_as_it_goes():
    (problem,) = problems.make("stories", 1, seed=6, difficulty=4)
    prefix = problems.solve(problem).prefix(2)
    assert [verdict.reason for verdict in checker.check(prefix)] == ["right", "right"]


def test_labelled_keeps_everything_but_the_labels():
    traces = [problems.solve(problem) for problem in problems.mix(6, seed=7)]
    for before, after in zip(traces, checker.labelled(traces), strict=True):
        assert (before.problem, before.steps, before.finished) == (
            after.problem, after.steps, after.finished)
        assert after.labels == tuple(float(v.label) for v in checker.check(before))
        assert after.source == "exact"


def test_unknown_family_names_the_known_ones():
    problem = Problem("p1", "How many?", "1", "riddles")
    with pytest.raises(ValueError, match="unknown family 'riddles'; known: stories"):
        checker.check(Trace(problem, ("1",)))


def test_empty_trace_is_refused_and_named():
    (problem,) = problems.make("stories", 1, seed=0)
    with pytest.raises(ValueError, match="at least one step to be checked, got none .problem "
                                         "'stories-0-0'"):
        checker.first_error(Trace(problem, ()))


def test_facts_of_another_shape_are_refused_and_named():
    problem = Problem("p7", "How many?", "1", "stories", {"item": "pens"})
    with pytest.raises(ValueError, match="item, asked and facts .*'p7'"):
        checker.check(Trace(problem, ("Answer: 1",)))


def test_arithmetic_errors_in_free_text():
    assert checker.first_arithmetic_error(["3 * 12 = 36", "so 36 - 5 = 30"]) == 1
    assert checker.first_arithmetic_error(["3 * 12 = 36", "I like trains"]) is None
