"""Estimators against sources whose statistics are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.corpus import NoPowerLaw
from bayescale.corpus.cache import with_cache
from bayescale.corpus.correlation import BLOCKS, Correlation, correlation
from bayescale.corpus.entropy import CONTEXTS, FIRST, entropies
from bayescale.corpus.ngrams import losses
from bayescale.corpus.power_law import beta_draws, gamma_draws, straighter_as_exponential
from bayescale.corpus.prior import DISTANCES
from tests.corpus.sources import BETA, chain, exact_size, renewals


def measured(tokens: np.ndarray) -> Correlation:
    return correlation(tokens, np.arange(len(tokens)) // 4096, DISTANCES)


@pytest.fixture(scope="module")
def runs_of_tokens() -> Correlation:
    return measured(renewals(1_000_000, 0))


def test_correlations_are_those_of_the_source(runs_of_tokens: Correlation) -> None:
    exact = exact_size(DISTANCES.astype(float))
    z = (runs_of_tokens.square - exact**2) / runs_of_tokens.square_se
    # Jackknife over blocks: Student-t of fifteen degrees of freedom.
    assert np.abs(z).max() < 4.5
    # Long runs are few, and make far distances uncertain; near ones are beyond doubt.
    assert np.all(runs_of_tokens.significant[DISTANCES <= 40])


def test_their_exponent_is_recovered(runs_of_tokens: Correlation) -> None:
    draws = beta_draws(runs_of_tokens, 2000, np.random.default_rng(0))
    low, high = np.quantile(draws, (0.05, 0.95))
    assert low < BETA < high
    assert high - low < 0.25
    assert not straighter_as_exponential(runs_of_tokens)


def test_independent_tokens_scatter_about_zero_and_have_no_exponent() -> None:
    tokens = np.random.default_rng(1).zipf(1.5, size=300_000).clip(max=200)
    found = measured(tokens)
    assert np.abs(found.square / found.square_se).max() < 5
    # The plug-in estimate would have seen a correlation: the floor is what it adds.
    assert np.abs(found.square.mean()) < found.floor.mean() / 5
    with pytest.raises(NoPowerLaw, match="no correlation to fit"):
        beta_draws(found, 100, np.random.default_rng(0))


def test_a_short_memory_is_called_one() -> None:
    rng = np.random.default_rng(2)
    begins = rng.uniform(size=600_000) < 0.04
    tokens = rng.integers(8, size=len(begins))[
        np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
    ]
    with pytest.raises(NoPowerLaw, match="short memory"):
        beta_draws(measured(tokens), 100, rng)


def test_correlations_that_do_not_fall_have_no_exponent() -> None:
    rng = np.random.default_rng(3)
    topic = np.repeat(rng.integers(2, size=100), 4096)
    tokens = 4 * topic + rng.integers(4, size=len(topic))
    with pytest.raises(NoPowerLaw, match="do not fall"):
        beta_draws(measured(tokens), 400, rng)


def test_blocks_are_what_the_jackknife_leaves_out(runs_of_tokens: Correlation) -> None:
    assert runs_of_tokens.left_out.shape == (BLOCKS, len(DISTANCES))
    np.testing.assert_allclose(
        runs_of_tokens.left_out.mean(axis=0), runs_of_tokens.square, rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("longest", [0, 1, 3])
def test_an_n_gram_model_is_a_distribution(longest: int) -> None:
    train, kinds = renewals(5_000, 4), 16
    context = train[100 : 100 + max(longest, 1)]
    held_out = np.concatenate([np.append(context, token) for token in range(kinds)])
    first = len(context)
    scored = losses(train, held_out, kinds, longest, first)
    ends = np.arange(len(context), len(held_out), len(context) + 1) - first
    np.testing.assert_allclose(np.exp(-scored[:, ends]).sum(axis=1), 1.0, rtol=1e-9)


def test_losses_bound_the_entropy_of_a_chain_and_its_limit_is_found() -> None:
    tokens, zeroth, later = chain(400_000, 5)
    found = entropies(tokens[:330_000], tokens[330_000:], 8, np.random.default_rng(0), 400)
    assert np.all(found.loss[:, 1:] > later - 0.01)
    low, high = np.quantile(found.draws, (0.01, 0.99), axis=0)
    exact = np.where(CONTEXTS == 0, zeroth, later)
    assert np.all((low - 0.005 < exact) & (exact < high + 0.01))
    assert np.all(np.diff(found.draws, axis=1) <= 0)


def test_a_cache_gains_on_text_that_repeats_itself_and_not_on_text_that_does_not() -> None:
    rng = np.random.default_rng(6)
    at_random = rng.integers(50, size=20_000)
    repeating = np.concatenate([np.tile(rng.integers(50, size=40), 3) for _ in range(170)])
    flat = np.full((1, 1), np.log(50))
    for text, gains in ((at_random, False), (repeating, True)):
        static = np.repeat(flat, len(text) - FIRST, axis=1)
        paid = with_cache(static, text, CONTEXTS, FIRST).mean(axis=1)
        assert abs(paid[0] - np.log(50)) < 1e-9
        assert (paid[-1] < np.log(50) - 0.5) == gains
        if not gains:
            assert abs(paid[-1] - np.log(50)) < 0.01


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_the_exponent_of_entropy_is_recovered_beside_its_floor(gamma: float) -> None:
    rng = np.random.default_rng(7)
    n = np.maximum(CONTEXTS, 1)
    curve = np.where(CONTEXTS == 0, 6.0, 1.5 + 2.5 * n**-gamma)
    noisy = curve + 0.01 * rng.normal(size=(2000, len(CONTEXTS)))
    low, high = np.quantile(gamma_draws(CONTEXTS, noisy, rng), (0.05, 0.95))
    assert low < gamma < high
    assert high < 5 * low
