from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.inference import Health, check_health
from bayescale.inference.fit import fit_design
from bayescale.laws import Law, Parameter, Range
from bayescale.models import make_design


def healthy(**change: np.ndarray) -> Health:
    rng = np.random.default_rng(0)
    stats = {
        "diverging": np.zeros((4, 1000), dtype=bool),
        "energy": rng.normal(size=(4, 1000)),
        "tree_depth": np.full((4, 1000), 3),
    }
    quantities = {"alpha": rng.normal(size=(4, 1000, 2))}
    for name, value in change.items():
        (quantities if name == "alpha" else stats)[name] = value
    return check_health(quantities, stats, 10)


def verdicts(health: Health) -> dict[str, str]:
    return {check.name: check.verdict for check in health.checks}


def test_independent_draws_pass() -> None:
    assert healthy().verdict == "PASS"


def test_one_chain_elsewhere_fails_and_is_named() -> None:
    draws = np.random.default_rng(1).normal(size=(4, 1000, 2))
    draws[2, :, 1] += 3
    health = healthy(alpha=draws)
    assert verdicts(health)["R-hat"] == "FAIL"
    assert "alpha[1]" in str(health) and "do not use" in str(health) and "modes" in str(health)


def test_chains_in_two_places_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    draws, density = rng.normal(size=(4, 1000, 2)), rng.normal(-12.0, 0.1, size=(4, 1000))
    draws[[1, 3], :, 1] += 9
    density[[1, 3]] -= 20
    health = healthy(alpha=draws, lp=density)
    check = next(c for c in health.checks if c.name == "modes")
    assert (check.verdict, check.value, check.where) == ("FAIL", 2, "alpha[1]")
    assert "in chains 0 and 2, mean log density -12" in check.advice
    assert "in chains 1 and 3, mean log density -32" in check.advice
    assert "narrower prior of alpha " in check.advice and "20 log units less dense" in check.advice


def test_three_places_are_three_and_one_chain_that_goes_between_them_joins_them() -> None:
    draws = np.random.default_rng(1).normal(size=(4, 1000, 1)) + np.array([0, 0, 10, 20])[:, None, None]
    check = next(c for c in healthy(alpha=draws).checks if c.name == "modes")
    assert check.value == 3 and "in chains 0 and 1; " in check.advice and "in chain 3. " in check.advice
    draws[1] = np.repeat([0.0, 10.0, 20.0, 5.0], 250)[:, None] + draws[0]
    assert verdicts(healthy(alpha=draws))["modes"] == "PASS"


def test_chains_that_only_disagree_are_not_called_modes() -> None:
    draws = np.random.default_rng(1).normal(size=(4, 1000, 1)) + np.array([0, 0.5, 1, 1.5])[:, None, None]
    assert verdicts(healthy(alpha=draws))["R-hat"] == "FAIL"
    assert verdicts(healthy(alpha=draws))["modes"] == "PASS"


def test_a_posterior_with_two_modes_fails_and_says_which() -> None:
    # The sign of a is not measured: both modes are equally probable, and no chain goes from one to the other.
    law = bs.register(
        Law(
            name="test-two-modes",
            title="Symmetrical",
            citation="none",
            equation="log L = a^2 log(N / 1e5)",
            latex="",
            inputs=("params",),
            parameters=(Parameter("a", "root of the slope", "1", "real", Range(-1.0, 1.0), "a"),),
            loss=lambda v, x: jnp.exp(v["a"] ** 2 * jnp.log(x["params"] / 1e5)),
        )
    )
    params = np.geomspace(1e6, 1e8, 12)
    noise = 0.01 * np.random.default_rng(0).normal(size=12)
    runs = pd.DataFrame({"params": params, "loss": np.exp(0.25 * np.log(params / 1e5) + noise)})
    design = make_design(bs.Model(name="two modes", law=law.name), runs)
    fit = fit_design(design, 0, bs.Settings(chains=4, warmup=200, draws=100, folds=False, again=False))
    assert sorted(np.sign(fit.quantities.posterior["a_mean"].mean(axis=1))) == [-1, -1, 1, 1]
    check = next(c for c in fit.health.checks if c.name == "modes")
    assert fit.health.verdict == check.verdict == "FAIL" and check.where.startswith("a")
    medians = [float(x) for x in re.findall(r"(-?[\d.]+) \(", check.advice)]
    assert medians == pytest.approx([-0.5, 0.5], abs=0.01) and "narrower prior of a " in check.advice


def test_sticky_draws_fail_on_ess() -> None:
    steps = np.random.default_rng(2).normal(size=(4, 1000, 1))
    sticky = np.zeros_like(steps)
    for i in range(1, 1000):
        sticky[:, i] = 0.98 * sticky[:, i - 1] + steps[:, i]
    assert verdicts(healthy(alpha=sticky))["bulk ESS"] == "FAIL"


@pytest.mark.parametrize("count, verdict", [(0, "PASS"), (2, "REVIEW"), (3, "FAIL")])
def test_divergences(count: int, verdict: str) -> None:
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[0, :count] = True
    assert verdicts(healthy(diverging=diverging))["divergences"] == verdict


def test_trees_cut_short_fail() -> None:
    depth = np.full((4, 1000), 3)
    depth[1, :40] = 10
    assert verdicts(healthy(tree_depth=depth))["tree depth"] == "FAIL"


def test_slow_energy_fails() -> None:
    energy = np.cumsum(np.random.default_rng(3).normal(size=(4, 1000)), axis=1)
    assert verdicts(healthy(energy=energy))["E-BFMI"] == "FAIL"


def test_a_quantity_that_never_moves_does_not_pass() -> None:
    draws = np.random.default_rng(1).normal(size=(4, 1000, 2))
    draws[..., 0] = np.nan
    assert healthy(alpha=draws).verdict == "FAIL"
