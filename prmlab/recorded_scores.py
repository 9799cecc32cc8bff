"""Recorded scores as a scorer: what a model said once, read from a file.

A file is JSONL. Its first line says what made the scores (`made_by`, free JSON); each further line
is one trace: the problem's id and text, the steps, their scores. A trace's beginning has the
beginning of its scores, because a score depends on nothing after its step. Runs no model.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from prmlab.traces import Trace

Key = tuple[str, tuple[str, ...]]  # a problem's text, and steps


class RecordedScores:
    """Scores that were recorded, as a `protocols.StepScorer`.

    Args:
        traces: the traces that were scored.
        scores: their scores, [S] each, in [0, 1].
        made_by: what made them, as JSON: the model, its `settings`, dtype, machine.

    Raises:
        ValueError: if there is not one score in [0, 1] for every step, or a beginning that two
            traces share was scored in two ways.
    """

    def __init__(self, traces: Sequence[Trace], scores: Sequence[Sequence[float]], *,
                 made_by: Mapping[str, Any]):
        if len(traces) != len(scores):
            raise ValueError(f"one list of scores per trace: got {len(traces)} traces, "
                             f"{len(scores)} lists")
        self.made_by = dict(made_by)
        self.rows = [(trace, tuple(map(float, found)))
                     for trace, found in zip(traces, scores, strict=True)]
        self._known: dict[Key, tuple[float, ...]] = {}
        for trace, found in self.rows:
            self._learn(trace, found)

    def _learn(self, trace: Trace, found: tuple[float, ...]) -> None:
        name = f"the trace of problem {trace.problem.id!r}"
        if len(found) != len(trace.steps):
            raise ValueError(f"one score per step: {name} has {len(trace.steps)} steps, "
                             f"{len(found)} scores")
        if not all(isfinite(score) and 0 <= score <= 1 for score in found):
            raise ValueError(f"scores must be in [0, 1], {name} has {list(found)}")
        for n in range(1, len(found) + 1):
            known = self._known.setdefault((trace.problem.text, trace.steps[:n]), found[:n])
            if not np.allclose(known, found[:n], rtol=0, atol=1e-4):
                raise ValueError(f"{name} begins as another one does, and was scored otherwise: "
                                 f"{list(known)} and {list(found[:n])}; scores must depend on "
                                 "nothing after their step")

    def __repr__(self) -> str:
        return f"RecordedScores({len(self.rows)} traces, made by {self.made_by})"

    @property
    def fingerprint(self) -> str:
        """Names the scores and what made them."""
        named = blake2b(digest_size=16)
        named.update(json.dumps([self.made_by, sorted(map(repr, self._known.items()))],
                                sort_keys=True).encode())
        return f"RecordedScores {named.hexdigest()}"

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """The recorded score of every step, [S] for each trace.

        Raises:
            ValueError: naming the trace, if it was not scored, or has no steps.
        """
        found = []
        for i, trace in enumerate(traces):
            known = self._known.get((trace.problem.text, trace.steps))
            if known is None:
                raise ValueError(f"trace {i} (problem {trace.problem.id!r}, {len(trace.steps)} "
                                 f"steps) is not among the {len(self.rows)} that were scored; "
                                 "score it with the model itself, or leave it out")
            found.append(np.array(known))
        return found

    def write(self, path: str | PathLike[str]) -> None:
        """Write the file that `read` takes; it is replaced as a whole."""
        lines = [{"made_by": self.made_by}, *(
            {"trace": trace.to_dict(), "scores": [round(score, 6) for score in found]}
            for trace, found in self.rows)]
        temporary = Path(f"{path}.part")
        temporary.write_text("".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n"
                                     for line in lines), "utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """The scores in a file that `write` wrote.

        Raises:
            ValueError: naming the file, the line and what is wrong there.
        """
        path = Path(path)
        if not path.is_file():
            raise ValueError(f"no such file: {path}; give the path of a file of recorded scores")
        made_by, traces, scores = None, [], []
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    if number == 1:
                        made_by = dict(row["made_by"])
                        continue
                    traces.append(Trace.from_dict(row["trace"]))
                    scores.append([float(score) for score in row["scores"]])
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise ValueError(f"{path}, line {number}: not recorded scores: {error!r}. Mend "
                                     "or remove that line; the first must say made_by, each other "
                                     "hold a trace and its scores") from None
        if made_by is None:
            raise ValueError(f"{path} is empty; its first line must say made_by")
        return cls(traces, scores, made_by=made_by)
