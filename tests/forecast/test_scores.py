"""Scores against other ways to the same figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bayescale.forecast.scores import GRID, crps, log_density, score, transforms


@pytest.fixture
def forecasts() -> tuple[np.ndarray, np.ndarray]:
    """Skewed forecasts of twenty losses, some far outside."""
    rng = np.random.default_rng(3)
    centre, width = rng.uniform(2, 4, 20), rng.uniform(0.01, 0.2, 20)
    quantiles = centre[:, None] * np.exp(width[:, None] * norm.ppf(GRID))
    return quantiles, centre * np.exp(1.5 * width * rng.standard_normal(20))


def by_rows(quantiles: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """The same figures by the definitions, a row at a time."""
    levels = [i / 100 for i in range(1, 100)]
    pinball, errors, inside, widths = [], [], dict.fromkeys((50, 80, 90, 95), 0), []
    for row, y in zip(quantiles, measured, strict=True):
        for p, q in zip(levels, row, strict=True):
            pinball.append(2 * (p * (y - q) if y >= q else (1 - p) * (q - y)))
        errors.append(float(np.interp(0.5, levels, row)) / y - 1)
        for mass in inside:
            low, high = np.interp([0.5 - mass / 200, 0.5 + mass / 200], levels, row)
            inside[mass] += bool(low <= y <= high)
        widths.append(float(np.interp(0.95, levels, row) - np.interp(0.05, levels, row)) / y)
    return {
        "error": float(np.mean(np.abs(errors))),
        "bias": float(np.mean(errors)),
        "rmsle": float(np.sqrt(np.mean(np.log1p(errors) ** 2))),
        **{f"inside{m}": n / len(measured) for m, n in inside.items()},
        "width90": float(np.median(widths)),
        "crps": float(np.mean(pinball)),
    }


def test_scores_are_their_definitions(forecasts: tuple[np.ndarray, np.ndarray]) -> None:
    found = score(*forecasts)
    wanted = by_rows(*forecasts)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert found["n"] == sum(found["pit"]) == 20


def test_crps_of_a_gaussian() -> None:
    z = np.array([-2.5, -1, 0, 0.3, 1.7])
    quantiles = np.tile(norm.ppf(GRID), (5, 1))
    # Gneiting & Raftery 2007, eq. 21.
    exact = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert crps(quantiles, z) == pytest.approx(exact, rel=0.02)


def test_crps_of_a_point_is_its_distance() -> None:
    assert crps(np.full((2, 99), 3.0), np.array([2.5, 3.2])) == pytest.approx([0.5, 0.2])


def test_log_density_of_a_gaussian_is_the_gaussians_and_integrates_to_one() -> None:
    z = norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = log_density(np.tile(norm.ppf(GRID), (4000, 1)), z)
    # Even inside a bin, and on average the Gaussian's own.
    assert found[np.abs(z) < 2.3] == pytest.approx(norm.logpdf(z)[np.abs(z) < 2.3], abs=0.3)
    assert found.mean() == pytest.approx(-0.5 * np.log(2 * np.pi * np.e), abs=0.015)
    wide = np.linspace(-25, 25, 20001)
    density = np.exp(log_density(np.tile(norm.ppf(GRID), (len(wide), 1)), wide))
    assert np.trapezoid(density, wide) == pytest.approx(1, abs=2e-3)
    assert np.isnan(log_density(np.full((1, 99), 3.0), np.array([3.1]))).all()


def test_transforms_are_uniform_where_the_forecast_is_right() -> None:
    measured = norm.ppf((np.arange(1000) + 0.5) / 1000)
    quantiles = np.tile(norm.ppf(GRID), (1000, 1))
    assert score(np.exp(quantiles), np.exp(measured))["pit"] == [100] * 10
    assert transforms(quantiles[:2], np.array([-9.0, 9.0])).tolist() == [0, 0.99]
