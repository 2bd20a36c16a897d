"""Curves and probabilities against other implementations of the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import betabinom

from bayescale.laws.gadre import ERROR_LAWS
from bayescale.skills.beta_binomial import log_probability, log_rising
from bayescale.skills.links import exponential, sigmoid


def test_the_exponential_is_gadres_law() -> None:
    law = ERROR_LAWS[0]
    loss, best = np.linspace(2.0, 6.0, 9), 2.0
    room = 1 - (1 - law.eps)
    share = law.k * np.exp(-law.gamma * best) / room
    found = exponential(np.log(share / (1 - share)), law.gamma, best - loss)
    assert np.asarray(1 - ((1 - law.eps) + room * np.asarray(found))) == pytest.approx(
        law.error(loss), abs=1e-12
    )


def test_the_exponential_stops_at_the_ceiling() -> None:
    assert float(exponential(2.0, 1.0, 50.0)) == 1.0


def test_the_sigmoid_is_the_logistic() -> None:
    gain = np.linspace(-3, 3, 7)
    assert np.asarray(sigmoid(-1.0, 2.0, gain)) == pytest.approx(expit(-1 + 2 * gain))


def test_the_rising_factorial_is_scipys() -> None:
    from scipy.special import gammaln

    x = np.geomspace(1e-6, 1e4, 300)[:, None]
    n = np.array([0.0, 1.0, 7.0, 300.0, 1e6])
    found = np.asarray(log_rising(x, n))
    assert found == pytest.approx(gammaln(x + n) - gammaln(x), rel=1e-11, abs=1e-9)


def test_the_beta_binomial_is_scipys() -> None:
    from scipy.special import gammaln

    count, items, p, strength = np.arange(0, 41), 40, 0.3, 50.0
    expected = betabinom.logpmf(count, items, p * strength, (1 - p) * strength)
    coefficient = gammaln(items + 1) - gammaln(count + 1) - gammaln(items - count + 1)
    found = np.asarray(log_probability(count, float(items), p, strength)) + coefficient
    assert found == pytest.approx(expected, abs=1e-9)


def test_without_spread_it_is_the_binomial() -> None:
    """However large the strength: a difference of two log gammas is noise there, in which chains get stuck."""
    count, items, p = 130.0, 300.0, 0.45
    binomial = count * np.log(p) + (items - count) * np.log1p(-p)
    for strength in (1e9, 1e13, 1e17, 1e25):
        assert float(log_probability(count, items, p, strength)) == pytest.approx(binomial, abs=1e-4)
        slope = jax.grad(lambda s: log_probability(count, items, p, jnp.exp(s)))(np.log(strength))
        assert abs(float(slope)) < 1e-4
