"""Recorded scores: what was said once is said again, of beginnings too, and of nothing else."""

import numpy as np
import pytest

from prmlab.protocols import StepScorer, scored
from prmlab.recorded_scores import RecordedScores
from prmlab.traces import Problem, Trace

TRACES = [Trace(Problem("a", "What?", "5", "test"), ("so 3", "then 4", "5"), True),
          Trace(Problem("a", "What?", "5", "test"), ("so 3", "no"), True),
          Trace(Problem("b", "How?", None, "test"), ("yes",))]
SCORES = [[0.9, 0.5, 0.25], [0.9, 0.0], [1.0]]


@pytest.fixture
def recorded():
    return RecordedScores(TRACES, SCORES, made_by={"model": "m", "separator": "\n"})


def test_what_was_recorded_comes_back(recorded, tmp_path):
    assert isinstance(recorded, StepScorer)
    assert [s.tolist() for s in scored(recorded, TRACES)] == SCORES
    assert recorded.score([TRACES[0].prefix(2)])[0].tolist() == [0.9, 0.5]
    recorded.write(tmp_path / "scores.jsonl")
    again = RecordedScores.read(tmp_path / "scores.jsonl")
    assert [s.tolist() for s in again.score(TRACES)] == SCORES
    assert again.fingerprint == recorded.fingerprint
    assert again.made_by == {"model": "m", "separator": "\n"}
    other = RecordedScores(TRACES, [*SCORES[:2], [0.5]], made_by=recorded.made_by)
    assert other.fingerprint != recorded.fingerprint


def test_what_was_not_scored_is_an_error(recorded):
    with pytest.raises(ValueError, match=r"trace 1 \(problem 'b', 2 steps\) is not among the 3"):
        recorded.score([TRACES[0], Trace(TRACES[2].problem, ("yes", "no"))])
    with pytest.raises(ValueError, match="is not among"):
        recorded.score([Trace(TRACES[2].problem, ())])


@pytest.mark.parametrize(("scores", "message"), [
    (SCORES[:2], "one list of scores per trace: got 3 traces, 2 lists"),
    ([[0.9, 0.5], *SCORES[1:]], "problem 'a' has 3 steps, 2 scores"),
    ([[0.9, 0.5, 1.5], *SCORES[1:]], r"must be in \[0, 1\]"),
    ([[0.9, 0.5, np.nan], *SCORES[1:]], r"must be in \[0, 1\]"),
    ([[0.8, 0.5, 0.2], *SCORES[1:]], "begins as another one does, and was scored otherwise"),
])
def test_bad_scores(scores, message):
    with pytest.raises(ValueError, match=message):
        RecordedScores(TRACES, scores, made_by={})


@pytest.mark.parametrize(("text", "message"), [
    ("", "is empty"), ("{\n", "line 1: not recorded scores"), ('{"made_by": 3}\n', "line 1"),
    ('{"made_by": {}}\n{"scores": [1]}\n', "line 2: .*'trace'"),
    ('{"made_by": {}}\n\xff\n', "line 2"),
])
def test_bad_files(tmp_path, text, message):
    (tmp_path / "bad.jsonl").write_bytes(text.encode("latin1"))
    with pytest.raises(ValueError, match=message):
        RecordedScores.read(tmp_path / "bad.jsonl")
    with pytest.raises(ValueError, match="no such file"):
        RecordedScores.read(tmp_path / "none")
