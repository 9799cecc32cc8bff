"""The rollout fan without a browser: what is drawn, refused, stopped, shown and kept in a page."""

import json
import re
import threading

import numpy as np
import pytest

pytest.importorskip("anywidget")

from test_markup import DARK, LIGHT, contrast

from prmlab import problems, toys
from prmlab.estimates import round_seed
from prmlab.intervals import clopper_pearson
from prmlab.markup import COLOURS
from prmlab.traces import Problem, Trace
from prmlab.widgets import fan_layout
from prmlab.widgets.rollout_fan import STATIC, RolloutFan

(TOY,) = toys.make(1, length=5)
TRACES = [toys.trace(TOY, "++-++"), toys.trace(TOY, "+-"), toys.trace(TOY, "+++--")]
POLICY = toys.ToyPolicy(keep=0.8, repair=0.3)
HOSTILE = ["<img src=x onerror='window.hacked = 1'>", "</script><script>window.hacked = 1</script>",
           "\u202eright to left\u2067", "🙂🏳️‍🌈" * 5, r"$\frac{1}{2}$ \(x\)", "x" * 100_000, "\x00\x1b\ud800"]


def first_wrong(trace):
    """The toys' truth, for every trace with a step."""
    (right,) = toys.Truth().score([trace])
    if not trace.steps:
        raise ValueError("no step")
    return None if right.all() else int(np.flatnonzero(right == 0)[0])


class Slow:
    """A policy that draws only when it is let: `go` lets it, once for each call."""

    def __init__(self, fails=()):
        self.go, self.calls, self.fails = threading.Semaphore(0), [], list(fails)

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        self.calls.append((n, seed))
        assert self.go.acquire(timeout=20)
        if self.fails:
            raise self.fails.pop(0)
        return POLICY.complete(prefixes, n, seed=seed)


class Says:
    """A policy whose every rollout is this text and an answer."""

    def __init__(self, *texts, finished=True):
        self.texts, self.finished = texts, finished

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, *self.texts), self.finished)] * n for p in prefixes]


def wait(fan, name, value):
    """Wait until a trait has the value, set by another thread."""
    reached = threading.Event()
    fan.observe(lambda change: change["new"] == value and reached.set(), names=[name])
    assert getattr(fan, name) == value or reached.wait(20), (name, getattr(fan, name))


def ask(fan, number, n=8):
    """What the browser does when its button is pressed."""
    fan.asked = {"id": number, "n": n}


def test_sampling_from_python_is_reproducible_and_counted():
    fan = RolloutFan(TRACES, POLICY, seed=3, batch=4, at_most=12)
    fan.step = 2
    estimate = fan.sample(7)
    (first,) = POLICY.complete([TRACES[0].prefix(2)], 4, seed=3)
    (second,) = POLICY.complete([TRACES[0].prefix(2)], 3, seed=round_seed(3, 4))
    assert fan.rollouts == first + second
    n_right = sum(rollout.steps[-1] == "+ Answer: 12" for rollout in first + second)
    assert fan.values == {(0, 2): (n_right, 7)}
    assert (estimate.value, estimate.low, estimate.high) == (
        n_right / 7, *clopper_pearson(n_right, 7))
    fan.sample()
    fan.current, fan.step = 1, 0
    fan.sample(1)
    assert {place: n for place, (_, n) in fan.values.items()} == {(0, 2): 11, (1, 0): 1}
    fan.current, fan.step = 0, 2
    fan.sample()  # a batch, or what is left of it
    assert fan.values[0, 2][1] == 12


def test_the_value_settles_where_it_is_known_to_lie():
    fan = RolloutFan(TRACES, POLICY, batch=200, at_most=400)
    for step in (1, 3):
        fan.step = step
        found = fan.sample(400)
        assert found.low < POLICY.value(TRACES[0].prefix(step)) < found.high


@pytest.mark.parametrize(("traces", "options", "words"), [
    ([], {}, "`traces` is empty"),
    (TRACES, {"batch": 0}, "got batch=0, at_most=64"),
    (TRACES, {"batch": 9, "at_most": 8}, "got batch=9, at_most=8"),
    (TRACES, {"at_most": 1000}, "at_most <= 512"),
    ([Trace(Problem("q", "?", None, "x"), ("a",))], {}, "trace 0: problem 'q' has no answer"),
])
def test_bad_arguments_are_named(traces, options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        RolloutFan(traces, POLICY, **options)


def test_what_cannot_be_drawn_is_refused():
    fan = RolloutFan(TRACES, POLICY, batch=4, at_most=8)
    for n in (0, 9):
        with pytest.raises(ValueError, match="n must be 1 to 8"):
            fan.sample(n)
    fan.sample(8)
    with pytest.raises(ValueError, match="has its 8 rollouts"):
        fan.sample()
    fan.step = 5
    with pytest.raises(ValueError, match="the trace ends here"):
        fan.sample()
    fan.current, fan.step = 1, 2  # this one is not finished
    fan.sample()
    ask(fan, 1, n=8)
    assert fan.error == ("Not drawn: n must be 1 to 4, what at_most=8 leaves of this prefix; "
                         "got 8.")
    assert fan.answered == 1


def test_a_choice_out_of_range_goes_to_the_nearest():
    fan = RolloutFan(TRACES, POLICY)
    fan.step = 4
    fan.current = 1
    assert (fan.current, fan.step) == (1, 2)
    fan.current = 99
    assert fan.current == 2
    fan.step = -1
    assert fan.step == 0


def test_the_browser_asks_watches_and_stops():
    policy = Slow()
    fan = RolloutFan(TRACES, policy, batch=4)
    fan.step = 1
    ask(fan, 1, n=12)
    wait(fan, "busy", True)
    fan.step = 3  # looking elsewhere does not change where is drawn
    policy.go.release()
    wait(fan, "progress", "Trace 1, step 0: 4 of 12 rollouts drawn")
    assert fan.fans == {}
    fan.stops += 1
    policy.go.release()
    wait(fan, "answered", 1)
    assert {place: n for place, (_, n) in fan.values.items()} == {(0, 1): 8}
    assert (fan.busy, fan.progress, fan.error) == (False, "", "")
    assert fan.said.startswith("Stopped. 8 drawn from step 0: ")
    fan.step = 1
    assert len(fan.fans["0-1"]["lines"]) == 8


def test_a_stop_right_after_the_click_is_heard():
    policy = Slow()
    fan = RolloutFan(TRACES, policy, batch=4)
    ask(fan, 1, n=64)
    fan.stops += 1
    for _ in range(16):
        policy.go.release()
    wait(fan, "answered", 1)
    assert len(policy.calls) <= 1


def test_asking_while_busy_is_refused_in_words_and_never_draws_twice():
    policy = Slow()
    fan = RolloutFan(TRACES, policy)
    ask(fan, 1)
    wait(fan, "busy", True)
    ask(fan, 2)
    assert fan.error == ("Not drawn: sampling is under way; wait until it ends, or stop it.")
    with pytest.raises(RuntimeError, match="under way"):
        fan.sample()
    policy.go.release()
    wait(fan, "busy", False)
    wait(fan, "answered", 1)
    assert policy.calls == [(8, 0)]
    assert fan.values[0, 0][1] == 8


def test_a_failing_policy_is_shown_in_words_and_the_fan_stays_usable():
    policy = Slow(fails=[ZeroDivisionError("the <b>server</b> fell over\x1b")])
    fan = RolloutFan(TRACES, policy)
    policy.go.release()
    ask(fan, 1)
    wait(fan, "answered", 1)
    assert fan.error == ("The policy could not draw: ZeroDivisionError: the <b>server</b> fell "
                         "over␛. What was drawn before is kept. Mend the policy, or press the "
                         "button to try again.")
    assert (fan.busy, fan.values) == (False, {})
    policy.go.release()
    ask(fan, 2)
    wait(fan, "answered", 2)
    assert (fan.error, fan.values[0, 0][1]) == ("", 8)


@pytest.mark.parametrize(("policy", "words"), [
    (Says("new steps only"), None),
    (type("Bare", (), {"complete": lambda self, prefixes, n, **_: [[TRACES[1]] * n]})(),
     "Bare.complete must return the prefix with steps more"),
    (type("Few", (), {"complete": lambda self, prefixes, n, **_: [[]]})(), "must return 8 rollouts"),
    (type("Odd", (), {})(), "no attribute 'complete'"),
])
def test_a_policy_that_breaks_its_contract_is_named(policy, words):
    fan = RolloutFan(TRACES, policy)
    fan.step = 3
    ask(fan, 1)
    wait(fan, "answered", 1)
    wait(fan, "busy", False)
    assert words in fan.error if words else fan.error == ""


def test_rows_say_value_label_and_truth_once_they_are_known():
    fan = RolloutFan(TRACES, toys.ToyPolicy(keep=1.0, repair=0.0), truth=first_wrong)
    fan.predictions = {"0-2": 0.75}
    for fan.step in (0, 2, 3):
        fan.sample()
    rows = [row and (row["value"], row["label"], row["truth"]) for row in fan.tallies[0]]
    assert rows == [("1.00 (8/8)", "", ""), None, ("1.00 (8/8)", "✓ right", "✓ right"),
                    ("0.00 (0/8)", "✗ wrong", "✗ first error"), None,
                    ("1 (its end)", "✓ right", "after the error")]
    assert fan.tallies[0][2]["said"] == (
        "You predicted 0.75. 8 of 8 rollouts are right: value 1.00, 95 % interval 0.63 to 1.00; "
        "your prediction is inside.")
    fan.predictions = {"0-2": 0.5}
    assert "predicted 0.50" in fan.tallies[0][2]["said"]
    assert fan.tallies[0][2]["said"].endswith("; your prediction is outside.")
    assert fan.tallies[1] == [None, None, None]


def test_the_truth_is_the_checker_s_where_it_can_decide():
    (problem,) = problems.make("equations", 1, seed=0, difficulty=1)
    right = problems.solve(problem)
    fan = RolloutFan([right, TRACES[0]], Says("Answer: -12345"))
    assert [(t["known"], t["first_error"]) for t in fan.traces] == [(True, None), (False, None)]
    fan.sample()
    text = fan.fans["0-0"]["texts"][0]
    assert (text["first_error"], text["steps"]) == (0, ["Answer: -12345"])


def test_the_fan_splits_where_its_value_lies():
    problem = Problem("p", "?", "7", "x")
    ends = ["Answer: 7", "Answer: 8", "Answer: 9", "Answer: 7", "Answer: 8", "nothing"]
    rollouts = [Trace(problem, ("a", "b", end), True) for end in ends]
    rollouts.append(Trace(problem, ("a", "b", "c"), False))
    slips = dict(zip(map(id, rollouts), [None, 1, None, None, None, 2, None], strict=True))
    drawn = fan_layout.fan([fan_layout.judged(r, lambda r: slips[id(r)]) for r in rollouts], 1)
    assert [line["index"] for line in drawn["lines"]] == [0, 3, 1, 4, 2, 5, 6]
    texts = [shape[2].replace("\u2068", "").replace("\u2069", "") for shape in drawn["words"][:-1]]
    assert texts == ["✓ 7 (2 of 7)", "✗ 8 (2 of 7)", "✗ 9 (1 of 7)", "✗ no answer (1 of 7)",
                     "… unfinished (1 of 7)"]
    heights = [float(line["shapes"][0][1]["d"].split(",")[-1]) for line in drawn["lines"]]
    assert heights == sorted(heights)
    assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 5
    assert heights[0] > 0 and heights[-1] < drawn["height"]
    kinds = [[shape[1]["class"] for shape in line["shapes"]] for line in drawn["lines"]]
    assert kinds[0] == ["prm-line", "prm-dots", "prm-mark"]  # the last of two steps is the line's end
    assert kinds[2] == ["prm-line", "prm-dots", "prm-slip", "prm-mark"]


def test_many_answers_share_a_line_of_words_but_the_right_one_never_does():
    problem = Problem("p", "?", "7", "x")
    ends = [str(i) for i in range(8, 40) for _ in range(2)] + ["7"]
    drawn = fan_layout.fan([fan_layout.judged(Trace(problem, (f"Answer: {end}",), True),
                                              lambda _: None) for end in ends], 0)
    texts = [shape[2] for shape in drawn["words"][:-1]]
    assert len(texts) == fan_layout.MAX_GROUPS + 2
    assert "7" in texts[0] and texts[0].endswith("(1 of 65)")
    assert texts[-1] == "✗ others (48 of 65)"
    assert drawn["height"] < 700


def test_the_curve_by_hand():
    shapes = fan_layout.curve([True, False], 0.25, at_least=4)
    by_class = {shape[1].get("class", shape[0]): shape for shape in shapes}
    assert by_class["prm-value-line"][1]["points"] == "97.5,12.0 161.0,104.0"
    band = [point.split(",") for point in by_class["polygon"][1]["points"].split()]
    low = clopper_pearson(1, 2)[0]
    assert [float(y) for _, y in band] == pytest.approx(
        [196 - 184 * 0.025, 196 - 184 * low, 12 + 184 * low, 12], abs=0.06)
    assert [shape[2] for shape in shapes if shape[0] == "text"] == [
        "0", "0.5", "1", "0", "2", "4", "rollouts drawn", "your prediction"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text_and_small(text):
    problem = Problem("p", text, "7", text)
    fan = RolloutFan([Trace(problem, (text, text), True)], Says(text, f"Answer: {text}"),
                     at_most=64)
    fan.step = 1
    fan.sample(64)
    html = fan.to_html()
    html.encode()
    assert len(html) < 450_000
    assert html.count("</script>") == 2 and "<img" not in html
    assert all(isinstance(value, int | float) or re.fullmatch(r"[-\w., ()#%]*", value)
               for line in fan.fans["0-1"]["lines"] for shape in line["shapes"]
               for value in shape[1].values())
    assert len(json.dumps(fan.get_state(["fans", "traces", "tallies"]))) < 700_000


def test_the_twin_holds_what_was_drawn_and_says_what_it_leaves_out():
    traces = [toys.trace(problem, "+" * 4) for problem in toys.make(9, length=40)]
    fan = RolloutFan(traces, POLICY, batch=128, at_most=256)
    for place in ((6, 4), (2, 3), (2, 0), (6, 1), (6, 2), (6, 3)):
        fan.current, fan.step = place
        fan.sample(256)
    fan.predictions = {"6-4": 0.5, "1-1": 0.2}
    html = fan.to_html()
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])
    assert len(data["traces"]) == len(data["tallies"]) == 2
    assert (data["current"], data["step"], data["live"]) == (1, 3, False)
    assert data["predictions"] == {"1-4": 0.5}
    assert next(iter(data["fans"])) == "1-3"
    left_out = 6 - len(data["fans"])
    assert left_out > 0
    assert data["said"] == ("A static page: 1,536 rollouts from 6 prefixes, drawn before. Fans "
                            f"only in the notebook: {left_out}. To draw more, run the notebook.")
    assert len(html) < 450_000
    assert "0 rollouts from 0 prefixes" in RolloutFan(TRACES, POLICY).to_html()


def test_the_notebook_keeps_a_table_of_values():
    fan = RolloutFan(TRACES, POLICY)
    fan.step = 3
    untouched = fan._repr_mimebundle_()[0]["text/html"]
    assert "<table" in untouched and "unknown" not in untouched  # nothing drawn: no column of it
    fan.sample()
    data = fan._repr_mimebundle_()[0]
    assert data["text/plain"] == "Rollout fan: 3 traces, 8 rollouts drawn from 1 prefixes."
    assert "<table" in data["text/html"] and f"{fan.values[0, 3][0] / 8:.2f}" in data["text/html"]


def test_colours_are_those_of_the_package_and_legible():
    css = (STATIC / "rollout_fan.css").read_text("utf-8")
    found = dict(re.findall(r"--(\w+): light-dark\((#\w+, #\w+)\)", css))
    for name in ("right", "wrong", "chosen"):
        assert tuple(found[name].split(", ")) == COLOURS[name][:2]
    for name in ("right", "wrong", "chosen", "soft", "ink"):
        light, dark = found[name].split(", ")
        for ground in ("ground", "raised"):
            on_light, on_dark = found[ground].split(", ")
            assert contrast(light, on_light) >= 4.5 and contrast(dark, on_dark) >= 4.5
    assert LIGHT and DARK
    assert all(line.startswith((".prm-rollout-fan", "body", "  ", "}", "@", "html"))
               for line in css.splitlines() if line)


@pytest.mark.torch
def test_with_the_language_model_of_the_course():
    pytest.importorskip("torch")
    from prmlab.sampling import LocalPolicy

    policy = LocalPolicy.load("policy")
    (problem,) = problems.make("stories", 1, seed=5)
    ((trace,),) = policy.complete([Trace(problem, ())], 1, seed=0)
    fan = RolloutFan([trace], policy, batch=4)
    fan.step = 1
    ask(fan, 1, n=8)
    wait(fan, "answered", 1)
    assert (fan.error, fan.values[0, 1][1]) == ("", 8)
    assert all(rollout.steps[:1] == trace.steps[:1] for rollout in fan.rollouts)
    assert fan.traces[0]["known"]
