"""Joint laws of size and data beside Hoffmann's: coupled, generalised, multiplicative, bounded."""

from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.decide.allocation import AllocationError, numeric_optimum
from bayescale.laws.bounded import largest_useful_params
from bayescale.laws.generalised import PARAMS_UNIT, TOKENS_UNIT
from tests.laws.law_checks import (
    check_inside,
    check_monotone,
    check_optimum,
    check_prior_predictive,
    check_round_trip,
    typical,
)

HOFFMANN, GENERAL = bs.law("chinchilla"), bs.law("generalised")
BESIROGLU = dict(HOFFMANN.published[1].values)
REFERENCE = {"params": 6e8, "tokens": 2e10}
SMALL = {"params": 2e5, "tokens": 5e6}
GRID = {"params": np.geomspace(1e6, 1e12, 7)[:, None], "tokens": np.geomspace(1e8, 1e14, 7)}
NATURAL = {"E": 1.7, "K": 0.9, "rho": 0.45, "a": 0.33, "b": 0.3, "p": 0.5}
COUPLED = {"E": 1.7, "A": 40.0, "alpha": 0.5, "R": 9.0, "beta": 0.55, "k": 0.6}
BOUNDED = {"E": 1.6, "L_0": 10.8, "a": 70.0, "alpha": 0.37, "b": 400.0, "beta": 0.38}
REPEATED = BOUNDED | {"c": 2e-3, "gamma": 0.3, "delta": 0.35}


@pytest.mark.parametrize(
    "name, values",
    [("generalised", NATURAL), ("skaling", COUPLED), ("bounded", BOUNDED)],
)
@pytest.mark.parametrize("reference", [REFERENCE, SMALL])
def test_joint_law(name: str, values: dict[str, float], reference: dict[str, float]) -> None:
    law = bs.law(name)
    check_round_trip(law, values, reference)
    check_monotone(law, values, reference, falling=("params", "tokens"))
    check_prior_predictive(law, reference, 0.3, 9)
    check_optimum(law, values)
    check_optimum(
        law, typical(law, reference), np.array([0.3, 1, 3]) * 6 * reference["params"] * reference["tokens"]
    )


def test_generalised_holds_hoffmann_at_p_one() -> None:
    for published, original in zip(GENERAL.published, HOFFMANN.published, strict=True):
        assert np.asarray(GENERAL.loss(published.values, GRID)) == pytest.approx(
            np.asarray(HOFFMANN.loss(original.values, GRID)), rel=1e-12
        )
        check_inside(GENERAL, published.values, REFERENCE)
        check_round_trip(GENERAL, published.values, REFERENCE)
        assert GENERAL.optimum(published.values, 1e21) == pytest.approx(
            HOFFMANN.optimum(original.values, 1e21), rel=1e-10
        )


def test_generalised_holds_kaplans_joint_law() -> None:
    """[(Nc/N)^(aN/aD) + Dc/D]^aD with Kaplan's aN, aD, Nc, Dc: E = 0, p = b = aD, a = aN."""
    alpha_n, alpha_d, n_c, d_c = 0.076, 0.103, 6.4e13, 1.8e13
    size, data = (n_c / PARAMS_UNIT) ** (alpha_n / alpha_d), d_c / TOKENS_UNIT
    values = {"E": 0.0, "K": (size + data) ** alpha_d, "rho": size / (size + data)}
    values |= {"a": alpha_n, "b": alpha_d, "p": alpha_d}
    kaplan = ((n_c / GRID["params"]) ** (alpha_n / alpha_d) + d_c / GRID["tokens"]) ** alpha_d
    assert np.asarray(GENERAL.loss(values, GRID)) == pytest.approx(kaplan, rel=1e-10)


def test_generalised_tends_to_a_product_and_to_the_larger_term() -> None:
    size, data = (
        (GRID["params"] / PARAMS_UNIT) ** -NATURAL["a"],
        (GRID["tokens"] / TOKENS_UNIT) ** -NATURAL["b"],
    )
    product = 1.7 + 0.9 * size**0.45 * data**0.55
    assert np.asarray(GENERAL.loss({**NATURAL, "p": 1e6}, GRID)) == pytest.approx(product, rel=1e-4)
    larger = 1.7 + 0.9 * np.maximum(size, data)
    assert np.asarray(GENERAL.loss({**NATURAL, "p": 1e-3}, GRID)) == pytest.approx(larger, rel=2e-3)


def test_generalised_is_sampled_at_the_runs_reference_point() -> None:
    for reference in (REFERENCE, SMALL):
        sampled = GENERAL.sampled(NATURAL, reference)
        whole = float(GENERAL.loss(NATURAL, reference))
        reducible = whole - NATURAL["E"]
        assert float(sampled["K"]) == pytest.approx(whole)
        assert float(sampled["E"]) == pytest.approx(NATURAL["E"] / whole)
        share, p = float(sampled["rho"]), NATURAL["p"]
        at = {"params": np.array([1.0, 3, 0.2]), "tokens": np.array([1.0, 0.1, 40])}
        centred = (
            share * at["params"] ** (-NATURAL["a"] / p) + (1 - share) * at["tokens"] ** (-NATURAL["b"] / p)
        ) ** p
        there = {name: at[name] * reference[name] for name in at}
        assert np.asarray(GENERAL.loss(NATURAL, there)) == pytest.approx(1.7 + reducible * centred)


def test_skaling_holds_hoffmann_and_is_the_generalised_law() -> None:
    law = bs.law("skaling")
    hoffmann = {
        "E": 1.8172,
        "A": 482.0,
        "alpha": 0.3478,
        "R": 2085.4 / 482.0,
        "beta": 0.3658,
        "k": 1.0,
    }
    assert np.asarray(law.loss(hoffmann, GRID)) == pytest.approx(np.asarray(HOFFMANN.loss(BESIROGLU, GRID)))
    check_inside(law, hoffmann, REFERENCE)
    bracket = PARAMS_UNIT**-0.5 + 9.0 * TOKENS_UNIT**-0.55
    same = {"E": 1.7, "K": 40.0 * bracket**0.6, "rho": PARAMS_UNIT**-0.5 / bracket}
    same |= {"a": 0.5 * 0.6, "b": 0.55 * 0.6, "p": 0.6}
    assert np.asarray(law.loss(COUPLED, GRID)) == pytest.approx(np.asarray(GENERAL.loss(same, GRID)))


def test_multiplicative_has_no_optimum() -> None:
    law = bs.law("multiplicative")
    values = {"E": 1.7, "A": 30.0, "alpha": 0.1, "beta": 0.07}
    check_round_trip(law, values, REFERENCE)
    check_monotone(law, values, REFERENCE, falling=("params", "tokens"))
    check_prior_predictive(law, REFERENCE, 0.2, 9)
    with pytest.raises(AllocationError, match="no compute-optimal"):
        numeric_optimum(law, values, 1e21)
    even = {**values, "beta": 0.1}
    losses = law.loss(even, {"params": np.geomspace(1e6, 1e9, 4), "tokens": 1e19 / np.geomspace(1e6, 1e9, 4)})
    assert np.ptp(losses) == pytest.approx(0, abs=1e-12)  # Guo's case: only compute counts


def test_bounded_runs_from_chance_to_the_floor() -> None:
    law = bs.law("bounded")
    assert float(law.loss(BOUNDED, {"params": 1e-30, "tokens": 1e9})) == pytest.approx(10.8)
    assert float(law.loss(BOUNDED, {"params": 1e40, "tokens": 1e40})) == pytest.approx(1.6)
    # Near the floor it is Hoffmann's law with amplitudes scaled by the span.
    hoffmann = {"E": 1.6, "A": 70 * 9.2, "alpha": 0.37, "B": 400 * 9.2, "beta": 0.38}
    far = {"params": 1e18, "tokens": 1e19}
    assert float(law.loss(BOUNDED, far)) - 1.6 == pytest.approx(
        float(HOFFMANN.loss(hoffmann, far)) - 1.6, rel=1e-3
    )


def test_repeated_data_over_fits_a_large_model() -> None:
    law = bs.law("bounded-repeated")
    reference = {**REFERENCE, "unique_tokens": 1e9}
    check_round_trip(law, REPEATED, reference)
    check_prior_predictive(law, reference, 0.3, 10)
    check_monotone(law, REPEATED, reference, falling=("tokens", "unique_tokens"))
    best = float(largest_useful_params(REPEATED, 1e8))
    grid = np.geomspace(best / 10, best * 10, 2001)
    losses = law.loss(REPEATED, {"params": grid, "tokens": 1e13, "unique_tokens": 1e8})
    assert grid[np.argmin(losses)] == pytest.approx(best, rel=0.01)
    plentiful = {**REFERENCE, "unique_tokens": 1e30}
    assert float(law.loss(REPEATED, plentiful)) == pytest.approx(
        float(bs.law("bounded").loss(BOUNDED, REFERENCE)), rel=1e-4
    )


def test_generalised_keeps_the_logit_of_a_share_that_rounds_to_one() -> None:
    # Size and data matter alike at these runs, and p near zero makes rho at the fixed units one to a float.
    reference = {"params": 3e7, "tokens": 6e8}
    sampled = {"E": 1.6 / 2.748, "K": 2.748, "rho": 0.5, "a": 0.035, "b": 0.47, "p": 0.0226}
    values = GENERAL.values(sampled, reference)
    assert float(values["rho"]) == 1.0
    back = GENERAL.sampled(values, reference)
    assert {name: float(x) for name, x in back.items()} == pytest.approx(sampled)
    assert float(GENERAL.loss(values, reference)) == pytest.approx(2.748)
    params, tokens = (float(x) for x in GENERAL.optimum(values, 3.2e18))
    assert (params, tokens) == pytest.approx((6.26e8, 8.52e8), rel=0.01)
    numeric = [float(x) for x in numeric_optimum(GENERAL, values, 3.2e18)]
    assert [params, tokens] == pytest.approx(numeric, rel=1e-6)


def test_generalised_optimum_is_finite_wherever_its_share_lies() -> None:
    for values in ({"rho": 1.0, "p": 0.0226}, {"rho": 0.0, "p": 0.02}, {"a": 1e-3, "b": 1e-3, "p": 4.0}):
        params, tokens = GENERAL.optimum({**NATURAL, **values}, 3.2e18)
        assert np.isfinite([params, tokens]).all() and params > 0 and tokens > 0
