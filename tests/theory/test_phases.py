"""Phases and exponents against brute force on the components' powers, and what has to be continuous."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bayescale.theory import PHASES, exponents, phase, phase_probabilities
from bayescale.theory.asymptotic import powers
from bayescale.theory.errors import TheoryError
from bayescale.theory.phases import BOUNDARIES, IV_SPLIT, NONE, to_boundary

REFERENCE = {
    # Asymptotic eta and xi as the reference tabulates them, to three figures.
    (0.7, 0.3): ("Ia", 0.417, 0.417),
    (1.0, 0.3): ("Ia", 0.533, 0.333),
    (0.4, 0.3): ("Ib", 0.200, 0.500),
    (0.2, 0.8): ("Ic", 0.227, 0.568),
    (1.0, 0.7): ("II", 0.706, 0.412),
    (0.7, 0.6): ("II", 0.615, 0.462),
    (0.7, 1.2): ("III", 0.643, 0.500),
    (1.0, 1.5): ("III", 0.750, 0.500),
    (0.4, 0.8): ("IVa", 0.400, 0.500),
    (0.27, 0.7): ("IVb", 0.288, 0.572),
}


@pytest.mark.parametrize("point", REFERENCE)
def test_the_reference_table(point) -> None:
    name, eta, xi = REFERENCE[point]
    found = exponents(*point)
    assert found.phase == name == phase(*point)
    assert found.eta == pytest.approx(eta, abs=6e-4) and found.xi == pytest.approx(xi, abs=6e-4)


def brute_force(alpha, beta):
    """xi, eta and the two largest terms where the largest of the components is least, d = f^x and r = f^(1-x)."""
    terms = powers(alpha, beta)
    lines = {name: (p.d - p.r, p.r) for name, p in terms.items()}
    crossings = [
        (c2 - c1) / (m1 - m2) for (m1, c1), (m2, c2) in itertools.combinations(lines.values(), 2) if m1 != m2
    ]
    at = {x: max(m * x + c for m, c in lines.values()) for x in [0, 1, *crossings] if 0 <= x <= 1}
    x = min(at, key=lambda key: at[key])
    largest = {name for name, (m, c) in lines.items() if m * x + c > at[x] - 1e-9}
    return x, -at[x], largest


def test_the_table_is_what_brute_force_finds() -> None:
    rng = np.random.default_rng(0)
    checked = dict.fromkeys(PHASES, 0)
    while sum(checked.values()) < 1000:
        alpha, beta = rng.uniform(0.02, 1.5, 2)
        if alpha + beta <= 0.5 or to_boundary(alpha, beta)[1] < 1e-3:
            continue
        found = exponents(alpha, beta)
        xi, eta, terms = brute_force(alpha, beta)
        assert (found.xi, found.eta) == pytest.approx((xi, eta), abs=1e-9), (alpha, beta)
        assert terms == set(PHASES[found.phase].terms), (alpha, beta)
        checked[found.phase] += 1
    assert min(checked.values()) > 10, checked


SIDES = {
    "2 alpha = 1": [((0.5, b), (1, 0)) for b in (0.2, 0.4, 0.7, 1.2)],
    "2 beta = 1": [((a, 0.5), (0, 1)) for a in (0.1, 0.27, 0.4, 0.7, 1.2)],
    "alpha = beta": [((a, a), (1, -1)) for a in (0.6, 0.9, 1.3)],
    "alpha = 1/4": [((0.25, b), (1, 0)) for b in (0.6, 1.0)],
    "alpha = 1 - 1/sqrt(2)": [((IV_SPLIT, b), (1, 0)) for b in (0.6, 0.7, 1.1)],
}


@pytest.mark.parametrize("line", SIDES)
def test_eta_is_continuous_everywhere_and_xi_everywhere_but_between_iva_and_ivb(line) -> None:
    for (alpha, beta), (x, y) in SIDES[line]:
        one, other = (exponents(alpha + s * 1e-7 * x, beta + s * 1e-7 * y) for s in (-1, 1))
        assert one.phase != other.phase or (line == "2 beta = 1" and alpha < 0.25) or beta == 0.5
        assert one.eta == pytest.approx(other.eta, abs=1e-5)
        if line == "alpha = 1 - 1/sqrt(2)":
            assert abs(one.xi - other.xi) > 0.02
        else:
            assert one.xi == pytest.approx(other.xi, abs=1e-5)


def test_xi_jumps_to_0_584_at_beta_0_7() -> None:
    assert exponents(IV_SPLIT - 1e-9, 0.7).xi == pytest.approx(0.584, abs=5e-4)
    assert exponents(IV_SPLIT + 1e-9, 0.7).xi == 0.5


def test_every_boundary_is_a_boundary() -> None:
    assert set(SIDES) | {"2 (alpha + beta) = 1"} == set(BOUNDARIES)
    assert to_boundary(0.7, 0.72) == ("alpha = beta", pytest.approx(0.02 / np.sqrt(2)))
    assert to_boundary(0.26, 0.9) == ("alpha = 1/4", pytest.approx(0.01))


def test_no_power_law_below_the_diagonal() -> None:
    found = exponents(np.array([0.2, 0.2]), np.array([0.2, 0.31]))
    assert found.phase.tolist() == [NONE, "Ib"]
    assert np.isnan(found.eta[0]) and found.eta[1] == pytest.approx(0.01)
    with pytest.raises(TheoryError, match="positive"):
        exponents(-0.1, 1.0)


def test_half_is_universal() -> None:
    rng = np.random.default_rng(1)
    found = exponents(*rng.uniform(0.05, 1.5, (2, 2000)))
    assert (found.xi[np.isin(found.phase, ["Ib", "III", "IVa"])] == 0.5).all()


def test_probabilities_of_phases() -> None:
    shares = phase_probabilities([0.7, 0.7, 0.7, 0.4], [0.3, 0.6, 1.2, 0.3])
    assert shares == {"Ia": 0.25, "II": 0.25, "III": 0.25, "Ib": 0.25}
    assert phase_probabilities([0.1], [0.1]) == {NONE: 1.0}
