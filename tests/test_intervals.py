"""Wilson's interval and the bootstrap against known standard errors."""

from math import comb
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import intervals


def test_wilson_by_hand():
    z = NormalDist().inv_cdf(0.975)
    assert intervals.wilson(0, 10)[1] == pytest.approx(z * z / (10 + z * z))
    low, high = intervals.wilson(5, 10)
    assert low + high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="got n_right=3, n=2"):
        intervals.wilson(3, 2)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        intervals.wilson(1, 2, level=95)


@given(st.integers(1, 500), st.data())
def test_wilson_contains_the_rate(n, data):
    k = data.draw(st.integers(0, n))
    low, high = intervals.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1


def test_bootstrap_mean_matches_the_standard_error():
    """200 coins: the standard error is 0.0354, the interval about +- 1.96 of it."""
    values = [0.0, 1.0] * 100
    estimate = intervals.bootstrap_mean(values, draws=4000)
    assert estimate.value == 0.5
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 0.0354, rel=0.1)
    assert intervals.bootstrap_mean(values, draws=4000) == estimate  # same seed, same interval
    assert intervals.bootstrap_mean(values, seed=1, draws=4000) != estimate
    with pytest.raises(ValueError, match="finite numbers"):
        intervals.bootstrap_mean([])


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1))
def test_a_verdict_is_decided_only_outside_the_interval(low, width, above):
    said = intervals.verdict(low, low + width, above=above)
    assert (said == "undecided") == (low <= above <= low + width)
    assert said != "confirmed" or above < low
    with pytest.raises(ValueError, match="from low to high, got 1.0 to 0.0"):
        intervals.verdict(1.0, 0.0)
    with pytest.raises(ValueError, match="got nan"):
        intervals.verdict(float("nan"), 0.0)


@pytest.mark.parametrize(("n_right", "n", "low", "high"), [
    (0, 5, 0.0, 1 - 0.025**(1 / 5)), (5, 5, 0.025**(1 / 5), 1.0), (1, 1, 0.025, 1.0),
    (1, 2, 1 - 0.975**0.5, 0.975**0.5), (7, 20, 0.15391, 0.59219), (5, 10, 0.18709, 0.81291),
])
def test_clopper_pearson_by_hand_and_from_tables(n_right, n, low, high):
    assert intervals.clopper_pearson(n_right, n) == pytest.approx((low, high), abs=6e-6)


@pytest.mark.parametrize("rate", [0.03, 0.3, 0.5, 0.88])
@pytest.mark.parametrize("n", [1, 8, 33])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(rate, n):
    ends = [intervals.clopper_pearson(k, n) for k in range(n + 1)]
    covered = sum(comb(n, k) * rate**k * (1 - rate)**(n - k)
                  for k, (low, high) in enumerate(ends) if low <= rate <= high)
    assert covered >= 0.95


@pytest.mark.parametrize(("n_right", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_clopper_pearson_refuses_what_is_no_count(n_right, n):
    with pytest.raises(ValueError, match="need 0 <= n_right <= n"):
        intervals.clopper_pearson(n_right, n)
