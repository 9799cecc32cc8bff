"""Many samples of each problem, kept small: equal traces are one row, with how often it was drawn.

Owns the file that holds them. `D` distinct traces in all, `P` problems, `N` samples of each. A
score is stored as its logit in 65,536 levels from -24 to 16 (a step of 0.0006), so that scores
close to 1, between which a maximum over many samples decides, stay apart. The order in which the
samples were drawn is not kept: nothing that `curves` or `votes` compute depends on it.

Does not sample, score or grade; keeps no step's text, which follows from policy and seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from prmlab.verdicts import REASONS

LOW, HIGH, LEVELS = -24.0, 16.0, 65_535
_REASONS = tuple(REASONS)
_COLUMNS = ("problem", "count", "answer", "right", "reason", "n_steps")


@dataclass(frozen=True)
class Samples:
    """Columns of equal length, one row a distinct trace, rows of a problem together.

    Args:
        ids: `[P]`, the problems'.
        families: `[P]`.
        difficulties: `[P]`.
        problem: `[D]`, which problem a trace belongs to, rising.
        count: `[D]`, how often the trace was drawn, >= 1; sums to N in every problem.
        answer: `[D]`, its normalised answer as a number, equal where answers are equal within
            a problem; -1 where it has none.
        right: `[D]`, whether the answer is right.
        reason: `[D]`, the checker's reason for the first wrong step, "" if no step is wrong.
        n_steps: `[D]`.
        scores: by name `[D]`, one score a trace, in [0, 1].

    Raises:
        ValueError: if columns differ in length, or problems in their number of samples.
    """

    ids: np.ndarray
    families: np.ndarray
    difficulties: np.ndarray
    problem: np.ndarray
    count: np.ndarray
    answer: np.ndarray
    right: np.ndarray
    reason: np.ndarray
    n_steps: np.ndarray
    scores: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _COLUMNS}
        lengths |= {name: len(column) for name, column in self.scores.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns must be equally long, got {lengths}")
        drawn = np.bincount(self.problem, self.count, len(self.ids))
        if len(self.ids) == 0 or (drawn != drawn[0]).any() or (np.diff(self.problem) < 0).any():
            raise ValueError("rows must lie together by problem, and every problem must have "
                             f"the same number of samples; the counts add up to {drawn}")

    @property
    def n_samples(self) -> int:
        """N, of each problem."""
        return int(self.count[self.problem == 0].sum())

    def each(self, column: str | np.ndarray) -> np.ndarray:
        """A column `[D]`, or the score or column of that name, for every sample: `[P, N]`.

        Raises:
            ValueError: if there is no column of that name.
        """
        if isinstance(column, str):
            known = {name: getattr(self, name) for name in _COLUMNS} | dict(self.scores)
            if column not in known:
                raise ValueError(f"there is no column {column!r}; there are {', '.join(known)}")
            column = known[column]
        return np.repeat(column, self.count).reshape(len(self.ids), -1)

    def answers(self) -> list[list[int | None]]:
        """Every sample's answer, `[P][N]`, as `votes` takes them: None where there is none."""
        return [[None if answer < 0 else answer for answer in row]
                for row in self.each("answer").tolist()]

    def of(self, p: int) -> "Samples":
        """The samples of problem `p` alone."""
        rows = self.problem == p
        return Samples(
            self.ids[p:p + 1], self.families[p:p + 1], self.difficulties[p:p + 1],
            self.problem[rows] - p, *(getattr(self, name)[rows] for name in _COLUMNS[1:]),
            {name: column[rows] for name, column in self.scores.items()})

    def __repr__(self) -> str:
        return (f"Samples({len(self.ids)} problems, {self.n_samples} samples each, "
                f"{len(self.count):,} distinct traces, scores: {', '.join(self.scores)})")


def join(parts: list[Samples]) -> Samples:
    """The problems of several, in order; all must have the same scores."""
    begun = np.cumsum([0, *(len(part.ids) for part in parts)])
    return Samples(
        *(np.concatenate([getattr(part, name) for part in parts])
          for name in ("ids", "families", "difficulties")),
        np.concatenate([part.problem + at for part, at in zip(parts, begun[:-1], strict=True)]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS[1:]),
        {name: np.concatenate([part.scores[name] for part in parts])
         for name in parts[0].scores})


def write(path: str | PathLike[str], samples: Samples) -> None:
    """Write one compressed .npz of plain arrays, all or nothing; equal samples, equal bytes."""
    part = Path(path).with_suffix(".part")
    columns = {
        "ids": samples.ids.astype(str), "families": samples.families.astype(str),
        "difficulties": samples.difficulties.astype(np.uint8),
        "rows": np.bincount(samples.problem, minlength=len(samples.ids)).astype(np.uint32),
        "count": samples.count.astype(np.uint16), "answer": samples.answer.astype(np.int16),
        "right": samples.right.astype(bool), "n_steps": samples.n_steps.astype(np.uint8),
        "reason": np.array([_REASONS.index(r) if r else len(_REASONS) for r in samples.reason],
                           dtype=np.uint8)}
    columns |= {f"score {name}": encode(scores) for name, scores in samples.scores.items()}
    with part.open("wb") as out:
        np.savez_compressed(out, **columns)
    part.replace(path)


def read(path: str | PathLike[str]) -> Samples:
    """The samples in a file that `write` wrote.

    Raises:
        ValueError: naming the file, if it is not one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = dict(file)
        names = np.array([*_REASONS, ""])
        return Samples(
            columns["ids"], columns["families"], columns["difficulties"].astype(int),
            np.repeat(np.arange(len(columns["ids"])), columns["rows"]),
            *(columns[name].astype(int) for name in ("count", "answer")), columns["right"],
            names[columns["reason"]], columns["n_steps"].astype(int),
            {name.removeprefix("score "): decode(column) for name, column in columns.items()
             if name.startswith("score ")})
    except (KeyError, OSError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} holds no samples ({error}); restore it with git, or record it "
                         "anew with: python scripts/record_best_of_n.py") from None


def encode(scores: np.ndarray) -> np.ndarray:
    """Scores in [0, 1] as uint16; `decode` gives them back to 0.0003 of a logit.

    Example:
        >>> decode(encode(np.array([0.0, 0.5, 0.9999]))).round(5)
        array([0.    , 0.5   , 0.9999])
    """
    with np.errstate(divide="ignore"):
        logits = np.log(scores) - np.log1p(-np.asarray(scores, dtype=float))
    level = (np.clip(logits, LOW, HIGH) - LOW) / (HIGH - LOW) * LEVELS
    return np.round(level).astype(np.uint16)


def decode(levels: np.ndarray) -> np.ndarray:
    """The scores behind `encode`d ones."""
    return 1 / (1 + np.exp(-(levels / LEVELS * (HIGH - LOW) + LOW)))
