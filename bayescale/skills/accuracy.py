"""From loss to accuracy: counts of right items, hierarchical over skills, with chance and ceiling known.

correct ~ BetaBinomial(items, p, rho), p = chance + (ceiling - chance) share(loss): the binomial of the real
counts, widened by rho, the correlation of two items of one run beyond what its loss says. Of runs with the same
loss one is better at a skill than another, and a Gaussian on a proportion, or a plain binomial, would take that
for certainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from scipy.special import gammaln

from bayescale.inference.health import Health
from bayescale.inference.nuts import Settings
from bayescale.skills.beta_binomial import log_probability
from bayescale.skills.errors import SkillsError
from bayescale.skills.information import of_logit
from bayescale.skills.links import LINKS, Link
from bayescale.skills.pooling import centredness, log_normal, pooled
from bayescale.skills.priors import AccuracyPriors
from bayescale.skills.sampling import Sampled, sample

SURE = 1e-6
"""Accuracies are kept this far from 0 and 1, where one wrong item would be impossible."""

REPORTED = (
    "level",
    "slope",
    "spread",
    "typical_level",
    "level_sd",
    "typical_slope",
    "slope_sd",
    "typical_spread",
    "spread_sd",
)

FEWEST = 4
"""Runs that a curve with two parameters needs."""


@dataclass(frozen=True)
class AccuracyModel:
    """The NumPyro model: a function of arrays."""

    link: Link = "sigmoid"
    priors: AccuracyPriors = field(default_factory=AccuracyPriors)

    def __call__(self, data: Mapping[str, Any]) -> None:
        priors, unit = self.priors, data["unit"]
        mean = numpyro.sample("typical_level", dist.Normal(*priors.normal("level")))
        sd = numpyro.deterministic("level_sd", log_normal("level_sd", priors.normal("level_sd")))
        level = pooled("level", mean, sd, data["centred_level"])
        rate = numpyro.sample("log_typical_slope", dist.Normal(*priors.normal("slope")))
        numpyro.deterministic("typical_slope", jnp.exp(rate))
        sd = numpyro.deterministic("slope_sd", log_normal("slope_sd", priors.normal("slope_sd")))
        slope = numpyro.deterministic("slope", jnp.exp(pooled("log_slope", rate, sd, data["centred_slope"])))
        each = numpyro.sample("log_typical_spread", dist.Normal(*priors.normal("spread")))
        numpyro.deterministic("typical_spread", jnp.exp(each))
        sd = numpyro.deterministic("spread_sd", log_normal("spread_sd", priors.normal("spread_sd")))
        nowhere = jnp.zeros_like(data["centred_level"])
        spread = numpyro.deterministic("spread", jnp.exp(pooled("log_spread", each, sd, nowhere)))
        share = LINKS[self.link](level[unit], slope[unit], data["gain"])
        p = accuracy_at(share, data["chance"][unit], data["ceiling"][unit])
        strength = 1 / spread[unit] - 1
        terms = log_probability(data["correct"], data["items"], p, strength)
        numpyro.factor("correct", terms.sum())


def accuracy_at(share: Any, chance: Any, ceiling: Any) -> Any:
    """Accuracy at a share of the way from chance to ceiling."""
    return jnp.clip(chance + (ceiling - chance) * share, SURE, 1 - SURE)


@dataclass(frozen=True, eq=False)
class SkillFit:
    """A fitted model of accuracies.

    Attributes
    ----------
    rows : DataFrame
        What was fitted: a row a run and skill, with the run's loss and compute.
    units : DataFrame
        A row a skill (of a task): ``skill``, ``task`` where there are several, ``chance``, ``ceiling``,
        ``reference`` (the loss that levels are at), and ``runs``.
    model : AccuracyModel
    sampled : Sampled
    notes : tuple of str
        What was left out.
    """

    rows: pd.DataFrame
    units: pd.DataFrame
    model: AccuracyModel
    sampled: Sampled
    notes: tuple[str, ...] = ()

    def health(self) -> Health:
        """PASS, REVIEW or FAIL, each check with its figure and advice."""
        return self.sampled.health

    @property
    def draws(self) -> int:
        """How many there are."""
        return len(self.sampled.flat("level"))

    def accuracy(self, unit: int, loss: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Draws of the expected accuracy at losses.

        Parameters
        ----------
        unit : int
            A row of `units`.
        loss : ndarray, shape (points,) or (draws, points)
            In nats per token; with draws, each is paired with one of the skill's.
        which : ndarray of int, shape (draws,), optional
            Draws of the skill to use, in order; all where absent.

        Returns
        -------
        ndarray, shape (draws, points)
        """
        about = self.units.iloc[unit]
        picked = slice(None) if which is None else which
        level, slope = (self.sampled.flat(name)[picked, unit][:, None] for name in ("level", "slope"))
        share = LINKS[self.model.link](level, slope, about["reference"] - np.atleast_2d(loss))
        return np.asarray(accuracy_at(share, about["chance"], about["ceiling"]))

    def of_runs(
        self, unit: int, expected: np.ndarray, rng: np.random.Generator, which: np.ndarray | None = None
    ) -> np.ndarray:
        """Draws of the accuracy of runs, which scatters about the expected one; shape as `expected`."""
        spread = self.sampled.flat("spread")[slice(None) if which is None else which, unit][:, None]
        strength = 1 / spread - 1
        return rng.beta(expected * strength, (1 - expected) * strength)

    @cached_property
    def log_likelihood(self) -> np.ndarray:
        """Of every row, shape (chains, draws, rows)."""
        chains, kept = self.sampled.draws["level"].shape[:2]
        data = _arrays(self.rows, self.units, self.model.link)
        unit = data["unit"]
        level, slope, spread = (self.sampled.flat(name)[:, unit] for name in ("level", "slope", "spread"))
        share = LINKS[self.model.link](level, slope, data["gain"])
        p = accuracy_at(share, data["chance"][unit], data["ceiling"][unit])
        strength = 1 / spread - 1
        coefficient = gammaln(data["items"] + 1) - gammaln(data["correct"] + 1)
        coefficient = coefficient - gammaln(data["items"] - data["correct"] + 1)
        terms = log_probability(data["correct"], data["items"], p, strength) + coefficient
        return np.asarray(terms).reshape(chains, kept, -1)

    def loo(self) -> Any:
        """Leave-one-out cross-validation (PSIS), to compare curves with: ``.elpd``, ``.se``, ``.pareto_k``."""
        from arviz_stats import loo

        return loo(
            xr.DataTree.from_dict(
                {
                    "posterior": xr.Dataset(
                        {"level": (("chain", "draw", "unit"), self.sampled.draws["level"])}
                    ),
                    "log_likelihood": xr.Dataset(
                        {"correct": (("chain", "draw", "row"), self.log_likelihood)}
                    ),
                }
            ),
            pointwise=True,
        )

    def summary(self) -> pd.DataFrame:
        """A row a skill: the loss at which it is half-way, its slope, and the spread of runs; medians and 90 %
        ends."""
        out = self.units.copy()
        level, slope = self.sampled.flat("level"), self.sampled.flat("slope")
        reference = out["reference"].to_numpy(float)
        # Where the share is a half: the logistic's middle, and where the exponential's log is log 1/2.
        start = level if self.model.link == "sigmoid" else np.log(2) - np.logaddexp(0, -level)
        for name, values in (
            ("half_way_loss", reference + start / slope),
            ("slope", slope),
            ("spread", self.sampled.flat("spread")),
        ):
            ends = np.quantile(values, (0.5, 0.05, 0.95), axis=0)
            out[name], out[f"{name}_q0.05"], out[f"{name}_q0.95"] = ends
        return out

    def __str__(self) -> str:
        table = self.summary().drop(columns=["ceiling"])
        runs = self.rows["run_id"].nunique()
        return "\n".join(
            [
                f"{len(self.units)} skills, {runs} runs, {self.model.link} in loss; health {self.health().verdict}",
                table.to_string(index=False, float_format="{:.3g}".format),
                *self.notes,
                "90 % intervals; slope in logits per nat, spread as the correlation of two items of a run",
            ]
        )

    __repr__ = __str__


def fit_accuracy(
    rows: pd.DataFrame,
    link: Link = "sigmoid",
    priors: AccuracyPriors | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> SkillFit:
    """Fit accuracies as a function of loss.

    Parameters
    ----------
    rows : DataFrame
        A row a run and skill: ``skill``, ``items``, ``correct``, ``chance``, ``ceiling``, ``loss``, and ``task``
        where losses are of several corpora (`bayescale.skills.table`).
    link : {"sigmoid", "exponential"}
    priors : AccuracyPriors, optional
    seed : int
    settings : Settings, optional

    Raises
    ------
    SkillsError
        Fewer than two skills with four runs each. Single skills with fewer runs are left out, and noted.
    """
    rows = rows.reset_index(drop=True)
    if link not in LINKS:
        raise SkillsError(f"there is no curve {link!r} from loss to accuracy: there are {', '.join(LINKS)}")
    units = _units(rows, link)
    few = units["runs"] < FEWEST
    notes = tuple(
        f"{unit_name(unit)}: measured on {int(unit['runs'])} of the runs; a curve needs {FEWEST}, and it is left out"
        for _, unit in units[few].iterrows()
    )
    if (~few).sum() < 2:
        raise SkillsError(
            "there is no hierarchy without two skills, each measured on four runs or more: "
            + ("; ".join(notes) or "there is one skill only")
            + "; measure more runs, or add another benchmark"
        )
    units = units[~few].reset_index(drop=True)
    columns = [c for c in ("skill", "task") if c in units]
    rows = rows.merge(units[columns], on=columns, how="inner").reset_index(drop=True)
    data = _arrays(rows, units, link)
    model = AccuracyModel(link, priors or AccuracyPriors())
    names = [unit_name(unit) for _, unit in units.iterrows()]
    sampled = sample(
        model,
        data,
        REPORTED,
        seed,
        settings,
        labels=dict.fromkeys(("level", "slope", "spread"), names),
        size=3 * len(units) + 6,
    )
    return SkillFit(rows, units, model, sampled, notes)


def unit_name(unit: Mapping[str, Any]) -> str:
    """A skill, with its task where there are several."""
    return f"{unit['skill']} of {unit['task']}" if "task" in unit else str(unit["skill"])


def unit_columns(rows: pd.DataFrame) -> list[str]:
    """What tells one skill from another: its name and, where losses are of several corpora, the corpus."""
    return ["skill", "task"] if "task" in rows and len(rows["task"].unique()) > 1 else ["skill"]


def _units(rows: pd.DataFrame, link: Link) -> pd.DataFrame:
    groups = rows.groupby(unit_columns(rows), sort=False, observed=True)
    units = groups.agg(
        chance=("chance", "first"), ceiling=("ceiling", "first"), runs=("run_id", "nunique")
    ).reset_index()
    # The exponential stays below the ceiling at the best run, where its level is; the logistic has its level in
    # the middle.
    reference = groups["loss"].min() if link == "exponential" else groups["loss"].median()
    units["reference"] = reference.to_numpy(float)
    return units


def _arrays(rows: pd.DataFrame, units: pd.DataFrame, link: Link) -> dict[str, np.ndarray]:
    columns = [c for c in ("skill", "task") if c in units]
    index = {key: i for i, key in enumerate(units[columns].itertuples(index=False, name=None))}
    unit = np.array([index[key] for key in rows[columns].itertuples(index=False, name=None)])
    gain = units["reference"].to_numpy(float)[unit] - rows["loss"].to_numpy(float)
    chance, ceiling = (units[name].to_numpy(float) for name in ("chance", "ceiling"))
    items, correct = (rows[name].to_numpy(float) for name in ("items", "correct"))
    weight = of_logit(correct / items, items, chance[unit], ceiling[unit])
    count = len(units)
    priors = AccuracyPriors()
    spreads = [float(np.exp(priors.normal(name)[0])) for name in ("level_sd", "slope_sd")]
    slope = np.exp(priors.normal("slope")[0])
    known = np.bincount(unit, weight, count), np.bincount(unit, weight * (slope * gain) ** 2, count)
    return {
        "unit": unit,
        "gain": gain,
        "chance": chance,
        "ceiling": ceiling,
        "items": items.astype(int),
        "correct": correct.astype(int),
        "centred_level": centredness(known[0], spreads[0]),
        "centred_slope": centredness(known[1], spreads[1]),
    }
