"""What a trace teaches at which of its tokens: targets from step labels and from outcomes.

Owns how a label becomes P(right), which steps teach nothing, and how much each target counts.
Does not know where a step's score lives (`tokens` does) nor how models learn (`training` does).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prmlab import answers, tokens
from prmlab.traces import Trace


@dataclass(frozen=True)
class Example:
    """Ids, and at some positions a target: an id for a policy, P(right) for a reward model.

    Args:
        ids: [T].
        at: positions in `ids`, [M].
        targets: [M].
        weights: how much each target counts, [M]; empty for one each.
        heads: which head each target is for, [M]; empty for head 0 throughout.
    """

    ids: tuple[int, ...]
    at: tuple[int, ...]
    targets: tuple[float, ...]
    weights: tuple[float, ...] = ()
    heads: tuple[int, ...] = ()


MakeExample = Callable[[Trace, tokens.Encoded], Example]
ClassWeight = tuple[float, float] | str | None


def step_targets(labels: Sequence[float | None], *, label_kind: str = "hard",
                 neutral: float | None = 1.0) -> list[float | None]:
    """P(right) that a step's label asks for; None where there is nothing to learn, [S].

    Args:
        label_kind: "hard" for +1 / 0 / -1, "soft" for probabilities in [0, 1].
        neutral: the target of a neutral step under "hard": 1.0 is right (Let's Verify, Qwen),
            0.0 wrong (TRL's script), None leaves it out.

    Raises:
        ValueError: naming the step whose label does not fit the kind.

    Example:
        >>> step_targets([1, 0, None, -1], neutral=None)
        [1.0, None, None, 0.0]
    """
    if label_kind not in ("hard", "soft"):
        raise ValueError(f'label_kind must be "hard" or "soft", got {label_kind!r}')
    targets: list[float | None] = []
    for i, label in enumerate(labels):
        if label is not None and label_kind == "hard" and (
                label not in (-1, 0, 1) or isinstance(label, bool | np.bool)):
            raise ValueError(f"label of step {i} must be -1, 0, 1 or None, got {label!r}; for "
                             "probabilities and for True and False (0 is neutral here) pass "
                             'label_kind="soft" (train-prm: --label-kind soft)')
        if label is not None and label_kind == "soft" and not 0 <= label <= 1:
            raise ValueError(f"label of step {i} must be a probability, got {label!r}; for "
                             '+1 / 0 / -1 pass label_kind="hard"')
        if label is None:
            targets.append(None)
        elif label_kind == "soft":
            targets.append(float(label))
        else:
            targets.append({1: 1.0, 0: neutral, -1: 0.0}[int(label)])
    return targets


def outcome(trace: Trace) -> bool:
    """Whether the trace's final answer equals the problem's. ValueError if that is not known."""
    if trace.problem.answer is None:
        raise ValueError(f"problem {trace.problem.id!r} has no known answer to compare with")
    return trace.answer is not None and answers.equal(trace.answer, trace.problem.answer)


def class_weights(targets: Iterable[float], class_weight: ClassWeight) -> tuple[float, float]:
    """How much a wrong and a right target count; of one between, the mean in its proportion.

    Args:
        targets: all of a training set.
        class_weight: (wrong, right); None counts both alike, "balanced" so that each class has
            half of the whole.

    Raises:
        ValueError: if all targets say the same, so that there is nothing to tell apart.

    Example:
        >>> class_weights([1.0, 1.0, 1.0, 0.0], "balanced")
        (2.0, 0.6666666666666666)
    """
    targets = list(targets)
    if targets and min(targets) == max(targets) in (0.0, 1.0):
        word = "right" if targets[0] else "wrong"
        raise ValueError(f"all {len(targets):,} targets say {word}, so a model would learn to say "
                         f"{word} of everything; add traces of the other kind, and look whether "
                         "the labels were read as meant (a hard 0 is neutral, not wrong)")
    if class_weight is None or not targets:
        return 1.0, 1.0
    if class_weight == "balanced":
        right = sum(targets) / len(targets)
        return 0.5 / (1 - right), 0.5 / right
    if isinstance(class_weight, str) or len(class_weight) != 2 or not (
            min(class_weight) >= 0 and 0 < sum(class_weight) < math.inf):
        raise ValueError('class_weight must be None, "balanced" or two weights >= 0 (wrong, '
                         f"right), one of them more, got {class_weight!r}")
    return float(class_weight[0]), float(class_weight[1])
