"""The noise of a run's rows against SciPy's multivariate Student-t."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.models import Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import expected_loss, log_likelihood, noise_of
from bayescale.models.layout import layout_of
from bayescale.models.noise import draw_noise, log_student_t, log_student_t_by_run

RUN = np.array([0, 1, 0, 2, 0, 2])
ROWS = np.array([3.0, 1.0, 2.0])


def covariance(scale: np.ndarray, between: float, mine: np.ndarray) -> np.ndarray:
    return np.diag(scale[mine] ** 2) + between**2


def test_the_rows_of_a_run_are_one_multivariate_t() -> None:
    rng = np.random.default_rng(0)
    residual, scale = rng.normal(scale=0.02, size=6), rng.uniform(0.002, 0.01, 6)
    ours = log_student_t_by_run(residual, scale, np.ones(6), 4.5, 0.013, RUN, ROWS)
    for run in range(3):
        mine = np.flatnonzero(run == RUN)
        exact = stats.multivariate_t.logpdf(
            residual[mine], np.zeros(len(mine)), covariance(scale, 0.013, mine), 4.5
        )
        assert float(ours[run]) == pytest.approx(exact, abs=1e-10)


def test_rows_that_do_not_count_say_nothing() -> None:
    rng = np.random.default_rng(0)
    residual, scale = rng.normal(scale=0.02, size=6), rng.uniform(0.002, 0.01, 6)
    kept = (RUN != 1) & (np.arange(6) != np.flatnonzero(RUN == 0)[0])
    ours = log_student_t_by_run(
        residual, scale, kept.astype(float), 4.5, 0.013, RUN, np.bincount(RUN, weights=kept)
    )
    without = log_student_t_by_run(
        residual[kept], scale[kept], np.ones(kept.sum()), 4.5, 0.013, RUN[kept], np.bincount(RUN[kept])
    )
    assert np.asarray(ours) == pytest.approx(np.asarray(without), abs=1e-10)
    assert float(ours[1]) == pytest.approx(0.0, abs=1e-12)


def test_without_an_effect_and_with_one_row_each_it_is_the_plain_t() -> None:
    residual, scale = np.array([0.01, -0.02]), np.array([0.005, 0.004])
    by_run = log_student_t_by_run(residual, scale, np.ones(2), 7.0, 0.0, np.array([0, 1]), np.ones(2))
    assert np.asarray(by_run) == pytest.approx(np.asarray(log_student_t(residual, scale, 7.0)), abs=1e-12)


def test_noise_is_drawn_as_it_is_scored() -> None:
    rng = np.random.default_rng(1)
    draws, scale = 200_000, np.array([0.004, 0.006, 0.01, 0.003, 0.005, 0.002])
    noise = draw_noise(
        np.broadcast_to(scale, (draws, 6)), np.full((draws, 1), 9.0), np.full((draws, 1), 0.01), RUN, rng
    )
    same = RUN[:, None] == RUN
    wanted = 9 / 7 * (np.diag(scale**2) + 0.01**2 * same)
    assert np.cov(noise.T) == pytest.approx(wanted, abs=3e-6)
    # Of one row alone, it is the plain t of the combined scale.
    one = noise[:, 1] / np.hypot(scale[1], 0.01)
    assert stats.kstest(one[:20_000], stats.t(9).cdf).pvalue > 1e-3


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for run, params in enumerate(np.geomspace(1e6, 1e8, 16)):
        effect = 0.01 * rng.normal()
        for tokens in np.geomspace(1e8, 1e10, 12):
            loss = 1.5 + (3e6 / params) ** 0.35 + (3e8 / tokens) ** 0.35
            noise = effect + 0.002 * rng.normal()
            rows.append((f"run-{run}", params, tokens, loss * np.exp(noise)))
    return pd.DataFrame(rows, columns=["run_id", "params", "tokens", "loss"])


def test_rows_that_share_a_run_id_are_scored_together_and_said_to_be(curves: pd.DataFrame) -> None:
    design = make_design(Model.of_law("chinchilla"), curves)
    assert design.several and any("192 rows come from 16 runs" in note for note in design.notes)
    layout, data = layout_of(design), data_of(design)
    assert layout.size == 9
    z = np.random.default_rng(2).normal(scale=0.3, size=layout.size)
    noise = {name: float(x) for name, x in noise_of(z, layout, data).items()}
    residual = np.log(design.loss) - np.log(np.asarray(expected_loss(z, layout, data)))
    ours = np.asarray(log_likelihood(z, layout, data))
    assert ours.shape == (16,)
    for run in (0, 15):
        mine = np.flatnonzero(design.run == run)
        scale = noise["sigma"] * noise["sigma_decade"] ** design.decades
        matrix = covariance(scale, noise["sigma_run"], mine)
        exact = stats.multivariate_t.logpdf(residual[mine], np.zeros(12), matrix, noise["nu"])
        assert ours[run] == pytest.approx(exact, rel=1e-9)


def test_rows_without_an_id_are_runs_of_their_own(curves: pd.DataFrame) -> None:
    alone = make_design(Model.of_law("chinchilla"), curves.assign(run_id=None))
    assert not alone.several and layout_of(alone).noise == ("sigma", "nu", "sigma_decade")
    some = curves.assign(run_id=curves["run_id"].where(curves["run_id"] == "run-3"))
    assert len(np.unique(make_design(Model.of_law("chinchilla"), some).run)) == 192 - 11
