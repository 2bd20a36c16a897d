"""How much runs would tell about quantities: expected information gain, without refits.

With normal scores q of a quantity and log losses y that runs may measure, jointly normal, the mutual information is
-1/2 log(1 - R^2), R^2 the share of q's variance that y removes. It is exact in the Gaussian linear case, and never more
than what a Gaussian copula of the two would say.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from bayescale.decide.decision import DecisionError
from bayescale.decide.measurements import COPIES, Measurements
from bayescale.forecast import loss_draws
from bayescale.posterior import PosteriorData

About: TypeAlias = str | pd.DataFrame | np.ndarray
"""A quantity's name, a table of one run whose expected loss is meant, or draws."""


def quantity(posterior: PosteriorData, about: About) -> np.ndarray:
    """Draws of a quantity, shape (draws,).

    Parameters
    ----------
    posterior : PosteriorData
    about : str, DataFrame or ndarray
        A parameter (``alpha``, ``alpha[gpt:code]`` in one cell, ``alpha_mean`` in the population); ``N*(1e21)`` or
        ``D*(1e21)``, the log of the compute-optimal size or tokens at a budget, averaged over cells; a run, for the log
        of its expected loss; or draws.

    Raises
    ------
    DecisionError
        No such quantity; the message says what there is.
    """
    if isinstance(about, pd.DataFrame):
        return np.asarray(np.log(loss_draws(posterior, single(about), "mean")[0][:, 0]))
    if not isinstance(about, str):
        return np.asarray(about, float)
    optimum = re.fullmatch(r"([ND])\*\(([^)]+)\)", about.replace(" ", ""))
    if optimum:
        from bayescale.decide.allocation import allocate

        found = allocate(posterior, [float(optimum[2])])
        draws = found.draws["params" if optimum[1] == "N" else "tokens"]
        return np.asarray(np.log(draws).mean(axis=1))
    name, _, cell = about.partition("[")
    try:
        draws = posterior.draws(name.strip())
    except KeyError as error:
        raise DecisionError(f"{error.args[0]}; or N*(FLOPS), D*(FLOPS)") from None
    if draws.ndim == 1:
        return draws
    labels = list(map(str, posterior.tree["posterior"][name.strip()].coords[_last(posterior, name)].values))
    if not cell:
        return np.asarray(draws.mean(axis=1))
    wanted = cell.rstrip("]")
    if wanted not in labels:
        raise DecisionError(f"{about}: there is no {wanted!r}; there are {', '.join(labels)}")
    return np.asarray(draws[:, labels.index(wanted)])


def single(target: pd.DataFrame) -> pd.DataFrame:
    """A run that is meant, if it is one.

    Raises
    ------
    DecisionError
        There is none, or there are several.
    """
    if len(target) != 1:
        raise DecisionError(f"one target at a time: got {len(target)} rows")
    return target


def _last(posterior: PosteriorData, name: str) -> str:
    return str(posterior.tree["posterior"][name.strip()].dims[-1])


def normal_scores(draws: np.ndarray) -> np.ndarray:
    """Ranks of draws as standard normal quantiles."""
    return np.asarray(norm.ppf((rankdata(draws) - 0.5) / len(draws)))


class Knowledge:
    """Joint second moments of quantities and candidates, from which what a batch would tell follows in closed form."""

    def __init__(self, measurements: Measurements, quantities: np.ndarray) -> None:
        """`quantities` are draws, shape (draws, quantities)."""
        scores = np.stack([normal_scores(q) for q in quantities.T], axis=1)
        self._quantities = scores - scores.mean(axis=0)
        expected = measurements.expected
        self._losses = expected - expected.mean(axis=0)
        draws = len(expected)
        self._cross = self._losses.T @ self._quantities / draws
        self._covariance = self._losses.T @ self._losses / draws
        self._measurements = measurements
        self._prior = self._quantities.T @ self._quantities / draws

    def gain(self, batch: tuple[int, ...]) -> float:
        """Expected information gain of a batch on the quantities together, nats."""
        if not batch:
            return 0.0
        at = np.array(batch)
        measured = self._covariance[np.ix_(at, at)] + self._measurements.noise_covariance(batch)
        left = self._prior - self._cross[at].T @ np.linalg.solve(measured, self._cross[at])
        before, after = (np.linalg.slogdet(m + 1e-12 * np.eye(len(m)))[1] for m in (self._prior, left))
        return float(max(0.0, 0.5 * (before - after)))

    def each(self, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Gain that every candidate would add to a batch, shape (candidates,)."""
        have = self.gain(batch)
        return np.array([self.gain((*batch, i)) - have for i in range(len(self._covariance))])


def open_candidates(batch: tuple[int, ...], count: int) -> list[int]:
    """Candidates that may be added to a batch."""
    return [i for i in range(count) if batch.count(i) < COPIES]
