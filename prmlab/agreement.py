"""How far two labellers agree on the same steps, beyond what chance would give.

Conventions: the labels of two labellers are compared item by item; any hashable labels will do.
Does not know who is right: for that, compare with the exact checker.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prmlab.intervals import DRAWS, percentiles
from prmlab.markup import TraceView, escape, meaning
from prmlab.traces import Trace

MAX_SHOWN = 5  # traces of a comparison in a notebook


@dataclass(frozen=True)
class Pairs:
    """The steps that two labellers both labelled.

    Args:
        a, b: their labels, in the same order: what `cohen_kappa` takes.
        places: of each, the trace as `a` labelled it, and the 0-based step.
        one_only: labelled steps of either that the other did not label.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    places: tuple[tuple[Trace, int], ...]
    one_only: int

    def disagreements(self) -> list[tuple[Trace, int, float, float]]:
        """Where they differ: the trace, the step, the label by `a` and that by `b`."""
        return [(*place, x, y) for place, x, y in zip(self.places, self.a, self.b, strict=True)
                if x != y]


def paired(a: Iterable[Trace], b: Iterable[Trace]) -> Pairs:
    """The labels of the steps that both labelled, matched by problem and steps.

    Args:
        a: traces labelled by the first labeller, such as `StepAnnotator.labelled_traces()` or
            `datasets.prm800k.read` gives them; equal traces are matched in their order.
        b: traces labelled by the second.

    Example:
        >>> from prmlab.traces import Problem
        >>> trace = Trace(Problem("", "1 + 1?", "2", ""), ("1 + 1 = 3", "so 3"))
        >>> pairs = paired([trace.with_labels([-1, 0], "a")], [trace.with_labels([-1, -1], "b")])
        >>> pairs.a, pairs.b, [step for _, step, _, _ in pairs.disagreements()]
        ((-1, 0), (-1, -1), [1])
    """
    waiting: dict[tuple[str, tuple[str, ...]], list[Trace]] = {}
    b = list(b)
    for trace in reversed(b):
        waiting.setdefault((trace.problem.text, trace.steps), []).append(trace)
    found, n_labels = [], sum(x is not None for t in b for x in t.labels or ())
    for trace in a:
        n_labels += sum(x is not None for x in trace.labels or ())
        others = waiting.get((trace.problem.text, trace.steps))
        if others and trace.labels and (other := others.pop()).labels:
            found += [(x, y, (trace, i)) for i, (x, y) in enumerate(
                zip(trace.labels, other.labels, strict=True)) if None not in (x, y)]
    x, y, places = zip(*found, strict=True) if found else ((), (), ())
    return Pairs(x, y, places, n_labels - 2 * len(found))


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its evidence.

    Args:
        kappa: 1 full agreement, 0 what chance gives, below 0 less; NaN where both labellers
            used one and the same label throughout, so that chance already explains everything.
        low: lower end of the bootstrap interval, over items or whole groups of them.
        high: upper end.
        observed: share of the items on which they agree.
        expected: share on which they would agree by chance.
        labels: the labels met, sorted.
        table: `[L, L]` counts; row: label by `a`, column: label by `b`.
    """

    kappa: float
    low: float
    high: float
    observed: float
    expected: float
    labels: tuple[Hashable, ...]
    table: np.ndarray

    def __repr__(self) -> str:
        return (f"Kappa({self.kappa:.3f} [{self.low:.3f}, {self.high:.3f}]; they agree on "
                f"{self.observed:.3f} of {self.table.sum()}, by chance {self.expected:.3f})")


def cohen_kappa(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Kappa:
    """Agreement beyond chance: `(observed - expected) / (1 - expected)`.

    `expected` is the chance that two labellers with the same habits (how often each uses each
    label), but labelling blindly, agree on an item.

    Args:
        a: labels by the first labeller; no None: drop the items that either left out.
        b: labels by the second, in the same order.
        groups: what each item belongs to, such as its problem: the bootstrap then draws whole
            groups, for who misreads a problem errs in several of its steps. Without it, or with
            one group alone, items: one group drawn again and again would look certain.
        seed, level, draws: of the bootstrap.

    Raises:
        ValueError: if the lengths differ, nothing is given, or a label is None.

    Example:
        >>> k = cohen_kappa([1, 1, 1, -1, -1], [1, 1, -1, -1, -1])
        >>> round(k.observed, 2), round(k.expected, 2), round(k.kappa, 3)
        (0.8, 0.48, 0.615)

    Source: Cohen 1960, Educ. Psychol. Meas. 20, 37.
    """
    a, b = list(a), list(b)
    if len(a) != len(b) or not a:
        raise ValueError(f"need two labels per item, and an item, got {len(a)} and {len(b)}")
    if None in a or None in b:
        raise ValueError("a label must not be None: drop the items that either left out")
    if groups is not None and len(groups) != len(a):
        raise ValueError(f"need a group for each of the {len(a)} items, got {len(groups)}")
    labels = tuple(sorted(set(a) | set(b), key=lambda label: (str(type(label)), label)))
    cells = tuple([labels.index(x) for x in own] for own in (a, b))
    table = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(table, cells, 1)
    kappa, observed, expected = (x[0] for x in _kappa(table[None]))
    rng = np.random.default_rng(seed)
    tables = (rng.multinomial(len(a), table.ravel() / len(a), size=draws)
              if groups is None or len(set(groups)) == 1 else _redrawn(cells, groups, len(labels), rng, draws))
    low, high = percentiles(_kappa(tables.reshape(-1, *table.shape))[0], level)
    return Kappa(float(kappa), float(low), float(high), float(observed), float(expected),
                 labels, table)


def _redrawn(cells: tuple[list[int], ...], groups: Sequence[Hashable], n_labels: int,
             rng: np.random.Generator, draws: int) -> np.ndarray:
    """Tables of counts `[D, L * L]`, each of as many groups as there are, drawn with return."""
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    held = np.zeros((len(number), n_labels, n_labels))
    np.add.at(held, ([number[group] for group in groups], *cells), 1)
    times = rng.multinomial(len(held), np.full(len(held), 1 / len(held)), size=draws)
    return times @ held.reshape(len(held), -1)


def _kappa(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kappa, observed and expected agreement of each table `[D, L, L]`."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    room = 1.0 - expected
    kappa = np.full(len(tables), np.nan)
    np.divide(observed - expected, room, out=kappa, where=room > 1e-12)
    return kappa, observed, expected


@dataclass(frozen=True)
class Comparison:
    """Two labellers on the same traces: their kappa, and each step on which they differ.

    Args:
        names: what the labellers are called.
        pairs: the steps that both labelled.
        kappa: their agreement beyond chance, over steps; its interval is over problems.
    """

    names: tuple[str, str]
    pairs: Pairs
    kappa: Kappa

    def traces(self) -> list[TraceView]:
        """Each trace on which they differ, with what both say of every step."""
        said: dict[int, tuple[Trace, dict[int, tuple[float, float]]]] = {}
        for (trace, step), a, b in zip(self.pairs.places, self.pairs.a, self.pairs.b, strict=True):
            said.setdefault(id(trace), (trace, {}))[1][step] = a, b
        return [self._view(trace, steps) for trace, steps in said.values()
                if any(a != b for a, b in steps.values())]

    def _view(self, trace: Trace, said: dict[int, tuple[float, float]]) -> TraceView:
        labels: list[float | None] = []
        notes = []
        for step in range(len(trace.steps)):
            a, b = said.get(step, (None, None))
            labels.append(a if a == b else None)
            notes.append("not labelled by both" if a is None else f"both {meaning(a)}" if a == b
                         else f"{self.names[0]} {meaning(a)}, {self.names[1]} {meaning(b)}")
        return TraceView(trace.steps, trace.problem.text, labels=tuple(labels),
                         notes=tuple(notes), whose="said")

    def __repr__(self) -> str:
        n, differ = len(self.pairs.a), len(self.pairs.disagreements())
        return (f"{self.names[0]} and {self.names[1]} both labelled {n:,} steps and differ on "
                f"{differ:,}: kappa {self.kappa.kappa:.2f} ({self.kappa.low:.2f} to "
                f"{self.kappa.high:.2f}), agreement {self.kappa.observed:.0%}, by chance "
                f"{self.kappa.expected:.0%}. {self.pairs.one_only:,} steps have one label only.")

    def _repr_html_(self) -> str:
        views = self.traces()
        more = len(views) - MAX_SHOWN
        return "".join([f"<p>{escape(repr(self))}</p>",
                        *(view._repr_html_() for view in views[:MAX_SHOWN]),
                        f"<p>{more:,} more traces: traces() has them all.</p>" if more > 0
                        else ""])


def compare(a: Iterable[Trace], b: Iterable[Trace], *, names: tuple[str, str] = ("A", "B"),
            seed: int = 0) -> Comparison:
    """What two labellers of the same traces agree on, and where they differ.

    Shows itself in a notebook: the figures, then every trace with a disagreement.

    Args:
        a, b: as for `paired`.
        names: what to call the labellers.
        seed: of kappa's bootstrap.

    Raises:
        ValueError: if there is no step that both labelled.

    Example:
        >>> from prmlab.traces import Problem
        >>> trace = Trace(Problem("", "1 + 1?", "2", ""), ("1 + 1 = 3", "so 3"))
        >>> both = compare([trace.with_labels([-1, 0], "a")], [trace.with_labels([-1, -1], "b")])
        >>> both.traces()[0].notes
        ('both wrong', 'A neutral, B wrong')
    """
    pairs = paired(a, b)
    if not pairs.a:
        raise ValueError("there is no step that both labelled: traces are matched by the "
                         "problem's text and their steps, which must be equal to the letter")
    problems = [trace.problem.text for trace, _ in pairs.places]
    return Comparison(names, pairs, cohen_kappa(pairs.a, pairs.b, groups=problems, seed=seed))
