"""Figures of labels: sentences from the numbers, small pictures, refusals."""

import doctest
import xml.etree.ElementTree as ET

import pytest

from prmlab import label_charts
from prmlab.label_charts import line

pytest.importorskip("plotly")

FIXED = line([5, 10, 20], [(0.4, 0.3, 0.5), (0.3, 0.2, 0.4), (0.2, 0.1, 0.3)])
ROWS = {"Monte Carlo": [(-0.02, -0.03, -0.01), (0.01, -0.01, 0.03)],
        "judge": [(0.0, -0.01, 0.01), (0.02, 0.01, 0.03)]}


def made():
    return {
        "histogram": label_charts.value_histogram([2, 0, 1, 1, 6], [7, 1, 0, 2, 0]),
        "rollouts": label_charts.by_rollouts(
            {"all": line([1, 4], [(0.3, 0.2, 0.4), (0.1, 0.05, 0.2)])}, title="Errors"),
        "cost": label_charts.error_by_cost(
            FIXED, {"bisect": line([3, 8], [(0.35, 0.3, 0.4), (0.19, 0.1, 0.3)]),
                    "tree": line([9], [(0.5, 0.4, 0.6)])}),
        "differences": label_charts.differences(ROWS, ["F1", "best of 16"]),
    }


def test_doctests():
    assert doctest.testmod(label_charts).failed == 0


@pytest.mark.parametrize("name", made())
def test_every_figure_has_three_small_forms(name):
    bundle = made()[name]._repr_mimebundle_()
    ET.fromstring(bundle["image/svg+xml"])
    assert len(bundle["image/svg+xml"]) < 20_000
    assert bundle["text/plain"].endswith(".")


def test_sentences_say_the_numbers():
    figures = made()
    assert figures["histogram"].alt == (
        "Of 10 right prefixes 20.0% are finished rightly by none of 4 rollouts. Of 10 wrong "
        "ones 30.0% reach the right answer at least once, 20.0% in half of the rollouts or more.")
    assert figures["cost"].alt == (
        "Fixed misses 20.0% at 20 rollouts per trace; bisect 19.0% at 8, 40% of that; tree "
        "50.0% at best. The band and the vertical lines are 95 % intervals.")
    assert figures["differences"].alt.startswith(
        'F1: below exact labels "Monte Carlo", above none; best of 16: below exact labels none, '
        'above "judge".')
    assert "falls from 0.30 at n = 1 to 0.10 at n = 4" in figures["rollouts"].alt


def test_bars_hold_all_prefixes():
    right, wrong = (trace.y for trace in made()["histogram"].figure.data)
    assert list(right) == pytest.approx([0.2, 0, 0, 0.1, 0.1, 0, 0.6])
    assert list(wrong) == pytest.approx([0.7, 0, 0.1, 0, 0.2, 0, 0])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="got 2 and 3, which sum to 3 and 6"):
        label_charts.value_histogram([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"other lengths in \['a'\]"):
        label_charts.differences({"a": [(0, 0, 0)]}, ["F1", "best of 16"])
