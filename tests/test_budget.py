"""What labels cost, worked out by hand."""

import doctest

import pytest

from prmlab import budget
from prmlab.budget import CLAIM, Bill, Device, Plan

SLOW = Device("a slow one", tokens_per_s=50, price=2.0, source="made up")


def test_doctests():
    assert doctest.testmod(budget).failed == 0


def test_a_plan_by_hand():
    plan = Plan(problems=3, n_samples=5, steps=4, n_rollouts=7, tokens=11)
    assert (plan.labels, plan.generations, plan.all_tokens) == (60, 420, 4620)
    assert budget.bill(plan, SLOW) == Bill(hours=4620 / 50 / 3600, dollars=4620 / 50 / 1800)


def test_a_share_is_drawn_and_no_more():
    half = Plan(problems=3, n_samples=5, steps=4, n_rollouts=7, tokens=11, share=0.5)
    assert (half.labels, half.generations) == (60, 210)


def test_the_textbook_claim_needs_more_than_the_chip_can_multiply():
    """51.2 million x 500 tokens in 14 hours: above the arithmetic peak for an 8B model."""
    assert CLAIM.generations == 51_200_000
    assert CLAIM.all_tokens == 25_600_000_000
    wanted = budget.needed(CLAIM, hours=14)
    assert wanted == pytest.approx(507_936.5, abs=0.1)
    assert wanted > 4 * budget.ceiling(8.03e9, budget.H100_FP8)
    assert all(wanted > 15 * device.tokens_per_s for device in budget.PUBLISHED)
    assert all(budget.bill(CLAIM, device).hours > 14 * 15 for device in budget.PUBLISHED)


def test_needed_and_bill_are_each_others_inverse():
    device = Device("d", budget.needed(CLAIM, hours=14), 3.0, "worked out")
    assert budget.bill(CLAIM, device).hours == pytest.approx(14)
    assert budget.bill(CLAIM, device).dollars == pytest.approx(42)


def test_rest_is_the_mean_over_the_prefixes():
    assert budget.rest(500, 10) == sum(500 * (10 - s) / 10 for s in range(1, 11)) / 10
    assert budget.rest(500, 1) == 0


@pytest.mark.parametrize(("changed", "words"), [
    ({"problems": 0}, "problems must be positive, got 0"),
    ({"tokens": -1}, "tokens must be positive, got -1"),
    ({"share": 1.5}, "share must be at most 1, got 1.5"),
])
def test_impossible_plans_are_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        Plan(**{"problems": 1, "n_samples": 1, "steps": 1, "n_rollouts": 1, "tokens": 1}
             | changed)
