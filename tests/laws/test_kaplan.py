from __future__ import annotations

import jax
import numpy as np
import pytest

import bayescale as bs
from bayescale.laws import kaplan
from bayescale.laws.rules import kaplan as rules
from bayescale.runs import accounting

DAY = rules.PF_DAY
ONE_DIMENSIONAL = {"kaplan-n": "N_c", "kaplan-d": "D_c", "kaplan-c": "C_c", "kaplan-cmin": "C_c"}
COLUMN = {"kaplan-n": "params", "kaplan-d": "tokens", "kaplan-c": "flops", "kaplan-cmin": "flops_min"}


def published(name: str) -> dict[str, float]:
    return dict(bs.law(name).published[0].values)


def test_a_pf_day_is_the_one_of_the_runs_table() -> None:
    assert accounting.FLOPS_PER_PF_DAY == DAY


@pytest.mark.parametrize("name", ONE_DIMENSIONAL)
def test_one_dimensional_laws_are_one_nat_at_their_scale_and_straight_in_logs(name: str) -> None:
    law, values = bs.law(name), published(name)
    x = values[ONE_DIMENSIONAL[name]] * np.array([1.0, 1e-5])
    loss = np.asarray(law.loss(values, {COLUMN[name]: x}))
    exponent = next(v for k, v in values.items() if k.startswith("a_"))
    assert loss == pytest.approx([1.0, 10 ** (5 * exponent)], rel=1e-12)


def test_figures_of_the_one_dimensional_laws() -> None:
    assert published("kaplan-n") == {"N_c": 8.8e13, "a_N": 0.076}
    assert published("kaplan-d") == {"D_c": 5.4e13, "a_D": 0.095}
    assert published("kaplan-c") == {"C_c": 1.6e7 * DAY, "a_C": 0.057}
    assert published("kaplan-cmin") == {"C_c": 3.1e8 * DAY, "a_C": 0.050}


def test_the_three_sets_of_constants_stay_three_sets() -> None:
    sizes = [published(name)["N_c"] for name in ("kaplan-n", "kaplan", "kaplan-steps")]
    assert sizes == [8.8e13, 6.4e13, 6.5e13]
    assert (published("kaplan-d")["a_D"], published("kaplan")["a_D"]) == (0.095, 0.103)
    for name, constants in (
        ("kaplan", rules.JOINT),
        ("kaplan-steps", rules.STEPS),
        ("kaplan-cmin", rules.MINIMUM_COMPUTE),
        ("kaplan-d", rules.DATA),
    ):
        assert published(name) == dict(constants)


def test_the_label_of_figure_1_is_off_by_one_and_a_half_per_cent() -> None:
    law, values = bs.law("kaplan-cmin"), published("kaplan-cmin")
    label = {**values, "C_c": 2.3e8 * DAY}
    ratio = law.loss(values, {"flops_min": 1e20}) / law.loss(label, {"flops_min": 1e20})
    assert ratio - 1 == pytest.approx(0.015, abs=5e-4)


def test_joint_law_has_its_limits() -> None:
    values = published("kaplan")
    size = kaplan.loss_joint(values, {"params": 1e8, "tokens": 1e40})
    data = kaplan.loss_joint(values, {"params": 1e60, "tokens": 1e9})
    assert float(size) == pytest.approx((6.4e13 / 1e8) ** 0.076, rel=1e-9)
    assert float(data) == pytest.approx((1.8e13 / 1e9) ** 0.103, rel=1e-9)
    both = ((6.4e13 / 1e8) ** (0.076 / 0.103) + 1.8e13 / 1e9) ** 0.103
    assert float(kaplan.loss_joint(values, {"params": 1e8, "tokens": 1e9})) == pytest.approx(both, rel=1e-12)


def test_the_famous_ratio() -> None:
    values = published("kaplan")
    assert values["a_N"] / values["a_D"] == pytest.approx(0.738, abs=5e-4)


def test_joint_optimum_is_the_minimum_of_a_fine_grid() -> None:
    values = published("kaplan")
    params, tokens = kaplan.optimum_joint(values, 1e20)
    grid = np.geomspace(params / 4, params * 4, 20001)
    losses = np.asarray(kaplan.loss_joint(values, {"params": grid, "tokens": 1e20 / 6 / grid}))
    assert params * tokens * 6 == pytest.approx(1e20)
    assert params == pytest.approx(grid[losses.argmin()], rel=2e-4)
    larger, _ = kaplan.optimum_joint(values, 1e22)
    assert np.log(larger / params) / np.log(100) == pytest.approx(1 / (1 + 0.076 / 0.103))


def test_a_scale_beyond_every_number_is_a_number() -> None:
    """Exponents near zero ask for scales like 10^600; what is reported of them and their gradients stay finite."""
    law, at = bs.law("kaplan"), {"params": 1e8, "tokens": 1e9}

    def natural(a):
        return law.natural({"N_c": 3.0, "a_N": a, "D_c": 0.3, "a_D": a}, at)

    for a in (0.005, 1e-4):
        values = natural(a)
        assert all(np.isfinite(float(x)) and x > 0 for x in values.values())
        slopes = jax.jacfwd(natural)(a)
        assert all(np.isfinite(float(x)) for x in slopes.values())
    assert float(law.sampled(natural(0.005), at)["N_c"]) == pytest.approx(3.0)
    # Bounded, it gives the nearest term that a number holds.
    assert 1 < float(law.sampled(natural(1e-4), at)["N_c"]) < 3


def test_joint_optimum_of_a_scale_near_the_largest_number() -> None:
    values = {"N_c": 1e300, "a_N": 0.4, "D_c": 1e13, "a_D": 0.1}
    params, tokens = kaplan.optimum_joint(values, 1e20)
    assert np.isfinite(params) and float(params * tokens * 6) == pytest.approx(1e20)


def test_learning_curve_ends_at_its_size() -> None:
    values = published("kaplan-steps")
    end = kaplan.loss_of_steps(values, {"params": 1e8, "steps": 1e30})
    assert float(end) == pytest.approx((6.5e13 / 1e8) ** 0.077)
    short = kaplan.loss_of_steps(values, {"params": 1e8, "steps": 2.1e3})
    assert float(short - end) == pytest.approx(1.0)


def test_position_term_vanishes_along_the_context() -> None:
    values = {"E": 2.0, "A": 4.0, "a": 0.5}
    loss = kaplan.loss_of_position(values, {"position": np.array([1.0, 4.0, 1e12])})
    assert loss == pytest.approx([6.0, 4.0, 2.0], abs=1e-5)


# Rules


def test_critical_batch_doubles_for_thirteen_per_cent_of_loss() -> None:
    assert rules.critical_batch(1.0) == 2.1e8
    drop = 1 - 2**-0.21
    assert drop == pytest.approx(0.13, abs=0.006)
    assert rules.critical_batch(3.0 * (1 - drop)) == pytest.approx(2 * rules.critical_batch(3.0))


def test_steps_and_examples_trade_off() -> None:
    steps, critical = 1e4, 1e6
    for batch in (1e4, 1e6, 1e8):
        total = steps * (1 + critical / batch)
        assert rules.examples_needed(total, steps, critical) == pytest.approx(total * batch)
    assert rules.examples_needed(2 * steps, steps, critical) == pytest.approx(2 * steps * critical)


def test_conversions_at_the_critical_batch_halve() -> None:
    critical = rules.critical_batch(3.0)
    assert rules.minimum_steps(1e5, critical, 3.0) == pytest.approx(5e4)
    assert rules.minimum_compute(1e20, critical, 3.0) == pytest.approx(5e19)
    assert rules.minimum_steps(1e5, critical * 1e9, 3.0) == pytest.approx(1e5)
    assert rules.minimum_compute(1e20, critical * 1e-9, 3.0) == pytest.approx(1e20)


@pytest.mark.parametrize("flops", [1e17, 1e20, 1e24])
@pytest.mark.parametrize("batch", [1e3, 2.0**19, 1e9])
def test_implicit_minimum_compute_solves_its_equation(flops: float, batch: float) -> None:
    compute = rules.minimum_compute_on_frontier(flops, batch)
    loss = (3.1e8 * DAY / compute) ** 0.050
    assert compute * (1 + batch / rules.critical_batch(loss)) == pytest.approx(flops, rel=1e-10)
    assert compute < flops


def test_overfitting_bound() -> None:
    unit = rules.tokens_to_avoid_overfitting(1.0, 0.02)
    assert unit == pytest.approx(5.5e3, rel=0.01)
    exponent = np.log10(rules.tokens_to_avoid_overfitting(1e9) / rules.tokens_to_avoid_overfitting(1e8))
    assert exponent == pytest.approx(0.738, abs=5e-4)
    assert rules.overfitting(1e9, rules.tokens_to_avoid_overfitting(1e9, 0.05)) == pytest.approx(0.05)


def test_overfitting_is_the_ratio_of_the_joint_law() -> None:
    values = dict(rules.JOINT)
    limited = kaplan.loss_joint(values, {"params": 1e9, "tokens": 1e9})
    free = kaplan.loss_joint(values, {"params": 1e9, "tokens": 1e60})
    assert rules.overfitting(1e9, 1e9) == pytest.approx(float(limited / free) - 1, rel=1e-9)


def test_early_stopping_bound_is_where_the_learning_curve_crosses_the_gap() -> None:
    steps = rules.early_stopping(1e8, 1e8)
    gap = float(
        kaplan.loss_joint(rules.JOINT, {"params": 1e8, "tokens": 1e8})
        - kaplan.loss_joint(rules.JOINT, {"params": 1e8, "tokens": 1e60})
    )
    assert (2.1e3 / steps) ** 0.76 == pytest.approx(gap, rel=1e-6)
    assert rules.early_stopping(1e8, 1e9) > steps


def test_theory_exponents() -> None:
    assert rules.compute_exponent() == pytest.approx(0.05245, abs=5e-6)
    exponents = rules.allocation_exponents()
    assert exponents == pytest.approx((0.68, 0.25, 0.069), abs=2e-3)
    assert sum(exponents) == pytest.approx(1.0)


def test_fitted_allocation_at_one_pf_day() -> None:
    assert rules.fitted_allocation(DAY) == pytest.approx((1.3e9, 2.0e6, 5.4e3, 2e10))
    ten = rules.fitted_allocation(10 * DAY)
    growth = np.log10(np.array(ten) / np.array(rules.fitted_allocation(DAY)))
    assert growth == pytest.approx([0.73, 0.24, 0.03, 0.27])
    assert growth[1] + growth[2] == pytest.approx(growth[3])
    assert rules.fitted_tokens_at_critical_batch(DAY) == pytest.approx(4e10)


def test_efficient_training_stops_ten_per_cent_above_convergence() -> None:
    assert rules.efficient_excess() == pytest.approx(0.10, abs=2e-3)
    compared = rules.efficient_against(0.02)
    assert compared.params == pytest.approx(2.7, abs=0.05)
    assert 1 / compared.steps == pytest.approx(7.7, abs=0.06)
    assert 1 - compared.compute == pytest.approx(0.65, abs=6e-3)


def test_efficient_stopping_is_the_least_compute_to_a_loss() -> None:
    target, constants = 3.0, rules.STEPS
    params = np.geomspace(1e6, 1e12, 200001)
    left = target - (constants["N_c"] / params) ** constants["a_N"]
    with np.errstate(invalid="ignore"):
        compute = np.where(left > 0, params * constants["S_c"] * left ** (-1 / constants["a_S"]), np.inf)
    best = params[compute.argmin()]
    converged = (constants["N_c"] / best) ** constants["a_N"]
    assert target / converged - 1 == pytest.approx(rules.efficient_excess(), rel=1e-3)
    # The same curve gives the cost of another size.
    other = np.abs(params - 2.2 * best).argmin()
    assert compute[other] / compute.min() == pytest.approx(rules.suboptimal_size(2.2).compute, rel=1e-4)


def test_cost_of_a_wrong_size() -> None:
    assert rules.suboptimal_size(2.2).compute == pytest.approx(1.204, abs=5e-4)
    assert 1 - rules.suboptimal_size(2.2).steps == pytest.approx(0.45, abs=5e-3)
    assert rules.suboptimal_size(0.6).compute == pytest.approx(1.165, abs=5e-4)
    assert rules.suboptimal_size(1.0) == pytest.approx((1, 1, 1))
    assert rules.suboptimal_size(np.array([0.1, 1.0])).compute[0] == np.inf


def test_one_per_cent_of_loss_is_twenty_two_per_cent_of_compute() -> None:
    assert rules.compute_for_loss(1 / 1.01) - 1 == pytest.approx(0.22, abs=5e-3)


def test_learning_rate_breaks_above_ten_billion() -> None:
    assert rules.learning_rate(1.0) == 0.003239
    assert rules.learning_rate(1e10) > 0 > rules.learning_rate(2e10)


def test_contradiction_point() -> None:
    there = rules.contradiction()
    by_data = (5.4e13 / there.tokens) ** 0.095
    assert by_data == pytest.approx(there.loss, rel=1e-9)
    # "An order of magnitude in either direction".
    assert np.log10(there.flops_min / DAY) == pytest.approx(4, abs=1)
    assert np.log10(there.params) == pytest.approx(12, abs=1)
    assert np.log10(there.tokens) == pytest.approx(12, abs=1)
    assert there.loss == pytest.approx(1.7, abs=0.05)
    later = 2e10 * (2 * there.flops_min / DAY) ** 0.27
    assert np.log2((5.4e13 / later) ** 0.095 / by_data) == pytest.approx(-0.026, abs=5e-4)
