"""The calculator: fields to bill, by hand, and its words where numbers are impossible."""

import re

import pytest

pytest.importorskip("ipywidgets")

from prmlab.budget import CLAIM, Device, Plan  # noqa: E402 - after the guard
from prmlab.widgets.cost_calculator import CostCalculator  # noqa: E402

SLOW = Device("a slow <one>", tokens_per_s=50, price=2.0, source="made up")


def made():
    return CostCalculator(Plan(3, 5, 4, 7, tokens=3000), [SLOW], n_devices=2)


def cells(page):
    return re.findall(r"<td[^>]*>([^<]*)</td>", page)


def test_the_columns_of_the_bill_stand_apart():
    page = made().to_html()
    for head in ("tokens a second, each", "hours of 2", "dollars"):
        assert re.search(rf'<th scope="col" style="[^"]*padding-left[^"]*">{head}</th>', page)


def test_the_bill_follows_the_fields():
    calculator = made()
    (told,) = calculator.bills
    assert told[1].hours == pytest.approx(420 * 3000 / 50 / 3600)  # 7 hours
    assert cells(calculator.to_html())[-2:] == ["3.5", "14"]
    calculator.fields["steps"].value = 8
    calculator.price.value = 3.0
    calculator.n_devices.value = 7
    assert cells(calculator.children[1].value)[-2:] == ["2.0", "42"]
    assert repr(calculator) == ("840 rollouts of 3,000 tokens, 0.0 billion tokens in all. "
                                "a slow <one>: 2 h of 7, 42 dollars.")


def test_an_impossible_number_is_named_inside_the_widget():
    calculator = made()
    calculator.fields["share"].value = 2
    assert "share must be at most 1, got 2" in calculator.children[1].value
    calculator.fields["share"].value = 1
    assert "<table" in calculator.children[1].value


def test_its_output_has_a_table_and_a_sentence():
    bundle = CostCalculator(CLAIM, [SLOW])._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "51,200,000 rollouts" in bundle["text/html"]
    assert "a slow &lt;one&gt;" in bundle["text/html"]
    assert bundle["text/plain"].startswith("51,200,000 rollouts of 500 tokens, 25.6 billion")


def test_no_device_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        CostCalculator(CLAIM, [])
