"""PRM800K: steps rated +1, 0 or -1 by people (openai/prm800k, MIT), both phases; read and write.

A row is one labelled solution. At each step the labeller rated some completions and chose one,
or wrote one (`human_completion`); the next step continues from it. The trace of a row is that
path; at a step without a choice it ends, with the first completion rated -1 if there is one: the
error at which labelling stopped. A row without any step is left out and counted. `source` is the
labeller. Ratings may be null, and so may `completions`. Does not grade answers.

Source: Lightman et al. 2023, arXiv:2305.20050, and the README of the repository.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "prm800k"
NEUTRAL = MappingProxyType({"keep": 0, "right": 1, "wrong": -1, "unlabelled": None})
SCREENED = ("is_quality_control_question", "is_initial_screening_question")
_Rated = tuple[str, int | None]  # a step's text and its label
_FACTS = ("timestamp", "generation", "finish_reason", *SCREENED)


def read(path: str | os.PathLike[str], *, neutral: str, human: str = "right",
         alternatives: bool = False, quality_control: bool = False, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of a PRM800K file.

    Args:
        neutral: the label of a step rated 0: "keep" (0), "right" (the paper, Qwen, PURE),
            "wrong" (TRL's script) or "unlabelled" (None).
        human: the label of a step that the labeller wrote and did not rate: "right" (as TRL's
            script) or "unlabelled".
        alternatives: after each trace also one for every completion that was not chosen: the
            steps before it and it, unfinished.
        quality_control: keep the rows that tested the labellers; else they are left out and
            counted. Leave them out when training.
        strict, on_finding: as in `rows.Reading`.

    Raises:
        ValueError: for an option that is none of these; else as `rows.Reading`.
    """
    for option, given, known in (("neutral", neutral, [*NEUTRAL]),
                                 ("human", human, ["right", "unlabelled"])):
        if given not in known:
            raise ValueError(f"{option} must be one of {', '.join(known)}; got {given!r}")
    ratings = {1: 1, -1: -1, 0: NEUTRAL[neutral], None: None}
    written = 1 if human == "right" else None

    def parse(row: Mapping[str, Any], reading: rows.Reading) -> Iterable[Trace]:
        for key in SCREENED:
            if row.get(key) and not quality_control:
                reading.left_out[key] += 1
                return []
        return _traces(row, ratings, written, reading, alternatives)

    return rows.Reading(path, parse, strict=strict, on_finding=on_finding)


def _traces(row: Mapping[str, Any], ratings: Mapping[int | None, int | None],
            written: int | None, reading: rows.Reading, alternatives: bool) -> list[Trace]:
    """The row's own trace, then if asked one for each completion off its path."""
    question, label = rows.need(row, "question", dict), rows.need(row, "label", dict)
    answer = rows.plain(question, "ground_truth_answer").get("ground_truth_answer")
    problem = rows.problem_of(
        rows.need(question, "problem", str), answer if answer is None else str(answer), FAMILY,
        rows.plain(row, *_FACTS) | rows.plain(label, *_FACTS))
    source = str(rows.plain(row, "labeler").get("labeler") or FAMILY)
    path, off = _path(rows.need(label, "steps", list), ratings, written, reading)
    if not path:
        reading.left_out["nothing labelled"] += 1
        return []
    steps, labels = zip(*path, strict=True)
    whole = question.get("pre_generated_steps")
    finished = label.get("finish_reason") == "solution" or (
        isinstance(whole, list) and len(steps) == len(whole))
    own = Trace(problem, steps, finished, labels, source)
    if not alternatives:
        return [own]
    rows.bounded(sum(n + 1 for n, _, _ in off))
    return [own, *(Trace(problem, (*steps[:n], text), False, (*labels[:n], rated), source)
                   for n, text, rated in off)]


def _path(steps: list[Any], ratings: Mapping[int | None, int | None], written: int | None,
          reading: rows.Reading) -> tuple[list[_Rated], list[tuple[int, str, int | None]]]:
    """The texts and labels of the path, and those off it with the number of steps before them."""
    path: list[_Rated] = []
    off = []
    for i, step in enumerate(steps):
        completions, chosen = _step(step, i, ratings, written, reading)
        ends = chosen is None
        if ends and any(_has_words(later) for later in steps[i + 1:]):
            reading.note("steps after one without a choice", f": after step {i}")
        if ends:  # labelling stopped here, at an error if there is one
            chosen = next((k for k, (_, rated) in enumerate(completions) if rated == -1), None)
        off += [(i, *rated) for k, rated in enumerate(completions) if k != chosen]
        if chosen is not None:
            path.append(completions[chosen])
        if ends:
            break
    return path, off


def _step(step: Any, i: int, ratings: Mapping[int | None, int | None], written: int | None,
          reading: rows.Reading) -> tuple[list[_Rated], int | None]:
    """The texts and labels offered at a step, and which of them the trace goes on with."""
    if not isinstance(step, dict):
        raise ValueError(f"step {i} must be an object, got {rows.kind_of(step)}")
    offered = step.get("completions")
    if not isinstance(offered, list | None):
        raise ValueError(f"'completions' of step {i} must be an array or null, "
                         f"got {rows.kind_of(offered)}")
    found = [_completion(c, f"completion {k} of step {i}", ratings) for k, c in
             enumerate(offered or ())]
    for _ in [c for c in offered or () if c.get("rating") is None]:
        reading.note("completion without a rating", f" at step {i}")
    chosen, human = step.get("chosen_completion"), step.get("human_completion")
    if chosen is not None:
        if type(chosen) is not int or not 0 <= chosen < len(found):
            raise ValueError(f"'chosen_completion' of step {i} must be null or one of its "
                             f"{len(found)} completions, got {rows.shown(chosen)}")
        return found, chosen
    if human is None:
        return found, None
    text, rated = _completion(human, f"human_completion of step {i}", ratings)
    if human.get("rating") is None:
        reading.note("step written by the labeller", f": step {i}")
        rated = written
    return [*found, (text, rated)], len(found)


def _completion(completion: Any, where: str, ratings: Mapping[int | None, int | None]
                ) -> _Rated:
    if not isinstance(completion, dict):
        raise ValueError(f"{where} must be an object, got {rows.kind_of(completion)}")
    rating = completion.get("rating")
    if isinstance(rating, list | dict | bool) or rating not in ratings:
        raise ValueError(f"the rating of {where} must be 1, 0, -1 or null, "
                         f"got {rows.shown(rating)}")
    return rows.clean(completion.get("text"), f"the text of {where}"), ratings[rating]


def _has_words(step: Any) -> bool:
    return not isinstance(step, dict) or bool(step.get("completions")
                                              or step.get("human_completion"))


def record(trace: Trace) -> dict[str, Any]:
    """One row of PRM800K for a hand-labelled trace: one completion a step, with its rating.

    Raises:
        ValueError: if the trace has no steps, or a label that is no rating.
    """
    labels = trace.labels or (None,) * len(trace.steps)
    if not trace.steps:
        raise ValueError(f"a row of PRM800K needs a step; trace of {trace.problem.id!r} has none")
    for i, label in enumerate(labels):
        if label not in (-1, 0, 1, None) or "soft" in trace.source.split():
            raise ValueError(f"PRM800K holds the ratings 1, 0, -1 and null; trace of "
                             f"{trace.problem.id!r} has the label {label!r} at step {i}: turn "
                             "soft labels into hard ones first")
    facts = {key: trace.problem.facts.get(key) for key in _FACTS}
    reason = facts.pop("finish_reason") or (
        "found_error" if -1 in labels else "solution" if trace.finished else None)
    return {
        "labeler": trace.source,
        **{key: bool(value) if key in SCREENED else value for key, value in facts.items()},
        "question": {"problem": trace.problem.text, "ground_truth_solution": None,
                     "ground_truth_answer": trace.problem.answer,
                     "pre_generated_steps": list(trace.steps) if trace.finished else None},
        "label": {"steps": [
            {"completions": [{"text": text, "rating": None if label is None else int(label),
                              "flagged": False}],
             "human_completion": None, "chosen_completion": 0}
            for text, label in zip(trace.steps, labels, strict=True)],
            "total_time": None, "finish_reason": reason}}


def write(path: str | os.PathLike[str], traces: Iterable[Trace]) -> int:
    """Write labelled traces as PRM800K, one a line, in flat memory; returns how many.

    The labeller is the trace's `source`. `read(path, neutral="keep", quality_control=True)`
    gives the steps, labels and sources back, unlabelled steps included; of `problem.facts` it
    keeps what PRM800K has a place for.

    Raises:
        ValueError: as `record`; then the file is left as it was.
    """
    def made() -> Iterator[dict[str, Any]]:
        for trace in traces:
            yield record(trace)

    return rows.write_rows(path, made())
