"""The deterministic equivalent against random features, against its own equations solved otherwise, and at scale."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bayescale.theory import (
    DivergesError,
    Features,
    Problem,
    curve,
    curves,
    limits,
    risk,
    solve_volterra,
    stability,
)
from bayescale.theory.asymptotic import components, kappa, kernel, limit, powers
from bayescale.theory.asymptotic import features as f_ac
from bayescale.theory.asymptotic import population as f_pp
from bayescale.theory.equivalent import largest_step
from bayescale.theory.errors import TheoryError
from bayescale.theory.problem import power_sum

POINTS = ((1.0, 0.3), (0.4, 0.3), (0.2, 0.8), (1.0, 0.7), (0.7, 1.2), (0.4, 0.8), (0.27, 0.7))


@pytest.mark.parametrize("alpha, beta", POINTS)
def test_it_is_the_mean_over_random_features(alpha, beta) -> None:
    """F_0 and the kernel's norm to 3 %, within the error of so many draws; P to 6 % in the median, 16 % at worst."""
    problem = Problem(alpha, beta, 150, 600)
    r = np.concatenate([np.arange(16), np.geomspace(16, 1e6, 30)])
    # Above 2 alpha = 1 a few eigenvalues, each known to a tenth from one draw, carry most of the noise.
    draws = [Features.draw(problem, seed) for seed in range(80 if alpha > 0.5 else 12)]
    found = limits(problem)
    floors = np.array([x.floor for x in draws]) / found.floor
    # A draw's floor is a seventh off, whence the error; at d = 150 their mean is some 3 % above, at 300 no more.
    assert abs(floors.mean() - 1) < 0.03 + 2 * floors.std() / np.sqrt(len(floors))
    assert found.norm == pytest.approx(np.mean([x.norm for x in draws]), rel=0.03)
    off = np.abs(curve(problem, r) / np.mean([x.risk(r) for x in draws], axis=0) - 1)
    assert np.median(off) < 0.06 and off.max() < 0.16


def test_the_resolvent_solves_its_equation() -> None:
    """m(z) by damped iteration of the printed fixed point, and F^ from it as a plain sum over 900 modes."""
    alpha, beta, d, v, gamma = 0.8, 0.6, 60, 900, 0.1
    j = np.arange(1.0, v + 1)
    t, energy = j ** (-2 * alpha), j ** (-2 * alpha - 2 * beta)
    x = np.exp(-(0.05 + 0.4j))

    def m(z):
        value = 1.0 + 0j
        for _ in range(4000):
            value = 0.5 * value + 0.5 / (1 + (t / (t * value - z)).sum() / d)
        return value

    # 1 - x q(l) = 0 for B = 1, q = 1 - 2 gamma l + 2 gamma^2 l^2.
    roots = np.roots([2 * gamma**2, -2 * gamma, 1 - 1 / x])
    values = [m(z) for z in roots]
    target = [(energy / (t * m - z)).sum() for m, z in zip(values, roots, strict=True)]
    bulk = [z * d * (1 - m) for m, z in zip(values, roots, strict=True)]
    under = -x * 2 * gamma**2 * (roots[0] - roots[1])
    forcing, noise = (target[0] - target[1]) / under, gamma**2 * (bulk[0] - bulk[1]) / under
    r = np.arange(700)
    parts = curves(alpha, beta, d, r, v, gamma)
    powers_of_x = x**r
    assert (parts.forcing * powers_of_x).sum() == pytest.approx(forcing, rel=1e-7)
    assert (parts.kernel * powers_of_x).sum() == pytest.approx(noise, rel=1e-7)
    assert (parts.risk * powers_of_x).sum() == pytest.approx(forcing / (1 - x * noise), rel=1e-7)


@pytest.mark.parametrize("alpha, beta, batch", [(1.0, 0.4, 1), (0.35, 0.9, 1), (0.7, 1.2, 6)])
def test_the_three_parts_solve_the_volterra_equation(alpha, beta, batch) -> None:
    """All r below 16 come from a circle and all others from contours of their own: they are one curve."""
    share = 1 / (batch + 2)
    problem = Problem(alpha, beta, 80, 400, share / power_sum(2 * alpha, 400), batch)
    parts = curves(alpha, beta, 80, np.arange(600), 400, problem.gamma, batch)
    assert parts.risk == pytest.approx(solve_volterra(parts.forcing, parts.kernel), rel=1e-7)
    assert parts.risk[0] == pytest.approx(problem.start, rel=1e-8)


def test_limits_by_their_own_equations() -> None:
    d, v = 120, 700
    found = limits(Problem(0.45, 0.7, d, v))
    t = np.arange(1.0, v + 1) ** -0.9
    energy = t * np.arange(1.0, v + 1) ** -1.4
    shrunk = found.kappa * t
    assert (shrunk / (1 + shrunk)).sum() == pytest.approx(d, rel=1e-7)
    assert found.floor == pytest.approx((energy / (1 + shrunk)).sum(), rel=1e-7)
    # And where the curve ends: every unit of risk causes `norm` more.
    assert risk(0.45, 0.7, d, 1e9, v) == pytest.approx(found.floor / (1 - found.norm), rel=1e-5)


def test_kappa_over_d_to_2alpha_is_of_the_reference() -> None:
    for alpha in (0.8, 0.9, 1.0):
        for d in (150, 2000):
            assert 0.29 < limits(Problem(alpha, 0.5, d)).kappa / d ** (2 * alpha) < 0.43


def test_infinite_v_is_the_limit_of_finite_ones() -> None:
    r = [10, 1e3, 1e6]
    infinite = risk(0.8, 0.4, 200, r, np.inf, 0.2)
    far, near = (np.abs(risk(0.8, 0.4, 200, r, v, 0.2) / infinite - 1).max() for v in (1e4, 1e6))
    # The rest of the trace falls as v^(1 - 2 alpha).
    assert near < 6e-3
    assert near == pytest.approx(far * 100 ** (1 - 1.6), rel=0.15)


def test_large_sizes_take_no_large_matrix() -> None:
    began = time.process_time()
    late = risk(0.4, 0.8, 1e4, [100, 1e5, 1e8], 1e6)
    assert late[0] > 10 * late[1]
    assert late[2] == pytest.approx(stability(Problem(0.4, 0.8, 1e4, 1e6)).limit, rel=1e-4)
    assert time.process_time() - began < 30


def test_a_curve_of_a_thousand_features_takes_under_a_second() -> None:
    r = np.geomspace(16, 1e7, 100)
    curve(Problem(0.9, 0.5, 900), r)
    began = time.process_time()
    curve(Problem(1.0, 0.3, 1000), r)
    assert time.process_time() - began < 1


def test_step_sizes() -> None:
    for alpha, batch, d in ((1.0, 1, 400), (0.7, 1, 200), (0.35, 1, 200), (0.7, 8, 300)):
        v = 5 * d
        largest = largest_step(alpha, d, v, batch)
        just = stability(Problem(alpha, 0.8, d, v, 0.999 * largest, batch))
        assert just.converges and just.largest == pytest.approx(largest) and 0.9 < just.norm < 1
        over = stability(Problem(alpha, 0.8, d, v, 1.001 * largest, batch))
        assert not over.converges and over.limit == np.inf
        with pytest.raises(DivergesError, match="take a smaller step"):
            risk(alpha, 0.8, d, 100, v, 1.001 * largest, batch)
        # Random features agree, each with a largest eigenvalue of its own.
        norms = [Features.draw(Problem(alpha, 0.8, d, v, 0.7 * largest, batch), s).norm for s in range(4)]
        assert max(norms) < 1
    # Small steps: gamma/2 times the trace.
    small = Problem(0.8, 0.8, 300, 1500, 1e-4)
    assert limits(small).norm == pytest.approx(small.gamma / 2 * small.trace, rel=1e-3)


def test_the_largest_step_shrinks_with_size_below_the_high_dimensional_line() -> None:
    sizes = np.array([1e3, 1e4, 1e5])
    for alpha in (0.2, 0.4):
        steps = [largest_step(alpha, d, 5 * d, 1) for d in sizes]
        slopes = np.diff(np.log(steps)) / np.diff(np.log(sizes))
        assert slopes[-1] == pytest.approx(2 * alpha - 1, abs=0.03)
    above = [largest_step(0.8, d, np.inf, 1) for d in sizes]
    assert above[0] == pytest.approx(above[2], rel=0.01)


def test_components_with_their_prefactors() -> None:
    """At d = 2000: F over F_pp, F over F_pp + F_ac and K over K_pp."""
    easy, hard = Problem(1.0, 0.3, 2000), Problem(1.0, 1.5, 2000)
    r = np.array([1e2, 1e3, 1e4])
    floor = limits(easy).floor
    forcing = curves(1.0, 0.3, 2000, r, np.inf, easy.gamma).forcing
    assert (forcing - floor) / f_pp(easy, r) == pytest.approx([1, 1, 1], abs=0.12)
    assert forcing / f_pp(easy, r) == pytest.approx([1.01, 1.04, 1.11], abs=0.05)
    found = curves(1.0, 1.5, 2000, r, np.inf, hard.gamma)
    assert (found.forcing - limits(hard).floor) / (f_pp(hard, r) + f_ac(hard, r)) == pytest.approx(
        [1.01, 0.99, 0.95], abs=0.03
    )
    assert found.kernel / kernel(hard, r) == pytest.approx([1, 1, 1], abs=0.005)
    # Of the same order, no more: K_pp over gamma B stands for K times the sum of all F.
    assert (np.abs(np.log(components(hard, r).risk / found.risk)) < np.log(2)).all()


@pytest.mark.parametrize("alpha, beta", [(1.0, 1.5), (0.7, 0.3), (0.4, 0.8), (0.4, 0.3), (0.2, 0.8)])
def test_the_limits_prefactor(alpha, beta) -> None:
    """F_0 over its asymptotic form tends to one, and the form has the power of the table."""
    off = [abs(limits(p).floor / limit(p) - 1) for p in (Problem(alpha, beta, d) for d in (1e3, 1e4, 1e5))]
    assert off[0] > off[1] > off[2] and off[2] < 0.1
    assert limits(Problem(alpha, beta, 1e4)).kappa == pytest.approx(
        kappa(Problem(alpha, beta, 1e4)), rel=1e-3
    )
    one, ten = (limit(Problem(alpha, beta, d)) for d in (1e3, 1e4))
    assert np.log10(ten / one) == pytest.approx(powers(alpha, beta)["F_0"].d, abs=1e-6)


def test_sums_over_modes() -> None:
    j = np.arange(1.0, 5001)
    for power in (0.4, 0.8, 1.0, 1.4, 3.0):
        assert power_sum(power, 5000) == pytest.approx((j**-power).sum(), rel=1e-12)
    assert power_sum(2.0, np.inf) == pytest.approx(np.pi**2 / 6, rel=1e-13)
    assert power_sum(1.5, 3) == pytest.approx(1 + 2**-1.5 + 3**-1.5)
    with pytest.raises(TheoryError, match="finite v"):
        power_sum(0.9, np.inf)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(TheoryError, match="whole numbers"):
        risk(1.0, 1.0, 100, 3.5)
    with pytest.raises(TheoryError, match="v >= d"):
        risk(1.0, 1.0, 100, 30, v=50)
