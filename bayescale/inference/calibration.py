"""Simulation-based calibration: is a posterior what it says, over tables drawn from its own prior?

Parameters are drawn from the prior, losses from the parameters, the posterior from the losses. Where each true value
then ranks among independent draws of its posterior is uniform, whatever the prior and the design, if simulation,
density, sampler and transformation all are right (Talts et al. 2018, arXiv:1804.06788). The likelihood is ranked too: a
posterior that ignores a part of its data has uniform ranks of every parameter, and not of that (Modrák et al. 2023).

Tables that nobody could have measured (`USABLE`) are drawn again. That condition is on the losses alone: it picks
tables, and leaves the posterior given a table, and so the uniformity of ranks, as they are. A condition on the
parameters would be another prior.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import binom

from bayescale.backend import relieve
from bayescale.errors import UserError
from bayescale.flops import FLOPS_PER_PARAM_TOKEN
from bayescale.inference.fit import SURE
from bayescale.inference.health import Health, Limits, check_health, scalars
from bayescale.inference.nuts import Draws, Settings, resample, sample
from bayescale.inference.quantities import Quantities, fitted_loss, measured_loss, prior_draws, quantities
from bayescale.inference.start import find_start
from bayescale.models import Design, Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import noise_of_draws
from bayescale.models.layout import layout_of
from bayescale.models.noise import draw_noise, row_scale

QUICK = Settings(chains=2, draws=500, folds=False)
"""The usual settings but for chains and draws: enough for `RANKED` nearly independent draws on a small design."""

RANKED = 30
"""Draws that a true value is ranked among; the ranks are 0 to this, both included."""

SHORT = Limits(r_hat=(1.03, 1.1), ess=(4 * RANKED, 2 * RANKED), divergences=(0, 0.005), saturated=(0, 0.01))
"""What a fit of `QUICK` has to hold to be ranked without reserve: the health gate, for so few draws."""

STARTS = 3
"""Attempts at a start."""

USABLE = (0.05, 20.0)
"""Losses, in nats, that a table may have; one with others is drawn again."""

ATTEMPTS = 1000
"""Draws of the prior after which a table that is usable is given up on."""

BEYOND = 100.0
"""How many times the compute of the dearest run derived quantities are taken at."""

NULLS = 20_000
"""Simulated sets of uniform ranks that the test's statistic is compared with."""
LEAST = 0.05
"""Of the corrected p-value, below which ranks are not uniform."""

Derived = Callable[[Design, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""``(design, parameters) -> quantities``: parameters of every cell, shape (draws, cells), to shape (draws, ...)."""


class CalibrationError(UserError):
    """A calibration that cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Simulation:
    """One table from the prior, and where the truth ranks in its posterior.

    Attributes
    ----------
    number : int
        Which one: the same number and seed give the same table.
    verdict : str
        Of the health gate, at the limits of `SHORT`: PASS, REVIEW or FAIL.
    missed : tuple of str
        Checks that were not passed.
    again : bool
        Whether it failed at first, and was sampled again with smaller steps and twice the draws.
    ranks : dict of int
        How many of the ranked draws lie below the true value, by quantity; empty where draws are not numbers, among
        which nothing ranks.
    of : int
        How many were ranked.
    ess, r_hat : float
        Worst over the ranked quantities, before thinning; ess is bulk ESS.
    divergences : int
    redrawn : int
        Draws of the prior whose table was not usable.
    compiled : int
        Programs that were compiled for it.
    cpu_s : float
    """

    number: int
    verdict: str
    missed: tuple[str, ...]
    again: bool
    ranks: dict[str, int]
    of: int
    ess: float
    r_hat: float
    divergences: int
    redrawn: int
    compiled: int
    cpu_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Simulation:
        """From what `to_dict` gave."""
        return cls(**{**values, "missed": tuple(values["missed"])})


@dataclass(frozen=True, eq=False)
class Calibration:
    """Simulations of one model and what their ranks say; print it."""

    name: str
    simulations: tuple[Simulation, ...]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many fits passed the health gate, are to be reviewed, and failed it."""
        said = [s.verdict for s in self.simulations]
        return {verdict: said.count(verdict) for verdict in ("PASS", "REVIEW", "FAIL")}

    @cached_property
    def ranked(self) -> tuple[Simulation, ...]:
        """Those that have ranks: all but fits whose draws are not numbers."""
        return tuple(s for s in self.simulations if s.ranks)

    @cached_property
    def names(self) -> list[str]:
        """What all of them rank."""
        every = [set(s.ranks) for s in self.ranked]
        return [name for name in self.ranked[0].ranks if all(name in one for one in every)]

    def without_failed(self) -> Calibration:
        """Of the fits that did not fail their health gate alone."""
        return replace(self, simulations=tuple(s for s in self.simulations if s.verdict != "FAIL"))

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a quantity, the least uniform first.

        ``mean`` is that of the ranks as shares (0.5 where right: above, posteriors are too low), ``spread`` their
        variance over that of uniform ones (1 where right: above, posteriors are too narrow), ``p`` of the test, and
        ``p_all`` the same corrected for the number of quantities (Holm 1979).
        """
        if not self.ranked:
            raise CalibrationError(f"{self.name}: no ranks to judge")
        of = self.ranked[0].of
        names = self.names
        ranks = np.array([[s.ranks[name] for name in names] for s in self.ranked])
        shares = (ranks + 0.5) / (of + 1)
        even = (1 - 1 / (of + 1) ** 2) / 12
        found = pd.DataFrame(
            {
                "quantity": names,
                "mean": shares.mean(axis=0),
                "spread": ((shares - 0.5) ** 2).mean(axis=0) / even,
                "p": [uniformity(column, of) for column in ranks.T],
            }
        ).sort_values("p", kind="stable", ignore_index=True)
        steps = found["p"] * np.arange(len(found), 0, -1)
        return found.assign(p_all=np.minimum(steps.cummax(), 1.0))

    @property
    def uniform(self) -> bool:
        """Whether no quantity's ranks depart from uniform ones."""
        return bool(self.table["p_all"].min() >= LEAST)

    def pit(self, names: Sequence[str] | None = None) -> xr.DataTree:
        """Ranks as shares, spread evenly within their step, for ``arviz_plots.plot_ecdf_pit``: group ``prior_sbc``."""
        rng = np.random.default_rng(0)
        chosen = self.names if names is None else names
        values = {
            name: (
                ("chain", "draw"),
                np.array([[(s.ranks[name] + rng.random()) / (s.of + 1) for s in self.ranked]]),
            )
            for name in chosen
        }
        return xr.DataTree(children={"prior_sbc": xr.DataTree(xr.Dataset(values))})

    def __str__(self) -> str:
        worst = self.table.iloc[0]
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.verdicts.items())
        lost = len(self.simulations) - len(self.ranked)
        counts += f"; {lost} without draws to rank among" if lost else ""
        return "\n".join(
            [
                f"{self.name}: {len(self.simulations)} simulations, health {counts}",
                f"  ranks of {len(self.table)} quantities are {'' if self.uniform else 'NOT '}uniform: the least is "
                f"{worst['quantity']}, p {worst['p']:.2g}, {worst['p_all']:.2g} among so many",
            ]
        )

    __repr__ = __str__


def calibrate(
    model: Model,
    runs: pd.DataFrame,
    numbers: Sequence[int] = range(200),
    seed: int = 0,
    settings: Settings = QUICK,
    derived: Derived | None = None,
    truth: Model | None = None,
) -> Iterator[Simulation]:
    """Draw, fit and rank, one table after the other.

    All fits are of one shape: the first compiles, the others do not.

    Parameters
    ----------
    model : Model
        What is fitted.
    runs : DataFrame
        Runs that could be made: inputs and labels of every table. Losses that it has are set aside.
    numbers : sequence of int
        Which simulations; each stands alone, so that they can be made in any order and in several sittings.
    seed : int
    settings : Settings
        Of every fit.
    derived : callable, optional
        Quantities to rank beside the parameters; `far` where absent.
    truth : Model, optional
        What tables are drawn from, where that is not the fitted model: ranks are then not uniform, which shows that the
        test would see it.

    Yields
    ------
    Simulation

    Raises
    ------
    CalibrationError
        The prior hardly ever gives a usable table.
    """
    runs = runs.reset_index(drop=True).assign(loss=1.0)
    design = make_design(model, runs)
    source = design if truth is None else make_design(truth, runs)
    for number in numbers:
        yield _simulation(design, source, number, seed, settings, derived or far)


def far(design: Design, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Expected loss of every cell at `BEYOND` times the compute of the dearest run, and N* there where the law has one.

    A law of size and data is taken at the runs' typical tokens per parameter, one of a single input at so many times
    its largest value.
    """
    law, inputs = design.law, dict(design.reference)
    if {"params", "tokens"} <= set(law.inputs):
        params, tokens = design.inputs["params"], design.inputs["tokens"]
        flops = BEYOND * FLOPS_PER_PARAM_TOKEN * (params * tokens).max()
        ratio = np.exp(np.log(tokens / params).mean())
        inputs["params"] = np.sqrt(flops / FLOPS_PER_PARAM_TOKEN / ratio)
        inputs["tokens"] = ratio * inputs["params"]
    else:
        flops = None
        inputs[law.inputs[0]] = BEYOND * design.inputs[law.inputs[0]].max()
    found = {"loss_far": np.asarray(law.loss(parameters, inputs))}
    if law.optimum is not None and flops is not None:
        others = {name: x for name, x in inputs.items() if name not in ("params", "tokens")}
        found["optimum_far"] = np.asarray(law.optimum(parameters, flops, FLOPS_PER_PARAM_TOKEN, others)[0])
    return found


def _simulation(
    design: Design, source: Design, number: int, seed: int, settings: Settings, derived: Derived
) -> Simulation:
    began = time.process_time()
    with compilations() as compiled:
        z, loss, redrawn = _draw(source, np.random.default_rng([seed, number, 7]))
        design, source = replace(design, loss=loss), replace(source, loss=loss)
        fitted, again = _fitted(design, _seed(seed, number), settings), False
        found = _judged(design, fitted, settings, derived)
        if found.health.verdict == "FAIL" and settings.again:
            again = True
            careful = settings.careful(SURE)
            fitted = resample(data_of(design), fitted, _seed(seed, number, 1), careful)
            found = _judged(design, fitted, careful, derived)
        names, true = _ranked(source, z[None, None], derived)
    if [names[i] for i in found.kept] != found.names:
        raise CalibrationError(
            f"{design.model.name} and {source.model.name} do not have the same quantities to rank: pool the same "
            "parameters over the same factors in both"
        )
    chains, length = found.drawn.shape[:2]
    at = np.linspace(0, length - 1, RANKED // chains).round().astype(int)
    thinned = found.drawn[:, at].reshape(-1, len(found.names))
    below = (thinned < true[0, 0, found.kept]).sum(axis=0)
    values = {check.name: check.value for check in found.health.checks}
    ranked = not np.isnan(thinned).any()
    return Simulation(
        number,
        found.health.verdict,
        tuple(check.name for check in found.health.checks if check.verdict != "PASS"),
        again,
        {name: int(n) for name, n in zip(found.names, below, strict=True)} if ranked else {},
        len(thinned),
        round(float(np.nan_to_num(values["bulk ESS"])), 1),
        round(float(np.nan_to_num(values["R-hat"], nan=np.inf)), 4),
        int(fitted.stats["diverging"].sum()),
        redrawn,
        compiled[0],
        round(time.process_time() - began, 3),
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """Draws of what is ranked, shape (chains, draws, names), which of all quantities these are, and their health."""

    names: list[str]
    kept: np.ndarray
    drawn: np.ndarray
    health: Health


def _judged(design: Design, draws: Draws, settings: Settings, derived: Derived) -> _Judged:
    names, drawn = _ranked(design, draws.z, derived)
    # A parameter that is not pooled is the same in every cell: it is ranked once.
    kept = _different(drawn.reshape(-1, len(names)))
    names, drawn = [names[i] for i in kept], drawn[..., kept]
    # A scale such as N_c may be beyond what a float holds, and be right: it ranks highest.
    finite = np.where(np.isposinf(drawn), np.finfo(float).max, drawn)
    values = {name: finite[..., i] for i, name in enumerate(names)}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        health = check_health(values, draws.stats, settings.max_tree_depth, SHORT)
    return _Judged(names, kept, drawn, health)


def _different(columns: np.ndarray) -> np.ndarray:
    """Indices of columns that repeat no earlier one, to rounding."""
    kept: list[int] = []
    for i, column in enumerate(columns.T):
        if not any(np.allclose(column, columns[:, j], rtol=1e-9, atol=0, equal_nan=True) for j in kept):
            kept.append(i)
    return np.array(kept)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _fitted(design: Design, seed: int, settings: Settings) -> Draws:
    """As `fit_design` samples, once, from fewer attempts at a start: small designs need no more."""
    layout, data = layout_of(design), data_of(design)
    relieve()
    return sample(layout, data, find_start(layout, data, np.random.default_rng(seed), STARTS), seed, settings)


def _draw(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """A vector from the prior, the losses that runs of it measure, and how many were drawn in vain before."""
    layout, data = layout_of(design), data_of(design)
    for attempt in range(ATTEMPTS):
        z = prior_draws(design, 1, rng)
        noise = noise_of_draws(z, layout, data)
        scale = row_scale(noise, design.decades, design.loss_se / design.loss)
        shift = draw_noise(scale, noise["nu"], noise.get("sigma_run"), design.run, rng)
        loss = measured_loss(fitted_loss(design, z), shift)[0]
        if np.isfinite(loss).all() and USABLE[0] <= loss.min() and loss.max() <= USABLE[1]:
            return z[0], loss, attempt
    raise CalibrationError(
        f"{design.model.name}: none of {ATTEMPTS} draws of the prior gave losses between {USABLE[0]} and {USABLE[1]} "
        "nats; tighten its priors"
    )


def _ranked(design: Design, z: np.ndarray, derived: Derived) -> tuple[list[str], np.ndarray]:
    """Names and values, shape (chains, draws, names), of everything that is ranked."""
    found = quantities(design, z)
    # A scale decades beyond any run may be more than a float holds.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _every(design, found, z.shape[:2], derived)


def _every(
    design: Design, found: Quantities, shape: tuple[int, ...], derived: Derived
) -> tuple[list[str], np.ndarray]:
    cells = {
        name: found.posterior[name].reshape(-1, len(design.cells)) for name in design.law.parameter_names
    }
    # Effects sum to zero: the last of them repeat the others.
    free = {effects.name: effects.free for effects in design.every_effect}
    values = {name: x[..., : free[name]] if name in free else x for name, x in found.posterior.items()}
    labels = {
        name: found.coords[dims[0]][: free.get(name)] for name, dims in found.dims.items() if name in values
    }
    for name, x in derived(design, cells).items():
        values[name] = x.reshape(*shape, *x.shape[1:])
        labels[name] = design.cell_labels
    values["log_likelihood"] = found.log_likelihood.sum(axis=-1)
    return scalars(values, labels)


@contextmanager
def compilations() -> Iterator[list[int]]:
    """Count the programs that are compiled, or read from the cache on disk, inside."""
    count = [0]

    def told(event: str, duration: float, **_: Any) -> None:
        count[0] += event == "/jax/core/compile/backend_compile_duration"

    jax.monitoring.register_event_duration_secs_listener(told)
    try:
        yield count
    finally:
        jax.monitoring.unregister_event_duration_listener(told)


def uniformity(ranks: np.ndarray, of: int) -> float:
    """p-value of ranks among `of` draws being uniform on 0 to `of`: a band about the whole empirical distribution.

    The statistic is the smallest of the two-sided binomial probabilities of how many ranks lie at or below each value
    (Säilynoja et al. 2022, arXiv:2103.10522), its distribution that of simulated uniform ranks.

    Parameters
    ----------
    ranks : ndarray of int, shape (simulations,)
    of : int
    """
    counts = np.bincount(ranks, minlength=of + 1).cumsum()[:-1]
    null = _null(len(ranks), of)
    return float((1 + np.searchsorted(null, _smallest(counts, len(ranks), of), side="right")) / (1 + NULLS))


@cache
def _null(simulations: int, of: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(simulations, np.full(of + 1, 1 / (of + 1)), size=NULLS).cumsum(axis=1)[:, :-1]
    return np.sort(_smallest(counts, simulations, of))


def _smallest(counts: np.ndarray, simulations: int, of: int) -> np.ndarray:
    below, above = _tails(simulations, of)
    at = np.arange(of)
    return np.asarray(np.minimum(below[counts, at], above[counts, at]).min(axis=-1))


@cache
def _tails(simulations: int, of: int) -> tuple[np.ndarray, np.ndarray]:
    """P(at most k) and P(at least k) of so many uniform ranks lie at or below each value, shape (k, values)."""
    k, at = np.arange(simulations + 1)[:, None], np.arange(1, of + 1) / (of + 1)
    return binom.cdf(k, simulations, at), binom.sf(k - 1, simulations, at)
