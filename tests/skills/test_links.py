"""Curves and probabilities against other implementations of the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import betabinom

from bayescale.laws.gadre import ERROR_LAWS
from bayescale.skills.beta_binomial import log_gamma, log_probability
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


def test_log_gamma_is_scipys() -> None:
    from scipy.special import gammaln

    x = np.geomspace(1e-6, 1e7, 400)
    assert np.asarray(log_gamma(x)) == pytest.approx(gammaln(x), rel=1e-12, abs=1e-12)


def test_the_beta_binomial_is_scipys() -> None:
    from scipy.special import gammaln

    count, items, p, strength = np.arange(0, 41), 40, 0.3, 50.0
    expected = betabinom.logpmf(count, items, p * strength, (1 - p) * strength)
    coefficient = gammaln(items + 1) - gammaln(count + 1) - gammaln(items - count + 1)
    found = np.asarray(log_probability(count, float(items), p, strength)) + coefficient
    assert found == pytest.approx(expected, abs=1e-9)
