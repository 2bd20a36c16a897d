from __future__ import annotations

import numpy as np
import pytest

from bayescale.forecast.moments import moments

RNG = np.random.default_rng(0)
LOSS = 2 * np.exp(0.05 * RNG.normal(size=4000))


def figures(loss: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    found = moments(loss[:, None], "mean", weight)
    return float(found["loss_mean"][0]), float(found["loss_sd"][0])


def test_of_the_expected_loss_they_are_those_of_the_draws() -> None:
    assert figures(LOSS) == pytest.approx((LOSS.mean(), LOSS.std()))
    weight = RNG.dirichlet(np.ones(len(LOSS)))
    mean = weight @ LOSS
    assert figures(LOSS, weight) == pytest.approx((mean, np.sqrt(weight @ (LOSS - mean) ** 2)))


def test_a_few_draws_make_no_moment() -> None:
    # Draws near what a float holds: neither sum nor square may overflow.
    for stray, mean_there in [(30.0, True), (1e6, False), (1e300, False), (np.inf, False), (np.nan, False)]:
        mean, sd = figures(np.append(LOSS, [stray] * 3))
        assert np.isnan(sd)
        assert np.isfinite(mean) == mean_there


def test_equal_draws_have_moments() -> None:
    assert figures(np.full(100, 2.0)) == (2.0, 0.0)
