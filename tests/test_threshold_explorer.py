"""The threshold explorer without a browser: what goes over, what comes back, what is refused."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("anywidget")

import traitlets

from prmlab import metrics, rules, thresholds
from prmlab.traces import Problem, Trace
from prmlab.widgets.threshold_explorer import STATIC, WORDS, ThresholdExplorer

HOSTILE = "<img src=x onerror=alert(1)></script>\x1b"
CASES = json.loads((Path(__file__).parent / "data" / "explorer_cases.json").read_text("utf-8"))
SCORES = [case["scores"] for case in CASES]
TRUTH = [case["true"] for case in CASES]
TRACES = [[f"step {i} of trace {n}" for i in range(len(s))] for n, s in enumerate(SCORES)]
CRUEL = Trace(Problem("h", f"What is {HOSTILE}?", "1", "stories"), (HOSTILE, "y" * 5000))


def test_what_goes_over_is_what_the_rules_say():
    explorer = ThresholdExplorer(TRACES, SCORES, TRUTH)
    first = explorer.traces[0]
    assert first["steps"] == TRACES[0]
    assert (first["scores"], first["true"]) == ([0.95, 0.9, 0.1, 0.05], 2)
    assert set(first["candidates"]) == set(rules.RULES) == set(WORDS)
    assert first["candidates"]["threshold"] == [(0, 0.95), (1, 0.9), (2, 0.1), (3, 0.05)]
    assert [step for step, _ in first["candidates"]["change"]] == [2]
    # at 0.5: trace 2 says 2 (truth 1), trace 4 says 0 (no error); the others are judged rightly
    assert explorer.said == [2, 0, 2, 1, 0, None, None]
    assert explorer.selected_trace == 2
    assert (explorer.rule, explorer.threshold) == ("threshold", 0.5)


def test_figures_are_those_of_the_metric_and_of_the_chooser():
    choice = thresholds.choose_threshold(SCORES, TRUTH, rule="likeliest")
    explorer = ThresholdExplorer(TRACES, SCORES, TRUTH, rule="likeliest",
                                 threshold=choice.threshold)
    assert metrics.first_error_f1(explorer.said, TRUTH).f1 == pytest.approx(choice.f1)
    explorer.rule, explorer.threshold = "drop", 0.9
    assert explorer.said == [2, 1, 1, 1, None, None, None]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is missing")
def test_the_browser_counts_as_python_does():
    """The payload as JSON, judged by the JavaScript at every rule and many thresholds."""
    explorer = ThresholdExplorer(TRACES, SCORES, TRUTH)
    cuts = [0.0, 0.03, 0.1, 0.3333, 0.5, 0.65, 0.9, 1.0]
    code = (f"const text = {json.dumps((STATIC / 'threshold_explorer.js').read_text())};"
            "const { named, tally } = await import("
            "'data:text/javascript,' + encodeURIComponent(text));"
            f"const traces = {json.dumps(explorer.traces)}, cuts = {json.dumps(cuts)};"
            "const said = [];"
            "for (const rule of Object.keys(traces[0].candidates)) for (const cut of cuts)"
            " said.push([rule, cut, traces.map((t) => named(t.candidates[rule], cut)),"
            " tally(traces, rule, cut).f1]);"
            "console.log(JSON.stringify(said));")
    done = subprocess.run(["node", "--input-type=module", "-e", code], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == len(rules.RULES) * len(cuts)
    for rule, cut, said, f1 in rows:
        explorer.rule, explorer.threshold = rule, cut
        assert said == explorer.said, (rule, cut)
        assert f1 == pytest.approx(metrics.first_error_f1(said, TRUTH, draws=1).f1)


def test_values_from_the_browser_are_checked():
    explorer = ThresholdExplorer(TRACES, SCORES, TRUTH)
    for name, value in (("threshold", 1.5), ("rule", "fall"), ("selected_trace", 7),
                        ("selected_trace", -1)):
        with pytest.raises(traitlets.TraitError):
            setattr(explorer, name, value)
    explorer.selected_trace = 6
    explorer.selected_trace = None
    assert explorer.threshold == 0.5


def test_nothing_is_selected_where_nothing_is_misjudged():
    assert ThresholdExplorer([["a"], ["b"]], [[0.9], [0.1]], [None, 0]).selected_trace is None


def test_hostile_and_long_texts_stay_text():
    explorer = ThresholdExplorer([CRUEL, ["fine"]], [[0.1, 0.2], [0.9]], [1, None])
    (text, long), shown = explorer.traces[0]["steps"], explorer.traces[0]["problem"]
    assert "\x1b" not in text + shown
    assert len(long) < 2100
    assert long.endswith("3,000 more characters")
    data, _ = explorer._repr_mimebundle_()
    page = explorer.to_html()
    for html in (data["text/html"], page):
        assert "<img" not in html
    assert page.count("</script>") == 2


def test_output_says_what_it_is_where_no_widget_runs():
    data, _ = ThresholdExplorer(TRACES, SCORES, TRUTH)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == (
        "Threshold explorer: 7 traces, rule 'threshold' at 0.500. Of 4 with an error 0.75 are "
        "found exactly, of 3 without 0.67 are spared; F1 0.71.")
    assert "first error" in data["text/html"]


def test_static_twin_of_400_traces_is_whole_and_offline():
    many = [Trace(Problem(str(i), "How many pens?", "3", "stories"), ("1 + 1 = 2",) * 6)
            for i in range(400)]
    scores = [[(7 * i + 3 * s) % 10 / 10 for s in range(6)] for i in range(400)]
    page = ThresholdExplorer(many, scores, [None, 2] * 200).to_html()
    assert len(page) < 400_000
    assert not re.search(r"https?://", page.replace("http://www.w3.org", ""))


@pytest.mark.parametrize(("arguments", "message"), [
    ((TRACES, SCORES[1:], TRUTH), "got 7 traces, 6 and 7"),
    (([["a", "b"], ["c"]], [[0.1], [0.2]], [0, None]), "trace 0: one score per step: got 2 st"),
    (([["a"], ["c"]], [[0.1], [1.2]], [0, None]), "trace 1: .*got 1.2 at step 0"),
    (([["a"], ["c"]], [[0.1], [0.2]], [3, None]), "trace 0: first_error must be the index of"),
    (([["a"], ["c"]], [[0.1], [0.2]], [-1, None]), "trace 0: .*foreign files write -1"),
    (([["a"], ["c"]], [[0.1], [0.2]], [0, 0]), "need traces with an error and traces without"),
    (([], [], []), "need traces with an error and traces without"),
    ((["ab", ["c"]], [[0.1], [0.2]], [0, None]), "trace 0: got one string"),
])
def test_messages(arguments, message):
    with pytest.raises(ValueError, match=message):
        ThresholdExplorer(*arguments)


@pytest.mark.parametrize(("options", "message"), [
    ({"rule": "fall"}, "got 'fall'"), ({"threshold": -0.1}, r"in \[0, 1\], got -0.1")])
def test_messages_of_options(options, message):
    with pytest.raises(ValueError, match=message):
        ThresholdExplorer(TRACES, SCORES, TRUTH, **options)
