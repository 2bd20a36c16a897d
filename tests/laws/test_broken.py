from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws.broken import bnsl
from tests.laws.law_checks import check_inside, check_prior_predictive, check_round_trip, typical

ADDITION = dict(bs.law("bnsl1").published[0].values)
TWO = {"a": 1.0, "b": 5.0, "c0": 0.05, "c1": 0.4, "d1": 1e8, "f1": 0.3}
TWO |= {"c2": -0.25, "d2": 1e11, "f2": 0.4}


def test_four_digit_addition_is_extrapolated() -> None:
    """From the first 14 points to the last three, at 800, 864 and 928 examples; published .760/.637/.563."""
    loss = bs.law("bnsl1").loss(ADDITION, {"tokens": np.array([800.0, 864.0, 928.0])})
    # The parameters are rounded to the third digit, which moves these by up to .002.
    assert np.asarray(loss) == pytest.approx([0.760, 0.637, 0.563], abs=0.002)
    assert np.asarray(loss) == pytest.approx([0.759, 0.648, 0.557], abs=0.011)


@pytest.mark.parametrize("breaks", [0, 1, 2])
def test_prior_and_centring(breaks: int) -> None:
    law = bs.law(f"bnsl{breaks}")
    reference = {"tokens": 3e9}
    values = {p: TWO[p] for p in law.parameter_names}
    check_round_trip(law, values, reference)
    check_prior_predictive(law, reference, 0.1, 8)


def test_published_values_lie_inside_the_prior() -> None:
    check_inside(bs.law("bnsl1"), ADDITION, {"tokens": 430.0})
    check_round_trip(bs.law("bnsl1"), ADDITION, {"tokens": 430.0})


def test_slopes_between_the_breaks() -> None:
    law = bs.law("bnsl2")

    def slope(x: float) -> float:
        low, high = (float(law.loss(TWO, {"tokens": t}) - TWO["a"]) for t in (x, x * 1.01))
        return float(-np.log(high / low) / np.log(1.01))

    assert slope(1e2) == pytest.approx(0.05, abs=1e-3)
    assert slope(10**9.5) == pytest.approx(0.45, abs=1e-3)
    assert slope(1e17) == pytest.approx(0.20, abs=1e-3)


def test_no_break_is_a_power_law_with_a_floor() -> None:
    at = {"tokens": np.geomspace(1e6, 1e12, 5)}
    power = TWO["a"] + TWO["b"] * at["tokens"] ** -TWO["c0"]
    assert np.asarray(bs.law("bnsl0").loss(TWO, at)) == pytest.approx(power)
    assert np.asarray(bs.law("bnsl1").loss({**TWO, "c1": 0.0}, at)) == pytest.approx(power)


def test_a_sharp_break_does_not_overflow() -> None:
    loss = bs.law("bnsl1").loss({**TWO, "f1": 0.01}, {"tokens": np.array([1.0, 1e15])})
    assert np.isfinite(loss).all()


def test_breaks_are_ordered_whatever_is_sampled() -> None:
    law, rng = bs.law("bnsl2"), np.random.default_rng(0)
    sampled = {
        p.name: np.exp(3 * rng.standard_normal(100)) if p.support == "positive" else rng.standard_normal(100)
        for p in law.parameters
    }
    values = law.natural(sampled, {"tokens": 1e9})
    assert (values["d2"] > values["d1"]).all()


def test_the_loss_at_the_reference_point_and_the_floors_share_of_it_are_sampled() -> None:
    law, reference = bs.law("bnsl2"), {"tokens": 3e9}
    loss = float(law.loss(TWO, reference))
    assert law.sampled(TWO, reference)["b"] == pytest.approx(loss)
    assert law.sampled(TWO, reference)["a"] == pytest.approx(TWO["a"] / loss)
    assert law.sampled(TWO, reference)["c1"] == pytest.approx(0.12)


def test_any_column_serves_as_the_input() -> None:
    law = bnsl(1, "examples")
    assert law.name == "bnsl1-examples" and law.inputs == ("examples",)
    assert np.isfinite(law.loss(typical(law, {"examples": 1e4}), {"examples": 1e4}))
