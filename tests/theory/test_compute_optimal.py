"""Compute-optimal curves: where they tend to, what finite windows show, and how the best size is found."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.theory import TheoryError, budgets_for, frontier, window, window_exponents
from bayescale.theory.compute_optimal import at_budget, envelope


def test_phase_three_has_eta_0_643() -> None:
    table = frontier(0.7, 1.2, np.geomspace(1e8, 1e9, 3))
    assert table["eta"].iloc[-1] == pytest.approx(9 / 14, abs=0.003)
    assert table["xi"].iloc[-1] == pytest.approx(0.5, abs=0.01)


def test_a_sweep_of_beta_at_alpha_0_7_goes_from_ia_over_ii_to_iii() -> None:
    phases, off = [], []
    for beta in (0.3, 0.6, 1.2):
        found = window(frontier(0.7, beta, np.geomspace(1e8, 1e9, 3)), 0.7, beta)
        phases.append(found.asymptotic.phase)
        off.append(abs(found.off[1]))
    assert phases == ["Ia", "II", "III"]
    assert max(off) < 0.04


def test_the_best_size_is_the_best_of_a_fine_grid() -> None:
    flops = 1e6
    table = frontier(0.4, 0.8, [flops], ratio=5)
    d = np.geomspace(100, 10000, 400)
    losses = at_budget(0.4, 0.8, d, flops, 5)
    assert table["loss"][0] == pytest.approx(losses.min(), rel=1e-4)
    assert table["d"][0] == pytest.approx(d[losses.argmin()], rel=0.03)
    assert table["r"][0] * table["d"][0] == pytest.approx(flops)


def test_few_sizes_lie_above_the_best() -> None:
    flops = np.geomspace(1e5, 1e7, 5)
    losses = envelope(1.0, 0.7, [100, 400, 1600], flops)
    best = frontier(1.0, 0.7, flops)["loss"].to_numpy()
    assert (np.nanmin(losses, axis=0) >= best * (1 - 1e-6)).all()
    assert (np.nanmin(losses, axis=0) < 1.2 * best).all()
    assert np.isnan(envelope(1.0, 0.7, [1600], [1e4])).all()


def test_budgets_whose_best_sizes_are_asked_for() -> None:
    budgets = budgets_for(0.7, 0.6, (100, 1600))
    d = frontier(0.7, 0.6, budgets)["d"]
    assert (d.iloc[0], d.iloc[-1]) == (pytest.approx(100, rel=0.05), pytest.approx(1600, rel=0.05))


@pytest.mark.parametrize(
    "alpha, beta, off", [(0.7, 0.3, 0.05), (1.0, 0.3, 0.03), (0.27, 0.7, 0.35), (0.2, 0.8, 0.5)]
)
def test_finite_windows_are_off_by_what_is_said(alpha, beta, off) -> None:
    """Windows of d* from 100 to 1600: a few per cent in the phases Ia, far more below the high-dimensional line."""
    found = window(frontier(alpha, beta, budgets_for(alpha, beta, (100, 1600))), alpha, beta)
    assert 0.4 * off < abs(found.off[1]) < off
    assert f"{found.eta:.3f}" in str(found)


def test_what_cannot_be_found_is_refused() -> None:
    with pytest.raises(TheoryError, match="at the edge"):
        frontier(0.7, 1.2, [1e9], largest=50)
    with pytest.raises(TheoryError, match="budgets start at"):
        frontier(0.7, 1.2, [10.0])
    with pytest.raises(TheoryError, match="no budgets"):
        budgets_for(0.7, 1.2, (2, 1e9))


def test_draws_without_a_best_size_have_no_exponents() -> None:
    xi, eta = window_exponents([0.7, 0.2], [1.2, 0.8], [1.0, 1e-3], 5e3, 1.35e5)
    assert np.isfinite([xi[0], eta[0]]).all() and np.isnan([xi[1], eta[1]]).all()
