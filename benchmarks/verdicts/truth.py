"""The truth of a simulated world: its law, what happens beyond the runs, and the noise of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

PARAMS_UNIT, TOKENS_UNIT = 1e9, 2e10
"""Where the two terms of the law are quoted."""

FLOPS_PER_PARAM_TOKEN = 6.0

NODES = 4001
"""Equally probable values of the noise that an expected worth is averaged over."""

PUBLISHED_DRIFT = (0.003, 0.016)
"""Log loss an e-fold beyond the runs that laws fitted to published tables were off by: 90 % range (docs/model.md)."""

Array = Any


@dataclass(frozen=True)
class Truth:
    """A law, its noise, and how the loss leaves the law beyond the runs.

    Attributes
    ----------
    floor : float
        Loss that no scale removes, nats per token.
    size, data : float
        Nats that 10^9 params and 2 10^10 tokens leave.
    alpha, beta : float
        Exponents of params and of tokens.
    power : float
        How the two terms combine: 1 adds them.
    scale, run_scale : float
        Scale of a row's noise of log loss, and of what the rows of one run share.
    freedom : float
        Degrees of freedom of the noise, a Student-t.
    flops_end, params_end : float
        Highest compute and size of the runs.
    drift_flops, drift_params : float
        Log loss added for each e-fold beyond the highest compute, and beyond the largest size.
    step : float
        Log loss added everywhere beyond the highest compute.
    """

    floor: float
    size: float
    data: float
    alpha: float
    beta: float
    power: float
    scale: float
    run_scale: float
    freedom: float
    flops_end: float = np.inf
    params_end: float = np.inf
    drift_flops: float = 0.0
    drift_params: float = 0.0
    step: float = 0.0

    def expected(self, params: Array, tokens: Array) -> Array:
        """Return the median loss of runs, drift included, in nats per token."""
        size = self.size * (params / PARAMS_UNIT) ** -self.alpha
        data = self.data * (tokens / TOKENS_UNIT) ** -self.beta
        law = self.floor + (size ** (1 / self.power) + data ** (1 / self.power)) ** self.power
        flops = np.log(FLOPS_PER_PARAM_TOKEN * params * tokens / self.flops_end)
        large = np.maximum(0.0, np.log(params / self.params_end))
        drift = self.drift_flops * np.maximum(0.0, flops) + self.drift_params * large
        return law * np.exp(drift + self.step * (flops > 1e-9))

    def measured(self, params: Array, tokens: Array, run: Array, rng: np.random.Generator) -> Array:
        """Return losses that rows measure; rows of one `run` (whole numbers from zero) share an effect."""
        runs = int(np.max(run)) + 1
        # One divisor a run: its rows together are a multivariate Student-t, as the default model has them.
        stretch = np.sqrt(self.freedom / rng.chisquare(self.freedom, runs))[run]
        shared = self.run_scale * rng.standard_normal(runs)[run]
        own = self.scale * rng.standard_normal(len(run))
        return self.expected(params, tokens) * np.exp(stretch * (shared + own))

    def p_reach(self, params: float, tokens: float, target: float) -> float:
        """Return the probability that a new run's loss is at most the target."""
        off = np.log(target / self.expected(params, tokens))
        return float(stats.t.cdf(off / np.hypot(self.scale, self.run_scale), self.freedom))

    def expected_gain(self, params: float, tokens: float, baseline: float) -> float:
        """Return the mean of what a new run gains on a baseline, in nats; a worse run is discarded and gains 0."""
        places = (np.arange(NODES) + 0.5) / NODES
        noise = np.hypot(self.scale, self.run_scale) * stats.t.ppf(places, self.freedom)
        return float(np.maximum(0.0, baseline - self.expected(params, tokens) * np.exp(noise)).mean())


def draw_truth(rng: np.random.Generator, correlated: bool = False) -> Truth:
    """Draw a law from the neighbourhood of published ones, and noise as between seeds.

    Floors, terms and exponents are uniform over ranges that hold Hoffmann's published values. Half of the laws add
    their terms (power 1). The noise of a run is between .1 and .8 % (log-uniform).
    """
    noise = float(np.exp(rng.uniform(np.log(0.001), np.log(0.008))))
    return Truth(
        floor=rng.uniform(1.5, 2.0),
        size=rng.uniform(0.2, 0.5),
        data=rng.uniform(0.2, 0.5),
        alpha=rng.uniform(0.28, 0.4),
        beta=rng.uniform(0.28, 0.4),
        power=1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(0.4), np.log(1.6)))),
        # Rows of one run share most of their noise.
        scale=0.3 * noise if correlated else noise,
        run_scale=noise if correlated else 0.0,
        freedom=6.0,
    )


def draw_drift(rng: np.random.Generator) -> dict[str, float]:
    """Draw how the loss leaves the law beyond the runs: of either sign, as large as published laws were off."""
    low, high = np.log(PUBLISHED_DRIFT)
    found = {}
    for axis in ("drift_flops", "drift_params"):
        size = np.exp((low + high) / 2 + (high - low) / 2 / 1.645 * rng.standard_normal())
        found[axis] = float(size * rng.standard_normal())
    return found
