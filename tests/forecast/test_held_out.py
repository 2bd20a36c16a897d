"""The joint check of held-out runs: nominal under the model, and sure where the forecast is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chi2, kstest

import bayescale as bs
from bayescale.forecast import HeldOutError, held_out
from bayescale.forecast.held_out import RARE
from bayescale.forecast.joint_check import Reference, joint_check
from bayescale.forecast.known_runs import Given, given_runs
from bayescale.forecast.predict import typical_se
from tests.tight import points, tight

SIMULATIONS = 200


@pytest.fixture(scope="module")
def posterior() -> bs.Posterior:
    return tight()


@pytest.fixture(scope="module")
def curves() -> bs.Posterior:
    return tight(curves=True)


def measured(posterior: bs.Posterior, table: pd.DataFrame, times: float = 1.0) -> pd.DataFrame:
    """The points with `times` the median forecast as their loss."""
    return table.assign(loss=times * posterior.predict(table)["q0.5"].to_numpy())


@pytest.mark.parametrize("times", [0.5, 1.5])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_runs_that_are_all_half_off_break_the_forecast(
    posterior: bs.Posterior, number: int, times: float
) -> None:
    """Two decades out, where they share a drift: each by itself may lie inside its band."""
    record = held_out(posterior, measured(posterior, points(number, 2.0), times))
    assert record.p_value <= 0.001 and record.broken
    assert not record.accepted.any()


def test_heavy_tails_excuse_no_miss_that_all_runs_share() -> None:
    heavy = tight(nu=(2.0, 2.5))
    for number in (2, 3, 5):
        assert held_out(heavy, measured(heavy, points(number, 2.0), 1.5)).p_value <= 0.001


@pytest.mark.parametrize("rows, error", [(12, 0.01), (100, 0.3)])
def test_an_error_that_all_runs_share_is_seen_where_each_run_is_in_its_band(rows: int, error: float) -> None:
    """Twelve runs of a law that is known, each one scale of the noise high; a hundred, five drifts off."""
    rng = np.random.default_rng(0)
    drift = error / 5 if rows > 50 else 1e-5
    flat = np.ones((4000, rows))
    given = Given(np.zeros(rows, bool), np.arange(rows), 0 * flat, 0.01 * flat, 0 * flat, 6 * flat)
    expected = drift * rng.normal(size=(4000, 1)) * flat
    y = error + 0.01 * rng.standard_t(6, size=rows) * (rows > 50)
    check = joint_check(expected, given, y)
    assert check.joint.value < check.joint.high
    assert check.p_value <= 0.005


def test_a_forecast_that_held_accepts_the_runs_in_their_bands(posterior: bs.Posterior) -> None:
    table = measured(posterior, points(20))
    # One odd run of twenty is what Student-t noise makes: the forecast holds, and this run vouches for nothing.
    table.loc[7, "loss"] = 1.01 * posterior.predict(table, quantiles=(0.975,))["q0.975"].iloc[7]
    record = held_out(posterior, table)
    assert not record.broken
    assert record.accepted.sum() == 19 and not record.accepted[7]


ROWS = {
    "one run": (False, points(1, 1.0)),
    "eight runs": (False, points(8, 1.5)),
    "rows of one run": (True, points(6, 0.5, run_id="new")),
    "rows of two runs in three groups": (
        True,
        points(6, 1.0).assign(run_id=["a", "a", "a", "b", "b", "b"], task=["code", "docs", "latin"] * 2),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_rate_of_false_alarms_is_nominal(
    posterior: bs.Posterior, curves: bs.Posterior, name: str
) -> None:
    """Over 200 sets of runs that the model itself makes, also where rows share runs."""
    of_curves, table = ROWS[name]
    fitted = curves if of_curves else posterior
    made = np.log(fitted.predict(table, draws=True, new_groups=True, seed=5).to_numpy())
    expected = np.log(fitted.predict(table, of="mean", draws=True, new_groups=True).to_numpy())
    reference = Reference.of(expected, given_runs(fitted, table, typical_se(fitted)))
    at = np.random.default_rng(2).choice(len(made), SIMULATIONS, replace=False)
    found = np.array([reference.check(made[i]).p_value for i in at])
    low, high = binom.ppf([0.001, 0.999], SIMULATIONS, RARE)
    assert low <= (found < RARE).sum() <= high
    assert kstest(found, "uniform").pvalue > 0.001


def test_with_gaussian_noise_the_discrepancy_is_the_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    draws, rows = 20_000, 4
    root = rng.normal(size=(rows, rows))
    expected = rng.normal(size=(draws, rows)) @ root.T
    flat = np.ones((draws, rows))
    given = Given(np.zeros(rows, bool), np.array([0, 1, 1, 2]), 0 * flat, 0.6 * flat, 0.8 * flat, 1e7 * flat)
    y = np.array([2.0, -1.0, 3.0, 0.5])
    noise = 0.36 * np.eye(rows) + 0.64 * np.equal.outer(given.run, given.run)
    exact = y @ np.linalg.solve(root @ root.T + noise, y)
    check = joint_check(expected, given, y)
    assert check.joint.value == pytest.approx(exact, rel=0.05)
    assert check.p_value <= 2 * chi2.sf(exact, rows) + 0.02
    assert check.joint.median == pytest.approx(chi2.median(rows), rel=0.05)


def test_losses_that_are_no_numbers_are_refused(posterior: bs.Posterior) -> None:
    table = measured(posterior, points(3))
    table.loc[1, "loss"] = np.nan
    with pytest.raises(HeldOutError, match="row 2"):
        held_out(posterior, table)
