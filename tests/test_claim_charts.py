"""The figure of claims: order, verdicts by mark and word, and its sentence."""

import doctest
import xml.etree.ElementTree as ET

import pytest

from prmlab import claim_charts, theme

pytest.importorskip("plotly")

RESULTS = {"PRM above ORM": (0.05, 0.02, 0.08), "the gap widens": (0.01, -0.02, 0.05),
           "twelve points": (-0.04, -0.06, -0.01)}


def test_doctests():
    assert doctest.testmod(claim_charts).failed == 0


def test_claims_stand_in_their_order_with_mark_word_and_sentence():
    shown = claim_charts.differences(RESULTS, title="Three claims")
    line, *marked = shown.figure.data
    assert list(line.y) == [*RESULTS][::-1]
    assert set(line.x) == {0}
    assert [(trace.name, list(trace.y), trace.marker.symbol) for trace in marked] == [
        ("confirmed", ["PRM above ORM"], "circle"), ("refuted", ["twelve points"], "x"),
        ("undecided", ["the gap widens"], "diamond")]
    assert marked[0].error_x.array[0] == pytest.approx(0.03)
    assert shown.alt == ("Of 3 claims 1 confirmed, 1 refuted (twelve points), 1 undecided "
                         "(the gap widens). Lines are 95 % intervals.")


def test_its_static_picture_names_every_claim():
    bundle = claim_charts.differences(RESULTS)._repr_mimebundle_()
    words = "".join(ET.fromstring(bundle["image/svg+xml"]).itertext())
    assert all(name in words for name in RESULTS)
    assert theme.PLOTLY in bundle


@pytest.mark.parametrize("results", [{}, {"a": (1, 2)}])
def test_messages(results):
    with pytest.raises(ValueError, match="three numbers; got"):
        claim_charts.differences(results)
