"""Joint draws: what the points of one call share, they share in every draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, spearmanr

import bayescale as bs
from bayescale.decide.measurements import Measurements
from bayescale.forecast.compare import mean_error
from bayescale.forecast.known_runs import SHARED, given_runs
from tests.tight import SIGMA, SIGMA_RUN, points, tight


@pytest.fixture(scope="module")
def curves() -> bs.Posterior:
    return tight(curves=True)


def noise_of(posterior: bs.Posterior, table: pd.DataFrame) -> np.ndarray:
    """Joint draws of log loss less its expectation, shape (draws, points)."""
    made = posterior.predict(table, draws=True, new_groups=True)
    return np.log(made.to_numpy()) - np.log(
        posterior.predict(table, of="mean", draws=True, new_groups=True).to_numpy()
    )


def test_draws_come_with_labels(curves: bs.Posterior) -> None:
    made = curves.predict(
        points(3, 1.0, run_id="new").assign(task=["code", "docs", "latin"]), draws=True, new_groups=True
    )
    assert made.dims == ("draw", "point") and made.shape == (4000, 3)
    assert made["group"].to_numpy().tolist() == ["known", "known", "new: task=latin"]
    assert made["run"].to_numpy().tolist() == [0, 0, 0]
    assert curves.predict(points(3)[:0], draws=True).shape == (4000, 0)
    bands = curves.predict(points(3, 1.0, run_id="new"))
    alone = curves.predict(points(3, 1.0, run_id="new"), draws=True).quantile(0.95, dim="draw")
    assert bands["q0.95"].to_numpy() == pytest.approx(alone.to_numpy(), rel=1e-12)


def test_rows_of_one_new_run_share_its_effect_and_its_stretch(curves: bs.Posterior) -> None:
    """Rows of different runs share neither; two rows without a run_id are two runs."""
    table = pd.concat([points(2, run_id="a"), points(1, run_id="b"), points(2)], ignore_index=True)
    noise = noise_of(curves, table)
    expected = SIGMA_RUN**2 / (SIGMA_RUN**2 + SIGMA**2)
    assert np.corrcoef(np.clip(noise[:, :2], -0.05, 0.05).T)[0, 1] == pytest.approx(expected, abs=0.03)
    for i, j in ((0, 2), (0, 3), (3, 4)):
        assert abs(spearmanr(noise[:, i], noise[:, j]).statistic) < 0.05
    # The difference of two rows keeps the heavy tail of the run: its size goes with the size of their sum.
    apart, total = np.abs(noise[:, 0] - noise[:, 1]), np.abs(noise[:, 0] + noise[:, 1])
    assert spearmanr(apart, total).statistic > 0.05
    assert abs(spearmanr(np.abs(noise[:, 3] - noise[:, 4]), np.abs(noise[:, 0])).statistic) < 0.05


def test_each_row_of_a_run_has_the_noise_of_a_run_by_itself(curves: bs.Posterior) -> None:
    together, alone = noise_of(curves, points(3, run_id="a")), noise_of(curves, points(3))
    for i in range(3):
        scale = np.hypot(SIGMA, SIGMA_RUN)
        assert kstest(together[:, i] / scale, alone[:, i] / scale).pvalue > 0.001


def test_where_every_run_gave_one_row_half_of_the_noise_is_shared() -> None:
    noise = np.clip(noise_of(tight(), points(2, run_id="a")), -0.01, 0.01)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(SHARED, abs=0.06)


def test_rows_of_a_fitted_run_share_what_is_left_of_its_effect(curves: bs.Posterior) -> None:
    given = given_runs(curves, points(2, 0.3, run_id="run-3"), 0.0)
    assert given.known.all() and (given.shared[:, 0] == given.shared[:, 1]).all()
    # Four fitted rows leave about sigma^2 / 4 of the effect, beside sigma^2 of each row.
    assert np.median(given.shared / given.own) == pytest.approx(0.5, abs=0.05)
    fresh = given_runs(curves, points(2, 0.3, run_id="run-3"), 0.0, fresh=True)
    assert np.median(fresh.shared / fresh.own) == pytest.approx(SIGMA_RUN / SIGMA, rel=0.05)


def test_new_groups_and_drift_are_shared(curves: bs.Posterior) -> None:
    table = points(3, 1.5, task="latin").assign(task=["latin", "latin", "greek"])
    loss = np.log(curves.predict(table, of="mean", draws=True, new_groups=True).to_numpy())
    assert np.corrcoef(loss[:, 0], loss[:, 1])[0, 1] > 0.99
    assert abs(np.corrcoef(loss[:, 0], loss[:, 2])[0, 1]) < 0.6
    drifted = np.log(curves.predict(points(2, 1.5), of="mean", draws=True).to_numpy())
    assert np.corrcoef(drifted.T)[0, 1] > 0.98


def test_candidate_rows_of_one_run_are_measured_together(curves: bs.Posterior) -> None:
    """Two rows of one run tell hardly more than one; a second seed of it is another run."""
    table = pd.concat([points(2, run_id="a"), points(1, run_id="b")], ignore_index=True)
    measurements = Measurements(curves, table)
    noise = measurements.simulated((0, 1, 2, 0)) - measurements.expected[:, [0, 1, 2, 0]]
    rho = spearmanr(noise).statistic
    assert rho[0, 1] > 0.9
    assert max(abs(rho[0, 2]), abs(rho[0, 3]), abs(rho[1, 3])) < 0.05
    covariance = measurements.noise_covariance((0, 1, 2, 0))
    shared = SIGMA_RUN**2 / (SIGMA_RUN**2 + SIGMA**2)
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(shared, abs=0.02)
    assert covariance[0, 2] == covariance[0, 3] == covariance[1, 3] == 0
    assert np.diag(covariance) == pytest.approx(measurements.noise_variance[[0, 1, 2, 0]])


def test_the_density_of_a_batch_is_that_of_its_runs(curves: bs.Posterior) -> None:
    from scipy.stats import multivariate_t

    table = pd.concat([points(2, run_id="a"), points(1, run_id="b")], ignore_index=True)
    measurements = Measurements(curves, table)
    batch, draw = (0, 1, 2, 0), 17
    measured = measurements.simulated(batch)[:3]
    found = measurements.log_density(batch, measured)[:, draw]
    nu = curves.draws("nu")[draw]
    centre = measurements.expected[draw]
    own, shared = measurements.given.own[draw], measurements.given.shared[draw]
    matrix = np.diag(own[:2] ** 2) + np.outer(shared[:2], shared[:2])
    exact = multivariate_t.logpdf(measured[:, :2], centre[:2], matrix, nu)
    for column, i in ((2, 2), (3, 0)):
        exact = exact + multivariate_t.logpdf(
            measured[:, [column]], centre[[i]], [[own[i] ** 2 + shared[i] ** 2]], nu
        )
    assert found == pytest.approx(exact, abs=1e-8)


def test_rows_of_one_run_are_no_more_evidence_than_the_run() -> None:
    x = np.random.default_rng(0).normal(size=12)
    assert mean_error(x, np.arange(12)) == pytest.approx(x.std(ddof=1) / np.sqrt(12))
    # Ten equal rows of every run are as good as one.
    assert mean_error(np.repeat(x, 10), np.repeat(np.arange(12), 10)) == pytest.approx(
        mean_error(x, np.arange(12))
    )
    assert np.isnan(mean_error(x, np.zeros(12, dtype=int)))
