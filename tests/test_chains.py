"""Chains: which runs of a text are sides, and where a chain begins, ends or cannot be read."""

import pytest

from prmlab.chains import chains


def sources(text):
    return [[side and side.source for side in chain] for chain in chains(text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("5 apples + 3 apples = 8 apples", [["5 + 3", "8"]]),
    ("A = (-9 - 5) = -14, B = 2", [["A", "( - 9 - 5 )", "- 14"], ["B", "2"]]),
    ("2 + 3 = 5 and 1 + 1 = 2", [["2 + 3", "5"], ["1 + 1", "2"]]),
    ("(5 + 3 = 8)", [["5 + 3", "8"]]),  # brackets without a partner are dropped
    ("3 x 4 = 12", [["3 * 4", "12"]]), ("2x + 1 = 5", [["2 x + 1", "5"]]),
    ("½ of 6 is 3", [["½ * 6", "3"]]), ("5 of 6 is 3", []),
    ("350 000 * 2 = 3 1/2", [["350000 * 2", "(3 + 1/2)"]]), ("2² = 4", [["2 ^2", "4"]]),
    ("- 5 + 3 = 8", [["5 + 3", "8"]]),  # the dash opens a list item
    ("the rest - 5 = 8", [[None, "8"]]), ("two * 3 = 6", [[None, "6"]]),
    ("day 2 = 3 pens", [[None, "3"]]), ("10 - 3 is 7 more than 0", [["10 - 3", None]]),
    ("<<3*4=12>>", []),  # marks are read apart
    (r"\frac{1}{2} \times 4 = **2**", [["( 1 / 2 ) * 4", "2"]]), ("no sums", []),
])
def test_sides(text, expected):
    assert sources(text) == expected


def test_a_side_knows_its_words_and_its_place():
    text = "He pays 3 dollars * 2 = about $6 in all."
    (left, right), = chains(text)
    assert (left.units, left.operators, left.literal, left.name) == (["dollars"], "*", None, None)
    assert (right.literal, right.approximate, right.within(text)) == ("6", True, "6")
    assert left.within(text) == "3 dollars * 2"
