"""The beam explorer without a browser: what goes over, what comes back, what goes wrong."""

import _thread
import json
import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip("anywidget")

from prmlab import toys
from prmlab.search import SearchResult, beam
from prmlab.traces import Problem, Trace
from prmlab.widgets import tree_picture
from prmlab.widgets.beam_explorer import STRATEGIES, BeamExplorer

PROBLEMS = toys.make(3, length=6)
SCORERS = {"values": toys.Values(), "noisy": toys.Noisy(toys.Truth(), flip=0.3)}


def signs(trace):
    return [1 if step[0] == "+" else -1 for step in trace.steps]


def explorer(**changes):
    given = {"problems": PROBLEMS, "policy": toys.ToyPolicy(keep=0.6, repair=0.3),
             "scorers": SCORERS, "truth": signs, **changes}
    if "strategies" not in given:
        given.setdefault("beam_width", 2)
    return BeamExplorer(given.pop("problems"), given.pop("policy"), given.pop("scorers"), **given)


def pruned(shown):
    """An unfinished pruned node of the tree."""
    tree = shown.tree
    return next(node for node in range(1, len(tree))
                if tree.fate[node] == "pruned" and not tree.finished[node])


def ask(shown, **asked):
    """What the browser does: one more request."""
    shown.asked = {"n": shown.heard + 1, **asked}


def settled(shown, seconds=20):
    """Wait until no search is under way; the status then."""
    end = time.monotonic() + seconds
    while shown._background.busy and time.monotonic() < end:
        time.sleep(0.005)
    assert not shown._background.busy
    return shown.status["state"]


class Slow:
    """A policy that takes its time, until it is let go."""

    def __init__(self):
        self.go, self.calls = threading.Event(), 0
        self.policy = toys.ToyPolicy(keep=0.6, repair=0.3)

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        self.calls += 1
        self.go.wait(0.05)
        return self.policy.propose(prefixes, n, seed=seed, temperature=temperature)

    complete = propose


class Broken:
    """A scorer that raises."""

    def score(self, traces):
        raise ZeroDivisionError("the scorer divided by zero")


def test_before_the_first_search_there_is_nothing():
    shown = explorer()
    assert (shown.result, shown.results, shown.tree, shown.selected_trace) == (None, (), None, None)
    assert shown.status == {"state": "idle", "text": "No search yet: press Run."}
    assert list(shown.controls["strategies"]) == list(STRATEGIES)
    assert shown._repr_mimebundle_()[0]["text/plain"] == "Beam explorer: no search yet."


def test_run_is_the_search_and_its_picture_is_plain_json():
    shown = explorer(beam_width=2, branching=3, seed=5)
    result = shown.run()
    [alone] = beam([PROBLEMS[0]], toys.ToyPolicy(keep=0.6, repair=0.3), toys.Values(),
                   beam_width=2, branching=3, seed=5)
    assert isinstance(result, SearchResult)
    assert list(result.tree.rows()) == list(alone.tree.rows())
    assert shown.result is result
    [search] = shown.searches
    assert json.loads(json.dumps(search, allow_nan=False)) == search
    assert search["title"] == "beam · values"
    assert search["details"].startswith("problem 0, beam width 2, branching 3, max steps 20")
    assert search["outcome"]["right"] == (alone.answer == toys.ANSWER)
    assert shown.status == {"state": "done", "text": f"beam · values: answer {alone.answer}."}
    assert shown.selected_trace == result.best


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_is_shown(strategy):
    shown = explorer()
    result = shown.run(strategy=strategy, problem=1, scorer="noisy", aggregate="min")
    assert shown.searches[0]["title"] == f"{strategy.replace('_', ' ')} · noisy"
    assert len(shown.searches[0]["parent"]) == len(result.tree)
    assert shown.to_html().count("</script>") == 2


def test_the_selected_trace_is_a_python_value():
    shown = explorer()
    result = shown.run()
    for node in range(len(result.tree)):
        shown.selected = [1, node]
        assert shown.selected_trace == result.tree.trace(node)
    for nothing in ([], [1, 999], [9, 0], [1, -1]):
        shown.selected = nothing
        assert shown.selected_trace is None


def test_rescue_goes_on_from_a_pruned_node_beside_the_first():
    shown = explorer()
    first = shown.run()
    node = pruned(shown)
    second = shown.rescue(node)
    assert shown.results == (first, second)
    assert second.tree.root == first.tree.trace(node)
    left, right = shown.searches
    assert [left["id"], right["id"]] == [1, 2]
    assert right["title"] == f"beam · values · from node {node} of 1"
    assert right["root"]["steps"] == list(first.tree.trace(node).steps)
    assert right["root"]["scores"] == pytest.approx(first.tree.step_scores(node).tolist())
    assert right["root"]["labels"] == signs(first.tree.trace(node))
    # A rescue of the rescue: that search is now the first, and all scores come along.
    again = next(n for n in range(1, len(second.tree)) if not second.tree.finished[n])
    third = shown.rescue(again)
    assert shown.results == (second, third)
    assert len(shown.searches[1]["root"]["scores"]) == len(third.tree.root.steps)
    assert None not in shown.searches[1]["root"]["scores"]


def test_two_searches_are_compared_while_the_first_is_pinned():
    shown = explorer()
    first = shown.run()
    shown.pinned = True
    second = shown.run(scorer="noisy")
    third = shown.run(strategy="best_of_n")
    assert shown.results == (first, third)
    assert shown.result is third is not second
    shown.pinned = False
    assert shown.results == (third,)
    assert [search["id"] for search in shown.searches] == [3]


def test_a_strategy_and_a_scorer_of_the_reader_s_own():
    class Half:
        def score(self, traces):
            return [np.full(len(trace.steps), 0.5) for trace in traces]

    def narrow(problems, policy, scorer, *, n_paths=2):
        return beam(problems, policy, scorer, beam_width=n_paths, branching=1)

    shown = explorer(scorers=Half(), strategies={"narrow": narrow}, problems=PROBLEMS[0], n_paths=3)
    assert shown.controls["scorers"] == ["Half"]
    assert [control["name"] for control in shown.controls["strategies"]["narrow"]] == ["n_paths"]
    assert set(shown.run().tree.step_score[1:]) == {0.5}
    assert shown.searches[0]["details"] == "problem 0, n paths 3"


# What the browser asks for, and what goes wrong.


def test_the_browser_s_run_leaves_the_cell_free_and_grows_on_the_way(monkeypatch):
    monkeypatch.setattr("prmlab.widgets.beam_explorer.EVERY", 0.0)
    slow = Slow()
    shown, sizes = explorer(policy=slow), []
    shown.observe(lambda change: sizes.append(len(change.new[-1]["parent"])), names=["searches"])
    ask(shown, what="run", settings={"seed": 3})
    assert shown.heard == 1
    assert shown.status["state"] == "running"
    assert settled(shown) == "done"
    assert sizes == sorted(sizes)
    assert len(sizes) >= 4
    assert shown.settings["seed"] == 3


def test_stop_keeps_what_there_is():
    shown = explorer(policy=Slow(), problems=toys.make(1, length=200), max_steps=200)
    ask(shown, what="run", settings={})
    while not shown.searches:
        time.sleep(0.005)
    ask(shown, what="stop")
    assert settled(shown) == "stopped"
    assert shown.status["text"].startswith("Stopped after round ")
    assert shown.result.stopped
    assert len(shown.tree) > 1


def test_an_interrupted_cell_stops_its_search():
    class Interrupting(Slow):
        def propose(self, prefixes, n, **options):
            if self.calls == 2:
                _thread.interrupt_main()
            return super().propose(prefixes, n, **options)

    shown = explorer(policy=Interrupting(), problems=toys.make(1, length=200), max_steps=200)
    with pytest.raises(KeyboardInterrupt):
        shown.run()
    assert settled(shown) == "stopped"
    assert shown.tree.rounds < 100


def test_two_quick_clicks_are_one_search_the_last():
    slow = Slow()
    shown = explorer(policy=slow)
    for seed in range(1, 6):
        ask(shown, what="run", settings={"seed": seed})
    assert settled(shown) == "done"
    assert shown.settings["seed"] == 5
    assert [search["id"] for search in shown.searches] == [5]
    assert slow.calls <= 2 * len(PROBLEMS[0].facts) * 4 + 4


def test_a_callback_that_raises_is_told_and_the_next_run_works():
    shown = explorer(scorers={**SCORERS, "broken": Broken()})
    first = shown.run()
    ask(shown, what="run", settings={"scorer": "broken"})
    assert settled(shown) == "failed"
    assert shown.status["text"].startswith("ZeroDivisionError: the scorer divided by zero. The search")
    assert shown.result is first
    with pytest.raises(ZeroDivisionError):
        shown.run()
    ask(shown, what="run", settings={"scorer": "values"})
    assert settled(shown) == "done"


def test_a_truth_that_raises_is_told():
    shown = explorer(truth=lambda trace: [1])
    with pytest.raises(ValueError, match="one verdict per step"):
        shown.run()
    assert "one verdict per step" in shown.status["text"]


@pytest.mark.parametrize(("asked", "said"), [
    ({"what": "run", "settings": {"beam_width": 0}}, "beam_width must be at least 1"),
    ({"what": "run", "settings": {"beam_width": 2.5}}, "beam width must be a whole number, got 2.5"),
    ({"what": "run", "settings": {"temperature": "hot"}}, "temperature must be a number, got 'hot'"),
    ({"what": "run", "settings": {"scorer": "gone"}}, "scorer must be one of values, noisy"),
    ({"what": "run", "settings": {"problem": 9}}, "problem must be 0 to 2, got 9"),
    ({"what": "run", "settings": {"nonsense": 1}}, "no strategy has a setting 'nonsense'"),
    ({"what": "run"}, "KeyError"),
    ({"what": "rescue", "search": 1, "node": 0}, "there is no node 0 to go on from"),
    ({"what": "rescue", "search": 7, "node": 1}, "there is no node -1 to go on from"),
    ({"what": "rescue", "search": 1, "node": 10_000}, "IndexError"),
])
def test_bad_requests_are_told_and_leave_the_picture(asked, said):
    shown = explorer()
    shown.run()
    before = shown.searches
    ask(shown, **asked)
    assert settled(shown) == "failed"
    assert said in shown.status["text"]
    assert shown.searches == before


def test_a_finished_node_cannot_be_rescued():
    shown = explorer()
    end = shown.run().tree.ends()[0]
    with pytest.raises(ValueError, match=f"node {end} ends its trace.*rescue the node before it"):
        shown.rescue(end)
    with pytest.raises(ValueError, match="no strategy has a setting 'width'"):
        shown.rescue(pruned(shown), width=3)
    assert len(shown.searches) == 1


def test_a_cell_that_runs_while_the_browser_searches():
    shown = explorer(policy=Slow())
    ask(shown, what="run", settings={"seed": 1})
    result = shown.run(seed=2)  # the cell's search takes the place of the browser's
    assert shown.result is result
    assert settled(shown) == "done"


def test_a_huge_tree_is_selected_by_its_own_rows(monkeypatch):
    monkeypatch.setattr(tree_picture, "MAX_NODES", 8)
    shown = explorer()
    result = shown.run(beam_width=6, branching=6)
    [search] = shown.searches
    assert search["left_out"] == len(result.tree) - 8
    assert shown.selected_trace == result.best
    shown.selected = [1, 7]
    assert shown.selected_trace == result.tree.trace(search["node"][7])


def test_output_says_what_it_is_where_no_widget_runs():
    shown = explorer()
    result = shown.run()
    data, _ = shown._repr_mimebundle_()
    assert data["text/plain"] == f"Beam explorer: {len(result.tree)} nodes, {result.tree.rounds} rounds."
    assert "<table" in data["text/html"]


def test_static_twin_is_offline_and_inert():
    class Hostile(Slow):
        def propose(self, prefixes, n, *, seed, temperature=1.0):
            return [[Trace(p.problem, (*p.steps, "<img src=x onerror=alert(1)></script>"), True)] * n
                    for p in prefixes]

    shown = explorer(policy=Hostile(), problems=Problem("h", "</script><b>", None, "none"),
                     scorers=Flat(), truth=None)
    shown.run()
    page = shown.to_html()
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert not re.search(r"https?://", page.replace("http://www.w3.org", ""))
    assert '"controls": {}' in page
    assert len(page) < 80_000


class Flat:
    def score(self, traces):
        return [np.full(len(trace.steps), 0.5) for trace in traces]


@pytest.mark.parametrize(("changes", "message"), [
    ({"problems": []}, "at least one problem, one scorer and one strategy, got 0, 2 and 9"),
    ({"scorers": {}}, "got 3, 0 and 9"),
    ({"strategies": {}}, "got 3, 2 and 0"),
    ({"beam_size": 3}, "no strategy has a setting 'beam_size'; there are .*beam_width"),
    ({"strategy": "bfs"}, "strategy must be one of beam, best_of_n"),
    ({"problem": 3}, "problem must be 0 to 2, got 3"),
])
def test_messages(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**changes)
