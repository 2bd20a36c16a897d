from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws.multi_power import MULTI_POWER, multi_power_loss
from tests.laws.law_checks import check_monotone, check_prior_predictive, check_round_trip

STEPS, DECAY, PEAK = 24000, 4800, 3e-4
CONSTANT = np.full(STEPS, PEAK)
SIZES = {p.label: dict(p.values) for p in MULTI_POWER}
REFERENCE = {"lr_area": 5.0, "learning_rate": PEAK, "lr_end": 1e-5, "decay_steps": 5000.0}


def decayed(end: float, cosine: bool, steps: int = DECAY) -> np.ndarray:
    """A rate that is constant, then falls to its end."""
    done = np.clip((np.arange(STEPS) - (STEPS - steps)) / steps, 0, 1)
    share = (1 - np.cos(np.pi * done)) / 2 if cosine else done
    return PEAK + (end - PEAK) * share


COSINE, WSD = decayed(3e-5, True, STEPS), decayed(0.0, False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", [0.0, 3e-5])
@pytest.mark.parametrize("name", ["multi-power", "multi-power-cosine"])
def test_the_law_is_the_sum_over_the_steps_of_its_schedule(name: str, end: float, size: str) -> None:
    rates = decayed(end, cosine=name.endswith("cosine"))
    inputs = {"lr_area": rates.sum(), "learning_rate": PEAK, "lr_end": end, "decay_steps": DECAY}
    gained = float(multi_power_loss(SIZES[size], rates)) - float(multi_power_loss(SIZES[size], CONSTANT))
    assert gained < -0.05
    assert float(bs.law(name).loss(SIZES[size], inputs)) == pytest.approx(
        float(multi_power_loss(SIZES[size], rates)), abs=2e-4
    )


def test_a_constant_rate_has_no_gain() -> None:
    v = SIZES["100M"]
    inputs = {"lr_area": 5.0, "learning_rate": PEAK, "lr_end": PEAK, "decay_steps": 0.0}
    assert float(bs.law("multi-power").loss(v, inputs)) == pytest.approx(v["L0"] + v["A"] * 5 ** -v["alpha"])


@pytest.mark.parametrize("name", ["multi-power", "multi-power-cosine"])
def test_the_law(name: str) -> None:
    law = bs.law(name)
    check_round_trip(law, SIZES["400M"], REFERENCE)
    check_prior_predictive(law, REFERENCE, 0.1, 8)
    check_monotone(law, SIZES["400M"], REFERENCE, falling=("lr_area", "decay_steps"))


@pytest.mark.parametrize("size", SIZES)
def test_multi_power_law_at_a_constant_rate(size: str) -> None:
    v = SIZES[size]
    loss = multi_power_loss(v, CONSTANT, warmup_area=0.3, at=np.array([0, 999, STEPS - 1]))
    area = 3e-4 * np.array([1, 1000, STEPS]) + 0.3
    assert np.asarray(loss) == pytest.approx(v["L0"] + v["A"] * area ** -v["alpha"])


def test_multi_power_law_after_one_drop() -> None:
    v = SIZES["100M"]
    rates = np.r_[np.full(100, 3e-4), np.full(50, 1e-4)]
    since = 50 * 1e-4
    reached = 1 - (v["C"] * 1e-4 ** -v["gamma"] * since + 1) ** -v["beta"]
    by_hand = v["L0"] + v["A"] * rates.sum() ** -v["alpha"] - v["B"] * 2e-4 * reached
    assert float(multi_power_loss(v, rates)) == pytest.approx(by_hand)


def test_multi_power_law_orders_sizes_and_rewards_decay() -> None:
    finals = {}
    for size, v in SIZES.items():
        finals[size] = [float(multi_power_loss(v, rates)) for rates in (CONSTANT, COSINE, WSD)]
        assert finals[size][1] < finals[size][0] and finals[size][2] < finals[size][0]
    assert finals["25M"] > finals["100M"] > finals["400M"]
    assert all(2 < x < 4.5 for final in finals.values() for x in final)


def test_multi_power_law_is_finite_at_a_rate_of_zero() -> None:
    assert np.isfinite(multi_power_loss(SIZES["25M"], np.r_[CONSTANT, 0.0]))
