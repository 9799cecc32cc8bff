"""Every figure: its sentence is computed, its spread is drawn, its picture is small."""

import doctest
import subprocess
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest

from prmlab import metrics, plots, theme
from prmlab.markup import TraceView

pytest.importorskip("plotly")

CURVE = {"n": [1, 4, 16], "mean": [0.45, 0.6, 0.81], "low": [0.4, 0.55, 0.77],
         "high": [0.5, 0.65, 0.85]}
FALLING = SimpleNamespace(n=np.array([1, 4]), mean=np.array([0.45, 0.2]),
                          low=np.array([0.4, 0.1]), high=np.array([0.5, 0.3]))
NAN = float("nan")
BINS = {"mean_predicted": [0.1, NAN, 0.5, 0.9], "observed": [0.05, NAN, 0.2, 0.95],
        "low": [0.0, NAN, 0.1, 0.9], "high": [0.1, NAN, 0.3, 1.0], "counts": [100, 0, 20, 5000]}
STEPS = ["2x = 20", "x = 10"]


def records(n):
    return [{"tokens": 10 * i, "loss": 2.0 / i, "lr": 0.1,
             "validation": {"F1": i / n} if i % 5 == 0 else None} for i in range(1, n + 1)]


def made():
    return {
        "best_of_n": plots.best_of_n({"PRM": CURVE, "ORM": FALLING}),
        "labels": plots.metric_by_labels(
            [{"n_labels": 10, "mean": 0.2, "low": 0.1, "high": 0.3},
             {"n_labels": 1000, "mean": 0.9, "low": 0.8, "high": 0.95}]),
        "reliability": plots.reliability(BINS),
        "learning": plots.learning_curve(records(40)),
        "steps": plots.score_by_step(
            [SimpleNamespace(steps=STEPS, labels=(-1, -1), problem=None), STEPS],
            [[0.9, 0.2], [0.3, 0.4]]),
        "aggregation": plots.aggregation_comparison(
            {"min": (0.7, 0.65, 0.75), "mean": (0.5, 0.45, 0.55), "product": (0.72, 0.6, 0.8)}),
    }


def test_doctests():
    assert doctest.testmod(plots).failed == 0


@pytest.mark.parametrize("name", made())
def test_every_figure_has_three_small_forms(name):
    figure = made()[name]
    bundle = figure._repr_mimebundle_()
    ET.fromstring(bundle["image/svg+xml"])
    assert len(bundle["image/svg+xml"]) < 40_000
    assert bundle["text/plain"].endswith(".")
    assert bundle == figure._repr_mimebundle_()


def test_sentences_say_the_numbers():
    figures = made()
    assert figures["best_of_n"].alt == (
        "PRM rises from 0.45 at N = 1 to 0.81 at N = 16 (0.77 to 0.85); ORM falls from 0.45 to "
        "0.20 (0.10 to 0.30). Bands are 95 % intervals.")
    assert "rises from 0.20 with 10 labels to 0.90 with 1,000 labels" in figures["labels"].alt
    assert "largest at score 0.50, where 0.20 are right" in figures["reliability"].alt
    assert "Of 5,120 steps" in figures["reliability"].alt
    ece = metrics.calibration([0.9, 0.9, 0.2], [1, 0, 0], bins=2)
    assert f"(ECE) is {ece.ece:.3f}" in plots.reliability(ece).alt
    assert "Loss falls from 2.00 to 0.05 over 400 tokens" in figures["learning"].alt
    assert "F1 rises from 0.12 to 1.00" in figures["learning"].alt
    assert figures["steps"].alt == (
        "Trace 0 scores lowest at step 1 (0.20); its first wrong step is 0. "
        "Trace 1 scores lowest at step 0 (0.30).")
    assert figures["aggregation"].alt == (
        "product is highest at 0.720 (0.600 to 0.800), mean lowest at 0.500 (0.450 to 0.550). "
        "Lines are 95 % intervals.")


def test_a_line_that_turns_is_said_to_turn_and_one_that_wobbles_is_not():
    def said(mean):
        curve = {"n": [1, 64, 1860], "mean": mean, "low": [0.35, 0.6, 0.4], "high": [0.5, 0.7, 0.57]}
        return plots.best_of_n({"ORM": curve}).alt.partition(" (")[0]

    assert said([0.41, 0.67, 0.48]) == (
        "ORM rises from 0.41 at N = 1 to 0.67 at N = 64, then falls to 0.48 at N = 1,860")
    assert said([0.61, 0.02, 0.612]).startswith("ORM falls from 0.61 at N = 1 to 0.02 at N = 64, then")
    assert said([0.41, 0.52, 0.48]) == "ORM rises from 0.41 at N = 1 to 0.48 at N = 1,860"
    assert said([0.4051, 0.41, 0.4149]) == "ORM stays at 0.41"


def test_small_shares_fill_the_figure_where_asked():
    assert plots.best_of_n({"PRM": CURVE}, top=0.3).figure.layout.yaxis.range == (0, 0.3)
    assert plots.best_of_n({"PRM": CURVE}).figure.layout.yaxis.range == (0, 1.02)


def test_no_line_is_called_smoothed_that_is_not():
    def names(n):
        return [line.name for line in plots.learning_curve(records(n)).figure.data][:2]

    assert names(1) == ["loss of a batch"]
    assert names(100) == ["loss of a batch", "loss, smoothed"]


def test_every_estimate_has_its_spread_drawn():
    figures = made()
    assert figures["best_of_n"].svg().count("<polygon") == 2
    assert figures["labels"].svg().count("<polygon") == 1
    assert [t for t in figures["reliability"].figure.data if t.error_y.array is not None]
    assert figures["aggregation"].figure.data[0].error_x.array is not None


def test_hover_gives_the_words_of_the_step_without_markup():
    figure = plots.score_by_step([["<b>hi</b> $1" + "x" * 99]], [[0.5]])
    text = figure.figure.data[0].text[0]
    assert text.startswith("&lt;b>hi&lt;/b> &#36;1x")
    assert text.endswith("…")


def test_long_training_stays_small():
    figure = plots.learning_curve(records(5000))
    assert len(figure.svg()) < 40_000
    assert len(figure.figure.data[0].x) <= 400
    assert figure.figure.data[0].x[-1] == 50_000


def test_the_smoothed_loss_of_a_short_training_is_smoother_than_the_batches():
    jumps = [{"tokens": 10 * i, "loss": 1.0 + i % 2} for i in range(38)]
    batch, smoothed = (line.y for line in plots.learning_curve(jumps).figure.data)
    assert max(batch[5:]) - min(batch[5:]) == 1
    assert max(smoothed[5:]) - min(smoothed[5:]) < 0.25


def test_learning_curve_reads_objects_and_leaves_the_model_alone():
    class Record:
        def __init__(self, step):
            self.step, self.loss, self.validation, self.model = step, 1.0, None, object()

    figure = plots.learning_curve([Record(1), Record(2)], x="step")
    assert figure.alt == "Loss stays at 1.00 over 2 steps."


def test_live_passes_the_records_through_without_a_notebook():
    source = records(7)
    assert list(plots.live(iter(source))) == source


def test_live_replaces_one_output_and_ends_with_the_whole_figure(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda obj, raw=False: shown.append((obj, raw)))
    monkeypatch.setattr(plots, "_handle", lambda: handle)
    for record in plots.live(records(7), every=0):
        assert len(shown) == record["tokens"] / 10
        if record["tokens"] == 50:
            break
    assert all(raw and set(obj) == {"image/svg+xml", "text/plain"} for obj, raw in shown[:-1])
    figure, raw = shown[-1]
    assert isinstance(figure, theme.Figure)
    assert not raw
    assert "over 50 tokens" in figure.alt


def test_highlight_is_the_trace_view():
    view = plots.highlight(STEPS, [0.2, 0.7], truth=0, title="t")
    assert isinstance(view, TraceView)
    assert view.first_error == 0


@pytest.mark.parametrize("steps", [STEPS, tuple(STEPS), np.array(STEPS),
                                   SimpleNamespace(steps=STEPS, problem="2x + 5 = 15")])
@pytest.mark.parametrize("scores", [[0.2, 0.7], np.array([0.2, 0.7], dtype=np.float32),
                                    (s for s in (0.2, 0.7)), [None, 0.7], None])
@pytest.mark.parametrize(("truth", "first"), [
    (0, 0), (np.int64(1), 1), ([1, -1], 1), (np.array([-1, 1]), 0), ([1, None], None),
    ([SimpleNamespace(label=1, reason="right"), SimpleNamespace(label=-1, reason="slip")], 1),
    (None, None)])
def test_highlight_takes_any_steps_any_scores_and_any_truth(steps, scores, truth, first):
    if hasattr(scores, "gi_frame"):  # a parameter is used by many cases
        scores = (s for s in (0.2, 0.7))
    view = plots.highlight(steps, scores, truth)
    assert view.first_error == first
    assert view._repr_html_().count('scope="row"') == len(STEPS)


def test_scores_may_be_missing():
    figure = plots.score_by_step([STEPS, []], [[None, 0.5], []])
    assert figure.alt == "Trace 0 scores lowest at step 1 (0.50). Trace 1 has no scored step."


@pytest.mark.parametrize(("call", "message"), [
    (lambda: plots.best_of_n({}), "mapping from names to curves is empty"),
    (lambda: plots.best_of_n({"a": {"n": [1]}}), "n, mean, low, high; mean is missing"),
    (lambda: plots.best_of_n({"a": {**CURVE, "low": [1]}}), "equally long, got.*'low': 1"),
    (lambda: plots.best_of_n({"a": {**CURVE, "n": [0, 1, 2]}}), "must be positive, got 0"),
    (lambda: plots.score_by_step([STEPS], []), "one list of scores per trace: got 1 and 0"),
    (lambda: plots.score_by_step([STEPS], [[1]]), "one score per step: got 2 steps, 1 scores"),
    (lambda: plots.learning_curve([]), "at least one record"),
    (lambda: plots.learning_curve([{"loss": 1}]), "tokens, loss; tokens is missing"),
    (lambda: plots.aggregation_comparison({}), "nothing to compare"),
    (lambda: plots.aggregation_comparison({"a": (1, 2)}), "'a' needs mean, low and high"),
])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_plots_loads_neither_plotly_nor_torch():
    code = ("import sys, prmlab.plots; "
            "print([m for m in ('plotly', 'torch', 'IPython', 'pandas') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
