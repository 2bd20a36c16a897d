"""What runs cost in a measured unit: a cost law fitted to a column of the runs table, such as hours or money.

cost = exp(c) (w_C C/C0 + w_D D/D0 + w_1) x group x exp(noise): arithmetic in proportion to FLOPs, what every step costs
whatever the model (in proportion to tokens), and what every run costs. w are shares at a typical run and sum to one.
Small runs are mostly overhead, large ones mostly arithmetic, so that a power law of cost in FLOPs would be far off at
the dear end; and where the runs are all overhead, the price of arithmetic is hardly known, which the bands then say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.ensemble_sampler import sample
from bayescale.decide.errors import AllocationError
from bayescale.flops import FlopRule, dense_flops, learn_rule
from bayescale.models.labels import label_text
from bayescale.numerals import count, interval, percent

GROUP = "architecture"
"""What costs may differ by beside size."""

SHARE_SD = 2.5
"""Prior of the log ratio of an overhead to the arithmetic, at a typical run: a factor of 130 either way at two."""

LEVEL_SD = 3.0
GROUP_SD = 0.5
"""Prior of a group's log factor."""

NOISE = (1e-3, 2.0)
"""Standard deviations of a run's log cost about the law: flat in their log between these."""

FEWEST = 3


class CostError(AllocationError):
    """A cost column that cannot be used; the message says why."""


@dataclass(frozen=True, eq=False)
class CostLaw:
    """A fitted cost law.

    Attributes
    ----------
    column : str
        What is measured, in the table's own unit.
    groups : tuple of str
        Levels of `GROUP` that have a factor of their own; empty where there is one or none.
    per_flop, per_token, per_run : ndarray, shape (draws,)
        In the column's unit.
    group : ndarray, shape (draws, groups)
        Logs of the groups' factors.
    noise : ndarray, shape (draws,)
        Standard deviation of a run's log cost about the law.
    share : ndarray, shape (draws,)
        Of the cost of a typical run that is arithmetic.
    rule : FlopRule
        What compute costs, by the same runs.
    runs : int
        Runs it was fitted to.
    largest : float
        Compute of the dearest among them.
    """

    column: str
    groups: tuple[str, ...]
    per_flop: np.ndarray
    per_token: np.ndarray
    per_run: np.ndarray
    group: np.ndarray
    noise: np.ndarray
    share: np.ndarray
    rule: FlopRule
    runs: int
    largest: float

    def draws_at(
        self,
        params: Any,
        tokens: Any,
        labels: Mapping[str, Any] | None = None,
        of: str = "run",
        seed: int = 0,
        flops: Any = None,
    ) -> np.ndarray:
        """Draws of the cost of a run, or of a plan a draw.

        Parameters
        ----------
        params, tokens : array_like
            Of one run, or of a plan a draw, shape (draws,).
        labels : mapping, optional
            The group; one of the known groups, at random, where it is new or absent.
        of : {"run", "mean"}
            A run's own cost, noise included, or the law's.
        flops : array_like, optional
            Where counted otherwise than by `rule`.
        """
        size = np.broadcast_shapes(np.shape(params), np.shape(tokens))
        number = size[0] if size else len(self.per_flop)
        which, rng = self._paired(number, seed)
        params, tokens = np.asarray(params, dtype=float), np.asarray(tokens, dtype=float)
        flops = self.rule.flops(params, tokens) if flops is None else flops
        cost = self.per_flop[which] * flops + self.per_token[which] * tokens + self.per_run[which]
        log_factor = self._group(labels, rng)[which]
        if of == "run":
            log_factor = log_factor + self.noise[which] * rng.normal(size=number)
        return np.asarray(cost * np.exp(log_factor))

    def simulated(
        self,
        params: float,
        tokens: float,
        labels: Mapping[str, Any] | None,
        flops: float | None,
        shape: tuple[int, int],
        seed: int,
        who: str,
    ) -> np.ndarray:
        """Costs of simulated runs, `shape` (draws, repeats): runs of one seed share the law, `who` has its own noise.

        The mean over a draw's repeats is what that draw expects, whatever the noise.
        """
        draws, repeats = shape
        law = self.draws_at(np.full(draws, params), tokens, labels, "mean", seed, flops)
        noise = self.noise[self._paired(draws, seed)[0]][:, None]
        digest = hashlib.sha256(f"cost\0{who}".encode()).digest()
        off = np.exp(noise * np.random.default_rng([seed, *digest[:8]]).normal(size=(draws, repeats)))
        return np.asarray(
            (law * np.exp(noise[:, 0] ** 2 / 2))[:, None] * off / off.mean(axis=1, keepdims=True)
        )

    def expected(
        self,
        params: float,
        tokens: float,
        labels: Mapping[str, Any] | None = None,
        flops: float | None = None,
    ) -> float:
        """Expected cost of a run, its noise included."""
        which, _ = self._paired(len(self.per_flop), 0)
        law = self.draws_at(params, tokens, labels, "mean", 0, flops)
        return float(np.mean(law * np.exp(self.noise[which] ** 2 / 2)))

    def predict(self, points: pd.DataFrame, quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)) -> pd.DataFrame:
        """Cost of runs at points with ``params``, ``tokens`` and labels: the points and a column a quantile."""
        draws = [self.draws_at(row["params"], row["tokens"], row) for row in points.to_dict("records")]
        found = np.quantile(np.array(draws), quantiles, axis=1)
        return points.assign(**{f"{self.column}_q{q:g}": x for q, x in zip(quantiles, found, strict=True)})

    def tokens_at_most(
        self, at_most: float, labels: Mapping[str, Any] | None = None
    ) -> Callable[[np.ndarray], np.ndarray]:
        """The tokens with which the median run of a size costs so much, as a function of params."""
        factor = np.exp(self._group(labels, np.random.default_rng(11)))
        flop, token, run = (
            float(np.median(x * factor)) for x in (self.per_flop, self.per_token, self.per_run)
        )
        return lambda params: (at_most - run) / (flop * self.rule.flops(params, 1.0) + token)

    def _paired(self, number: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
        """Which of the law's draws stands beside each of a plan's, and the generator that goes on from there."""
        rng = np.random.default_rng([seed, 11])
        # A plan's draws know nothing of the cost's: they are paired at random.
        return rng.permutation(np.resize(np.arange(len(self.per_flop)), number)), rng

    def _group(self, labels: Mapping[str, Any] | None, rng: np.random.Generator) -> np.ndarray:
        draws = len(self.per_flop)
        if not self.groups:
            return np.zeros(draws)
        own = label_text((labels or {}).get(GROUP, ""))
        if own in self.groups:
            return np.asarray(self.group[:, self.groups.index(own)])
        return np.asarray(self.group[np.arange(draws), rng.integers(len(self.groups), size=draws)])

    def __str__(self) -> str:
        low, high = np.quantile(1 / self.per_flop, (0.05, 0.95))
        return (
            f"{self.column} by a cost law of {count(self.runs)} runs: {interval(low, high, 2)} FLOPs a unit of it, "
            f"and overheads; {percent(float(np.median(self.share)))} of a typical run is arithmetic, and a run is off "
            f"by {percent(float(np.median(self.noise)))}"
        )

    __repr__ = __str__


def cost_law(runs: pd.DataFrame, column: str, seed: int = 0) -> CostLaw:
    """Fit a cost law to a column of a runs table.

    Parameters
    ----------
    runs : DataFrame
        With ``params``, ``tokens``, and the column; ``flops`` and ``architecture`` where there are. Rows of one run
        count once: the last, which has cost the most.
    column : str
        Cost of the whole run up to that row, such as device-hours, seconds or money.
    seed : int
        Of the draws.

    Raises
    ------
    CostError
        No such column, one that is not of positive numbers, or too few runs.
    """
    table = _measured(runs, column)
    params, tokens = table["params"].to_numpy(float), table["tokens"].to_numpy(float)
    flops = table["flops"].to_numpy(float) if "flops" in table else dense_flops(params, tokens)
    rule = learn_rule(params, tokens, flops)
    # FLOPs of plans are the rule's, and costs are learned against those.
    work = np.asarray(rule.flops(params, tokens), dtype=float)
    typical = [float(np.exp(np.log(x).mean())) for x in (work, tokens)]
    levels = tuple(sorted(map(label_text, table[GROUP].dropna().unique()))) if GROUP in table else ()
    levels = levels if len(levels) > 1 else ()
    own = (
        np.stack([(table[GROUP].map(label_text) == level).to_numpy(float) for level in levels], axis=1)
        if levels
        else np.zeros((len(table), 0))
    )
    y = np.log(table[column].to_numpy(float))
    logs = np.stack([np.log(work / typical[0]), np.log(tokens / typical[1]), np.zeros(len(y))])
    level = float(y.mean())
    noise_low, noise_high = np.log(NOISE)

    def log_density(theta: np.ndarray) -> np.ndarray:
        """Of walkers, shape (walkers, 4 + groups): level, two log ratios, log noise, groups."""
        shares = _log_shares(theta)
        mean = (
            theta[:, :1] + np.logaddexp.reduce(shares[:, :, None] + logs[None], axis=1) + theta[:, 4:] @ own.T
        )
        scale = theta[:, 3]
        found = -0.5 * np.sum(((y - mean) / np.exp(scale)[:, None]) ** 2, axis=1) - len(y) * scale
        found -= 0.5 * ((theta[:, 0] - level) / LEVEL_SD) ** 2
        found -= 0.5 * np.sum((theta[:, 1:3] / SHARE_SD) ** 2, axis=1)
        found -= 0.5 * np.sum((theta[:, 4:] / GROUP_SD) ** 2, axis=1)
        return np.asarray(np.where((scale > noise_low) & (scale < noise_high), found, -np.inf))

    rng = np.random.default_rng([seed, 13])
    start = np.concatenate([[level, 0.0, 0.0, np.log(0.3)], np.zeros(len(levels))])
    theta = sample(log_density, start, 0.3, rng)
    weights = np.exp(theta[:, :1] + _log_shares(theta))
    return CostLaw(
        column,
        levels,
        weights[:, 0] / typical[0],
        weights[:, 1] / typical[1],
        weights[:, 2],
        theta[:, 4:],
        np.exp(theta[:, 3]),
        np.exp(_log_shares(theta)[:, 0]),
        rule,
        len(table),
        float(flops.max()),
    )


def _log_shares(theta: np.ndarray) -> np.ndarray:
    """Logs of the shares of arithmetic, steps and the run itself, shape (walkers, 3)."""
    ratios = np.concatenate([np.zeros((len(theta), 1)), theta[:, 1:3]], axis=1)
    return np.asarray(ratios - np.logaddexp.reduce(ratios, axis=1, keepdims=True))


def _measured(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that have a cost, one a run."""
    lacking = [name for name in (column, "params", "tokens") if name not in runs]
    if lacking:
        numeric = [str(c) for c in runs.columns if pd.api.types.is_numeric_dtype(runs[c])]
        raise CostError(
            f"the runs have no column {lacking[0]!r} to learn costs from: there are {', '.join(numeric)}"
        )
    table = runs.assign(**{column: pd.to_numeric(runs[column], errors="coerce")}).reset_index(drop=True)
    wrong = table[column].notna() & ~(np.isfinite(table[column]) & (table[column] > 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise CostError(f"row {row + 1}, column {column}: {table[column].iloc[row]:g} is not a positive cost")
    table = table[table[column].notna()]
    if "run_id" in table:
        own = table["run_id"].astype(object)
        own = own.where(own.notna(), pd.Series(table.index, table.index))
        table = table.loc[table.groupby(own)["tokens"].idxmax().sort_values()]
    if len(table) < FEWEST:
        raise CostError(
            f"the column {column} has a value in {len(table)} runs: a cost law takes at least {FEWEST}"
        )
    return table
