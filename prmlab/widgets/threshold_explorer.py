"""Sliding the threshold of a first-error rule, and looking at what it misjudges.

Owns what goes over: for every rule and trace the steps that some threshold names
(`rules.candidates`), so that the browser, and a page without a kernel, can say at once what any
threshold names. Does not choose a threshold: `thresholds` does, on validation traces.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prmlab import metrics, rules, scoring
from prmlab.markup import TraceView, cut, escape, printable
from prmlab.widgets import twin

STATIC = Path(__file__).parent / "static"
WORDS = {  # what a step must be below the threshold with, for the reader
    "threshold": "the score of the step",
    "drop": "its score over the score before",
    "change": "mean score from here on, over the mean before",
    "likeliest": "P(no error) against P(first error here)",
}


class ThresholdExplorer(anywidget.AnyWidget):
    """Slide a threshold, choose a rule, and pick a misjudged trace to see why.

    Python -> browser: `traces` (texts, scores, truth, and each rule's candidates), `rule_words`.
    Both ways: `threshold`, in [0, 1]; `rule`; `selected_trace`, an index or None.

    Args:
        traces: traces, or lists of steps.
        scores: each trace's step scores, `[S]` in [0, 1], from any model.
        first_errors: the truth, one a trace, None for a trace without an error.
        rule: the rule to begin with, one of `rules.RULES`.
        threshold: to begin with; None for 0.5.

    Raises:
        ValueError: if numbers do not match, a score or index is out of range, the rule is not
            known, or traces with an error or without one are missing.
    """

    _esm = STATIC / "threshold_explorer.js"
    _css = STATIC / "threshold_explorer.css"

    traces = traitlets.List(traitlets.Dict()).tag(sync=True)
    rule_words = traitlets.List(traitlets.Dict()).tag(sync=True)
    rule = traitlets.Enum(tuple(rules.RULES), "threshold").tag(sync=True)
    threshold = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    selected_trace = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self, traces: Sequence[Any], scores: Sequence[Sequence[float]],
                 first_errors: Sequence[int | None], *, rule: str = "threshold",
                 threshold: float | None = None):
        if not len(traces) == len(scores) == len(first_errors):
            raise ValueError("need one list of scores and one first error per trace, got "
                             f"{len(traces)} traces, {len(scores)} and {len(first_errors)}")
        limit = 0.5 if threshold is None else float(threshold)
        self._views = tuple(_view(i, *row) for i, row in enumerate(
            zip(traces, scores, first_errors, strict=True)))
        self._scores = tuple(scoring.as_scores(s) for s in scores)
        self._truth = tuple(None if t is None else int(t) for t in first_errors)
        said = [scoring.first_error(s, rule=rule, threshold=limit) for s in self._scores]
        metrics.first_error_f1(said, self._truth, draws=1)  # refuses what has no two accuracies
        wrong = (i for i, (a, b) in enumerate(zip(said, self._truth)) if a != b)
        super().__init__(
            traces=[_shown(*row) for row in zip(self._views, self._scores, self._truth)],
            rule_words=[{"name": name, "words": words} for name, words in WORDS.items()],
            rule=rule, threshold=limit, selected_trace=next(wrong, None))

    @traitlets.validate("selected_trace")
    def _check_selected(self, proposal: Any) -> int | None:
        value = proposal["value"]
        if value is not None and not 0 <= value < len(self._views):
            raise traitlets.TraitError(f"selected_trace must be None or 0 to "
                                       f"{len(self._views) - 1}, got {value}")
        return value

    @property
    def said(self) -> list[int | None]:
        """What the rule names at the threshold shown, one a trace."""
        return [scoring.first_error(s, rule=self.rule, threshold=self.threshold)
                for s in self._scores]

    def to_html(self) -> str:
        """A static twin, of all traces: everything but the way back to Python works in it."""
        names = ("traces", "rule_words", "rule", "threshold", "selected_trace")
        state = {name: getattr(self, name) for name in names}
        return twin.fragment(
            STATIC / "threshold_explorer.js", STATIC / "threshold_explorer.css", state)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        r = metrics.first_error_f1(self.said, self._truth, draws=1)
        plain = (f"Threshold explorer: {len(self._views)} traces, rule {self.rule!r} at "
                 f"{self.threshold:.3f}. Of {r.n_error} with an error {r.acc_error:.2f} are "
                 f"found exactly, of {r.n_correct} without {r.acc_correct:.2f} are spared; "
                 f"F1 {r.f1:.2f}.")
        page = f"<p>{escape(plain)} Run this cell to slide.</p>"
        if self.selected_trace is not None:
            page += self._views[self.selected_trace]._repr_html_()
        return {**data, "text/plain": plain, "text/html": page}, metadata


def _view(number: int, trace: Any, step_scores: Sequence[float], step: Any) -> TraceView:
    """The trace beside its scores and its truth, which this checks against each other."""
    try:
        (index,) = metrics.as_first_errors([step], "first_errors")
        truth = None if index < 0 else int(index)
        view = TraceView.of(trace, scoring.as_scores(step_scores).tolist())
        right = [1] * len(view.steps)
        return view.with_truth(right if truth is None else truth)
    except ValueError as error:
        raise ValueError(f"trace {number}: {error}") from None


def _shown(view: TraceView, step_scores: Any, true: int | None) -> dict[str, Any]:
    """One trace as JSON: long texts cut, scores rounded for the eye, candidates exact."""
    return {
        "problem": _cut(view.problem or ""),
        "steps": [_cut(step) for step in view.steps],
        "scores": [round(float(score), 3) for score in step_scores],
        "true": true,
        "candidates": {name: rules.candidates(rules.signal(step_scores, name))
                       for name in rules.RULES},
    }


def _cut(text: str) -> str:
    shown, hidden = cut(text)
    return printable(shown) + (f" … {hidden:,} more characters" if hidden else "")
