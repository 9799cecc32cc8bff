"""The rollout fan: rollouts drawn from a step of a trace, and the value they settle on.

Owns what was drawn, prefix by prefix, and the thread that draws: a button starts it, so that it
can be stopped, and a second click never draws twice. What is right is `estimates`' to say,
where lines run `fan_layout`'s. A step is the last of a prefix: `step` counts the prefix's steps,
0 for the problem alone.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prmlab import checker, estimates
from prmlab.intervals import Estimate, clopper_pearson
from prmlab.markup import TraceView, cut, printable
from prmlab.protocols import Policy
from prmlab.traces import Trace
from prmlab.widgets import fan_layout, twin

STATIC = Path(__file__).parent / "static"
MAX_TEXT, MAX_TWIN = 60_000, 120_000  # characters: of one prefix's rollouts, of a twin's drawings
MAX_TRACES = 24_000  # of the traces in a twin


class RolloutFan(anywidget.AnyWidget):
    """Pick a trace and a step, predict its value, and watch rollouts fan out from there.

    Python -> browser: `traces`; `tallies`, what is known of each prefix of each trace; `fans`,
    the drawing of the chosen prefix (in a static twin of several); `busy`, `progress`, `answered`,
    `said`, `error`, `live`. Browser -> Python: `asked` ({"id", "n"}), `stops`. Both ways:
    `current`, the trace; `step`, the steps of its chosen prefix; `predictions`, by "trace-step".

    Args:
        traces: T of them, of problems with an answer.
        policy: draws the rollouts.
        seed: with what was drawn before of the same prefix, it decides every draw.
        batch: rollouts of one call of the policy; between calls it can be stopped.
        at_most: rollouts of one prefix.
        truth: from a trace to the index of its first wrong step, None if it has none, ValueError
            where it cannot tell; `checker.first_error` by default.

    Raises:
        ValueError: if there is no trace, a problem has no answer, or a number is out of range.
    """

    _esm = STATIC / "rollout_fan.js"
    _css = STATIC / "rollout_fan.css"

    traces = traitlets.List(traitlets.Dict()).tag(sync=True)
    tallies = traitlets.List(traitlets.List()).tag(sync=True)
    fans = traitlets.Dict().tag(sync=True)
    predictions = traitlets.Dict().tag(sync=True)
    current = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    batch = traitlets.Int(8).tag(sync=True)
    at_most = traitlets.Int(64).tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)
    stops = traitlets.Int(0).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)
    progress = traitlets.Unicode("").tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)

    def __init__(self, traces: Sequence[Trace], policy: Policy, *, seed: int = 0,
                 batch: int = 8, at_most: int = 64, truth: fan_layout.Truth | None = None):
        _check(traces, batch, at_most)
        self._traces = tuple(traces)
        self._truth = truth or checker.first_error
        self._tally = estimates.Tally(policy, seed=seed, temperature=1.0)
        self._rollouts: dict[tuple[int, int], list[fan_layout.Rollout]] = {}
        self._lock, self._halt = threading.RLock(), threading.Event()
        self._drawing = False
        super().__init__(
            traces=[fan_layout.shown(trace, self._truth) for trace in traces],
            batch=batch, at_most=at_most,
        )
        self.tallies = [[None] * len(shown["steps"]) + [fan_layout.ending(shown)]
                        for shown in self.traces]
        self._show()
        self.observe(self._on_choice, names=["current", "step"])
        self.observe(self._on_predictions, names=["predictions"])
        self.observe(self._on_asked, names=["asked"])
        self.observe(lambda _: self.stop(), names=["stops"])

    @property
    def values(self) -> dict[tuple[int, int], tuple[int, int]]:
        """`(n_right, n)` of each prefix drawn from, by `(trace, step)`."""
        return {place: (sum(row.kind == "right" for row in rows), len(rows))
                for place, rows in sorted(dict(self._rollouts).items())}

    @property
    def rollouts(self) -> list[Trace]:
        """The rollouts of the chosen prefix, in order of drawing."""
        return [row.trace for row in self._rollouts.get((self.current, self.step), ())]

    def sample(self, n: int | None = None) -> Estimate:
        """Draw `n` more rollouts of the chosen prefix, here and now; by default a batch.

        Returns:
            The value of the prefix by all its rollouts, with the exact 95 % interval.

        Raises:
            ValueError: if `n` is below 1 or above what is left, or the trace ends there.
            RuntimeError: while the widget is sampling.
        """
        place, n = self._claim(n)
        self._draw(place, n)
        n_right, drawn = self.values.get(place, (0, 0))
        if not drawn:
            raise RuntimeError("stopped before the first rollout was there; sample again")
        return Estimate(n_right / drawn, *clopper_pearson(n_right, drawn))

    def stop(self) -> None:
        """Stop drawing after the batch under way; what was drawn stays."""
        self._halt.set()

    def to_html(self) -> str:
        """A static twin: what was drawn so far, to be looked through without a kernel.

        Holds traces and drawings up to a bounded size, what is chosen first, and says what it
        leaves out.
        """
        drawn = sorted(self._rollouts, key=lambda place: (
            place != (self.current, self.step), place[0] != self.current, place))
        kept, size = [], 0
        for t in dict.fromkeys([self.current, *(t for t, _ in drawn)]):
            size += _size(self.traces[t])
            if size <= MAX_TRACES or not kept:
                kept.append(t)
        kept.sort()
        fans, size, left_out = {}, 0, 0
        for t, s in drawn:
            one = self._drawing_of((t, s))
            size += _size(one)
            if t in kept and (size <= MAX_TWIN or not fans):
                fans[f"{kept.index(t)}-{s}"] = one
            else:
                left_out += 1
        n = sum(len(rows) for rows in self._rollouts.values())
        said = f"A static page: {n:,} rollouts from {len(drawn)} prefixes, drawn before."
        more = f" Fans only in the notebook: {left_out}." if left_out else ""
        given = {_moved(name, kept): p for name, p in self.predictions.items()}
        return twin.fragment(STATIC / "rollout_fan.js", STATIC / "rollout_fan.css", {
            "traces": [self.traces[t] for t in kept], "current": kept.index(self.current),
            "tallies": [self.tallies[t] for t in kept], "step": self.step, "fans": fans,
            "predictions": {name: p for name, p in given.items() if name},
            "said": f"{said}{more} To draw more, run the notebook.", "live": False,
            "batch": self.batch, "at_most": self.at_most, "busy": False, "progress": "",
            "error": "", "asked": {}, "answered": 0, "stops": 0,
        })

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        trace = self._traces[self.current]
        plain = (f"Rollout fan: {len(self._traces)} traces, "
                 f"{sum(n for _, n in self.values.values())} rollouts drawn from "
                 f"{len(self.values)} prefixes.")
        drawn = [self.values.get((self.current, s + 1)) for s in range(len(trace.steps))]
        values = [None if row is None else row[0] / row[1] for row in drawn]
        view = (TraceView.of(trace.with_labels(values, "rollouts"), title="Values of the steps")
                if any(drawn) else TraceView.of(replace(trace, labels=None)))
        page = f"<p>{plain} Run this cell to draw.</p>{view._repr_html_()}"
        return {**data, "text/plain": plain, "text/html": page}, metadata

    def _claim(self, n: int | None) -> tuple[tuple[int, int], int]:
        """Begin to draw from the chosen prefix: returned, with how many. Errors as `sample`."""
        with self._lock:
            place = t, s = self.current, self.step
            if self._drawing:
                raise RuntimeError("sampling is under way; wait until it ends, or stop it")
            if (tally := self.tallies[t][s]) and not tally["n"]:
                raise ValueError("the trace ends here, so nothing can follow; its answer is its "
                                 "value. Choose an earlier step")
            left = self.at_most - len(self._rollouts.get(place, ()))
            if left < 1:
                raise ValueError(f"this prefix has its {self.at_most} rollouts, at_most; choose "
                                 "another step")
            n = min(self.batch, left) if n is None else n
            if not 1 <= n <= left:
                raise ValueError(f"n must be 1 to {left}, what at_most={self.at_most} leaves of "
                                 f"this prefix; got {n!r}")
            self._drawing = True
            self._halt.clear()
            return place, n

    def _draw(self, place: tuple[int, int], n: int) -> None:
        """Draw for a claim, batch by batch, until it is done or stopped; gives the claim up."""
        (t, s), done = place, 0
        prefix = self._traces[t].prefix(s)
        try:
            self.busy, self.error = True, ""
            while done < n and not self._halt.is_set():
                self.progress = f"Trace {t + 1}, {_name(s)}: {done} of {n} rollouts drawn"
                before = self._rollouts.get(place, [])
                (rows,) = self._tally.draw([prefix], min(self.batch, n - done),
                                           round=len(before))
                new = [fan_layout.judged(row, self._truth) for row in rows]
                with self._lock:
                    self._rollouts[place] = [*before, *new]
                done += len(rows)
                self._show(place)
            new = self._rollouts[place][-done:] if done else []
            self.said = _summary(s, new, stopped=done < n)
        finally:
            with self._lock:
                self._drawing = False
            self.busy, self.progress = False, ""

    def _show(self, place: tuple[int, int] | None = None) -> None:
        """Send the tally of `place`, and the fan of the prefix that is chosen."""
        with self._lock:  # the choice may change in another thread meanwhile
            if place is not None:
                tally = fan_layout.row(*self.values[place], self.traces[place[0]], place[1],
                                     self._prediction(place))
                self.tallies = [[tally if (t, s) == place else old for s, old in enumerate(row)]
                                for t, row in enumerate(self.tallies)]
            chosen = self.current, self.step
            if place in (None, chosen):
                self.fans = {f"{t}-{s}": self._drawing_of((t, s))
                             for t, s in [chosen] if chosen in self._rollouts}

    def _drawing_of(self, place: tuple[int, int]) -> dict[str, Any]:
        rows = self._rollouts[place]
        right = [row.kind == "right" for row in rows]
        return {**fan_layout.fan(rows, place[1]),
                "texts": fan_layout.texts(rows, limit=MAX_TEXT),
                "curve": fan_layout.curve(right, self._prediction(place),
                                          at_least=2 * self.batch)}

    def _prediction(self, place: tuple[int, int]) -> float | None:
        return self.predictions.get(f"{place[0]}-{place[1]}")

    def _on_choice(self, _: Any) -> None:
        t = min(max(self.current, 0), len(self._traces) - 1)
        self.current, self.step = t, min(max(self.step, 0), len(self._traces[t].steps))
        self.error = self.said = ""
        self._show()

    def _on_predictions(self, _: Any) -> None:
        for place in list(self._rollouts):
            self._show(place)

    def _on_asked(self, change: Any) -> None:
        asked = change["new"]
        try:
            place, n = self._claim(asked["n"])
        except (RuntimeError, ValueError) as refusal:
            self.error, self.answered = f"Not drawn: {refusal}.", asked["id"]
            return
        # A thread of its own, because a callback would hold up the one that stops it.
        threading.Thread(target=self._answer, args=(place, n, asked["id"]), daemon=True).start()

    def _answer(self, place: tuple[int, int], n: int, asked: int) -> None:
        try:
            self._draw(place, n)
        except Exception as error:  # noqa: BLE001 - the boundary to any policy: shown, not lost
            self.error = _words(error)
        finally:
            self.answered = asked


def _check(traces: Sequence[Trace], batch: int, at_most: int) -> None:
    if not traces:
        raise ValueError("nothing to draw from: `traces` is empty")
    if not 1 <= batch <= at_most <= 512:
        raise ValueError(f"need 1 <= batch <= at_most <= 512, got batch={batch}, "
                         f"at_most={at_most}")
    for i, trace in enumerate(traces):
        if trace.problem.answer is None:
            raise ValueError(f"trace {i}: problem {trace.problem.id!r} has no answer, so rollouts "
                             "cannot be graded; give problems with answers")


def _summary(s: int, new: Sequence[fan_layout.Rollout], *, stopped: bool) -> str:
    kinds = [row.kind for row in new]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in fan_layout.KINDS)
    return f"{'Stopped. ' if stopped else ''}{len(new)} drawn from {_name(s)}: {counts}."


def _words(error: Exception) -> str:
    said = cut(printable(error), 600)[0].rstrip(".")
    return (f"The policy could not draw: {type(error).__name__}: {said}. What was drawn before is "
            "kept. Mend the policy, or press the button to try again.")


def _name(s: int) -> str:
    return f"step {s - 1}" if s else "the problem"


def _moved(name: str, kept: Sequence[int]) -> str:
    """The name of a prefix in a page that holds only some of the traces; "" if not its."""
    t, _, s = name.partition("-")
    return f"{kept.index(int(t))}-{s}" if t.isdigit() and int(t) in kept else ""


def _size(what: Any) -> int:
    return len(json.dumps(what, ensure_ascii=False).replace("<", "\\u003c"))
