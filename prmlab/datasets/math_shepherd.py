"""Math-Shepherd: steps labelled by rollouts (peiyi9979/Math-Shepherd); read only.

A row holds the solution twice: in `input` each step ends with the tag "ки", in `label` with "+"
or "-" in its place. The labels are hard Monte Carlo estimates, not truth: "+" says that some
rollout from there came out right. Steps lose their "Step i:" header, which belongs to that
model's input and not to the reasoning.

Source: Wang et al. 2023, arXiv:2312.08935, and the data card.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab import answers
from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "math-shepherd"
TAG = "ки"
_HEADER = re.compile(r"\bStep \d{0,4}:[ \t]*")


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of a Math-Shepherd file, labelled +1 and -1.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors. Bad are rows without
            exactly one "Step 1:", with a step that lacks its header or its sign, or whose two
            texts differ elsewhere.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], _: rows.Reading) -> Iterable[Trace]:
    parts = rows.need(row, "input", str).split(TAG)
    signs = _signs(parts, rows.need(row, "label", str))
    question, header, first = parts[0].partition("Step 1:")
    if not header or sum(part.count("Step 1:") for part in parts) != 1:
        raise ValueError('there must be exactly one "Step 1:", between question and first step')
    steps = [first.strip()]
    for i, part in enumerate(parts[1:-1], start=1):
        found = _HEADER.match(part := part.strip())
        if not found:
            raise ValueError(f'step {i} must begin with "Step {i + 1}:", got {part[:40]!r}')
        steps.append(part[found.end():].strip())
    for i, step in enumerate(steps):
        if re.search(r"\n\s*Step \d{1,4}:", step):
            raise ValueError(f"step {i} holds another step, which has no sign")
    problem = rows.problem_of(question.strip(), None, FAMILY, rows.plain(row, "task"))
    finished = answers.extract(steps[-1]) is not None
    yield Trace(problem, tuple(steps), finished, tuple(signs), FAMILY)


def _signs(parts: list[str], label: str) -> list[int]:
    """+1 or -1 for each tag, read where `label` has a sign in its place."""
    if len(parts) == 1:
        raise ValueError(f"'input' holds no tag {TAG!r}, so no step is labelled")
    signs, at = [], 0
    for i, part in enumerate(parts[:-1]):
        at += len(part)
        sign = label[at:at + 1]
        if label[at - len(part):at] != part or sign not in ("+", "-"):
            raise ValueError(f"'label' must be 'input' with + or - for each tag; it differs "
                             f"at step {i}")
        signs.append(1 if sign == "+" else -1)
        at += 1
    if label[at:] != parts[-1] or parts[-1].strip():
        raise ValueError(f"there must be nothing after the last tag, got {parts[-1][:40]!r}")
    return signs
