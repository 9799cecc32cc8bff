"""A search as a growing tree that the reader steps through, questions, changes and rescues.

Owns the widget's traits and when a search runs: on a thread of its own, so that the notebook
stays free. The picture is `tree_picture`'s, the controls are `strategy_settings`', the search is
any function with the shape of those in `search`. Does not judge: the truth is the checker's, or
the caller's.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prmlab.markup import TraceView, cut, printable
from prmlab.protocols import Policy, StepScorer
from prmlab.search import (
    SearchResult,
    beam,
    best_of_n,
    dvts,
    lookahead,
    majority_vote,
    mcts,
    tie_break_vote,
    tree_of_thoughts,
    weighted_vote,
)
from prmlab.traces import Problem, Trace
from prmlab.trees import SearchTree
from prmlab.widgets import strategy_settings, tree_picture, twin
from prmlab.widgets.background import Background
from prmlab.widgets.shown_search import ShownSearch

STATIC = Path(__file__).parent / "static"
PARTS = [STATIC / f"beam_explorer{part}.js" for part in ("_tree", "_card", "_pane", "_panels", "")]
EVERY = 0.25  # seconds between two pictures of a search under way, at least
STRATEGIES = {strategy.__name__: strategy for strategy in (
    beam, best_of_n, majority_vote, weighted_vote, tie_break_vote, dvts, lookahead,
    tree_of_thoughts, mcts)}
OWN = ("strategy", "scorer", "problem", "seed", "temperature")


class BeamExplorer(anywidget.AnyWidget):
    """Steps through a search, runs others beside it, and goes on from what was pruned.

    Python -> browser: `controls`, `searches` (one or two), `status`, `heard`. Both ways:
    `settings`, `selected` (a search's id and a node), `round` (-1 is the last), `pinned` (the next
    search stands beside the first of those shown). Browser -> Python: `asked`, one of run, stop,
    rescue, pin, unpin, with a number `n`, which comes back as `heard`.

    Args:
        problems: one, or those to choose from.
        policy: whose steps are searched.
        scorers: one step scorer, or several by name.
        strategies: functions of the shape of `search.beam` by name; by default all of `search`.
        truth: verdicts or labels of a trace's steps, None where unknown; by default the exact
            checker for the families it knows.
        seed: of the searches, to begin with.
        settings: what else to begin with: `strategy`, `scorer`, `problem` (its place),
            `temperature`, and any setting of a strategy, as `beam_width`.

    Raises:
        ValueError: if there is nothing to search, or a setting is unknown.

    Example:
        >>> from prmlab import toys
        >>> explorer = BeamExplorer(toys.make(1), toys.ToyPolicy(), toys.Values(), beam_width=2)
        >>> explorer.run(seed=1).answer
        '12'
        >>> explorer.selected_trace == explorer.result.best
        True
    """

    _esm = "\n".join(path.read_text("utf-8") for path in PARTS)
    _css = STATIC / "beam_explorer.css"

    controls = traitlets.Dict().tag(sync=True)
    searches = traitlets.List(traitlets.Dict()).tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    heard = traitlets.Int(0).tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    selected = traitlets.List(traitlets.Int()).tag(sync=True)
    round = traitlets.Int(-1).tag(sync=True)
    pinned = traitlets.Bool(False).tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)

    def __init__(self, problems: Problem | Sequence[Problem], policy: Policy,
                 scorers: StepScorer | Mapping[str, StepScorer], *,
                 strategies: Mapping[str, Callable[..., Any]] | None = None,
                 truth: tree_picture.Truth | None = None, seed: int = 0, **settings: Any):
        self._problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self._scorers = (dict(scorers) if isinstance(scorers, Mapping)
                         else {type(scorers).__name__: scorers})
        self._strategies = dict(STRATEGIES if strategies is None else strategies)
        if not (self._problems and self._scorers and self._strategies):
            raise ValueError("need at least one problem, one scorer and one strategy, got "
                             f"{len(self._problems)}, {len(self._scorers)} and "
                             f"{len(self._strategies)}")
        self._policy, self._truth = policy, truth or tree_picture.exact
        self._lock, self._background = threading.RLock(), Background()
        self._shown: tuple[ShownSearch, ...] = ()
        self._latest = 0
        super().__init__(controls=self._controls(), settings=self._begin(seed, settings),
                         status={"state": "idle", "text": "No search yet: press Run."})
        self.observe(self._on_asked, names=["asked"])
        self.observe(self._on_pinned, names=["pinned"])

    def run(self, **settings: Any) -> SearchResult:
        """Search with these settings changed, and wait for it; returns the SearchResult.

        Raises:
            ValueError: if a setting is unknown or of another kind.
            Exception: whatever the policy, the scorer or the strategy raises.
        """
        self.settings = self._changed(settings)
        return self._wait(self._asked_for(dict(self.settings)))

    def rescue(self, node: int, *, search: int | None = None, **settings: Any) -> SearchResult:
        """Go on from a node of `tree`, with that search beside it; returns the SearchResult.

        Args:
            node: the row of an unfinished node.
            search: the id of the search it is in, by default the last.
            settings: changed for the second search only.

        Raises:
            ValueError: if there is no such node, or its trace is finished.
        """
        return self._wait(self._rescue(node, search, settings))

    @property
    def results(self) -> tuple[SearchResult, ...]:
        """The SearchResults that stand side by side, one or two; empty before the first."""
        return tuple(search.result for search in self._shown if search.result is not None)

    @property
    def result(self) -> SearchResult | None:
        """The last SearchResult; None before the first."""
        return self.results[-1] if self.results else None

    @property
    def tree(self) -> SearchTree | None:
        """The tree of the last search, as far as it has grown."""
        return self._shown[-1].tree if self._shown else None

    @property
    def selected_trace(self) -> Trace | None:
        """The trace that ends with the selected node; None if there is none."""
        with self._lock:
            search = self._find(self.selected[0]) if len(self.selected) == 2 else None
            if search is None or not 0 <= self.selected[1] < len(search.picture["node"]):
                return None
            return search.tree.trace(search.picture["node"][self.selected[1]])

    def to_html(self) -> str:
        """A static twin: the searches as they stand, to step through without a kernel."""
        names = ("searches", "selected", "round", "status", "settings", "pinned")
        state = {name: getattr(self, name) for name in names}
        state |= {"controls": {}, "heard": 0, "asked": {}}
        return twin.fragment(PARTS, STATIC / "beam_explorer.css", json.loads(json.dumps(state)))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        plain = "Beam explorer: no search yet."
        page = f"<p>{plain} Run this cell to search.</p>"
        if self.tree is not None:
            best = getattr(self.result, "best", None)
            plain = f"Beam explorer: {len(self.tree)} nodes, {self.tree.rounds} rounds."
            view = "" if best is None else TraceView.of(best, truth=self._truth(best))
            page = f"<p>{plain} Run this cell to step through it.</p>"
            page += view._repr_html_() if view else ""
        return {**data, "text/plain": plain, "text/html": page}, metadata

    # What was asked for.

    def _controls(self) -> dict[str, Any]:
        texts = [f"{i}: {printable(cut(' '.join(p.text.split()), 70)[0])}"
                 for i, p in enumerate(self._problems)]
        return {"problems": texts, "scorers": list(self._scorers), "strategies": {
            name: [{"name": key, **control} for key, control in
                   strategy_settings.settings(strategy).items() if key not in OWN]
            for name, strategy in self._strategies.items()}}

    def _begin(self, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
        values = {"strategy": next(iter(self._strategies)), "scorer": next(iter(self._scorers)),
                  "problem": 0, "seed": seed, "temperature": 1.0}
        for strategy in reversed(self._strategies.values()):
            for name, control in strategy_settings.settings(strategy).items():
                values.setdefault(name, control["value"])
        self._known = frozenset(values)
        return self._changed(settings, values)

    def _changed(self, changes: Mapping[str, Any], values: Mapping[str, Any] | None = None
                 ) -> dict[str, Any]:
        values = {**(self.settings if values is None else values), **changes}
        for name in changes.keys() - self._known:
            raise ValueError(f"no strategy has a setting {name!r}; there are "
                             f"{', '.join(sorted(self._known))}")
        for name, known in (("strategy", self._strategies), ("scorer", self._scorers)):
            if values[name] not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got "
                                 f"{values[name]!r}")
        if values["problem"] not in range(len(self._problems)):
            raise ValueError(f"problem must be 0 to {len(self._problems) - 1}, got "
                             f"{values['problem']!r}")
        return values

    def _asked_for(self, settings: Mapping[str, Any]) -> ShownSearch:
        with self._lock:
            return self._new(self._problems[settings["problem"]], settings)

    def _new(self, start: Problem | Trace, settings: Mapping[str, Any],
             before: tuple[float | None, ...] = (), note: str = "") -> ShownSearch:
        self._latest += 1
        strategy = self._strategies[settings["strategy"]]
        return ShownSearch(self._latest, start, strategy, settings, before, note)

    def _rescue(self, node: int, search: int | None, changes: Mapping[str, Any]) -> ShownSearch:
        with self._lock:
            origin = self._find(self._shown[-1].id if search is None and self._shown else search)
            if origin is None or not 0 < node < len(origin.tree):
                raise ValueError(f"there is no node {node} to go on from; choose one below the "
                                 "root of a tree that is shown")
            tree = origin.tree
            if tree.finished[node]:
                raise ValueError(f"node {node} ends its trace, nothing can follow; rescue the "
                                 f"node before it, {tree.parent[node]}")
            settings = self._changed(changes, origin.settings)
            self._put((origin,))
            self.pinned = True
            scores = tree.step_scores(node).tolist()
            before = (*(origin.before or [None] * len(tree.root.steps)), *scores)
            return self._new(tree.trace(node), settings, before,
                             f"from node {node} of {origin.id}")

    def _on_asked(self, change: Any) -> None:
        # JupyterLab calls this on a thread of its own, beside a running cell.
        asked = change.new
        self.heard = int(asked.get("n", 0))
        try:
            what = asked.get("what")
            if what == "stop":
                self._background.stop()
            elif what in ("pin", "unpin"):
                self.pinned = what == "pin"
            elif what == "rescue":
                search = self._find(asked["search"])
                node = search.picture["node"][asked["node"]] if search else -1
                self._begin_job(self._rescue(node, asked["search"], {}))
            elif what == "run":
                self.settings = self._changed(asked["settings"])
                self._begin_job(self._asked_for(dict(self.settings)))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            self._tell("failed", _sentence(error))

    def _on_pinned(self, change: Any) -> None:
        with self._lock:
            if not change.new and len(self._shown) > 1:
                self._put(self._shown[-1:])

    # What runs on a thread of its own.

    def _begin_job(self, search: ShownSearch, came: list[SearchResult | Exception] | None = None
                   ) -> threading.Event:
        came = [] if came is None else came
        return self._background.start(lambda stopped: self._job(search, stopped, came))

    def _wait(self, search: ShownSearch) -> SearchResult:
        came: list[SearchResult | Exception] = []
        done = self._begin_job(search, came)
        try:
            while not done.wait(0.1):
                pass
        except KeyboardInterrupt:
            self._background.stop()
            raise
        if not came:
            raise RuntimeError("another search took the place of this one before it began")
        if isinstance(came[0], Exception):
            raise came[0]
        return came[0]

    def _job(self, search: ShownSearch, stopped: Callable[[], bool],
             came: list[SearchResult | Exception]) -> None:
        self._tell("running", "The first round …")
        try:
            result = self._search(search, stopped)
            self._show(search, result.tree, result)
            said = replace(search, result=result, tree=result.tree).said()
        except Exception as error:  # noqa: BLE001 - the one boundary to the reader's own code
            came.append(error)
            state, said = "failed", (f"{_sentence(error)} The search ended there; what is shown "
                                     "stands. Mend it and press Run.")
        else:
            came.append(result)
            state = "stopped" if getattr(result, "stopped", False) else "done"
            if state == "stopped":
                said = f"Stopped after round {result.tree.rounds}. {said}"
        if search.id == self._latest:
            self._tell(state, said)

    def _search(self, search: ShownSearch, stopped: Callable[[], bool]) -> SearchResult:
        began = due = time.monotonic()

        def watch(number: int, trees: Sequence[SearchTree]) -> bool:
            nonlocal due
            now = time.monotonic()
            if now >= due and not stopped():
                self._show(search, trees[0], None)
                self._tell("running", f"Round {number}, {len(trees[0]) - 1} steps, "
                           f"{now - began:.0f} s")
                took = time.monotonic() - now
                due = now + max(EVERY, 5 * took)  # the pictures slow the search by a fifth at most
            return stopped()

        given = strategy_settings.chosen(search.strategy, search.settings)
        if strategy_settings.takes(search.strategy, "watch"):
            given["watch"] = watch
        scorer = [self._scorers[search.settings["scorer"]]]
        scorer *= strategy_settings.takes(search.strategy, "scorer")
        (result,) = search.strategy([search.start], self._policy, *scorer, **given)
        return result

    def _show(self, search: ShownSearch, tree: SearchTree, result: Any) -> None:
        """Put a search, as far as it has come, in its place."""
        picture = tree_picture.picture(
            tree, best=getattr(result, "best", None), truth=self._truth, before=search.before,
            aggregate=str(search.settings.get("aggregate", "")))
        with self._lock:
            if search.id != self._latest:
                return
            search = replace(search, tree=tree, result=result, picture=picture)
            others = [s for s in self._shown if s.id != search.id][:1] if self.pinned else []
            with self.hold_sync():
                self._put((*others, search))
                self.round = -1
                if result is not None or self.selected[:1] != [search.id]:
                    self.selected = [search.id, picture["best"] or 0]

    def _put(self, shown: tuple[ShownSearch, ...]) -> None:
        self._shown = shown
        self.searches = [search.to_dict() for search in shown]

    def _find(self, search: int | None) -> ShownSearch | None:
        return next((s for s in self._shown if s.id == search), None)

    def _tell(self, state: str, text: str) -> None:
        self.status = {"state": state, "text": printable(cut(text, 1000)[0])}


def _sentence(error: Exception) -> str:
    words = str(error).strip() or "no message"
    return f"{type(error).__name__}: {words}{'' if words.endswith('.') else '.'}"
