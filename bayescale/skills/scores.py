"""The same answers scored smoothly: log-likelihood and Brier score as functions of loss.

Accuracy counts who is ahead, and jumps where the right answer overtakes; the probability of the right answer moves
all the way (Schaeffer et al. 2023). A mean score is taken to be a straight line in loss over the measured range,
hierarchical over skills, with Student-t scatter of runs: whether a skill "emerges" depends on which
score is asked, and both are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd

from bayescale.forecast.predict import loss_draws
from bayescale.inference.health import Health
from bayescale.inference.nuts import Settings
from bayescale.posterior import PosteriorData
from bayescale.skills.accuracy import unit_columns, unit_name
from bayescale.skills.errors import SkillsError
from bayescale.skills.frontier import cells_of, dearest_of, points_along
from bayescale.skills.pooling import centredness, log_normal, pooled
from bayescale.skills.priors import ScorePriors
from bayescale.skills.sampling import Sampled, sample

SCORES = {"loglik": "log-likelihood of the right answer", "brier_sum": "Brier score"}
"""Columns with sums over the items, and what they are; a Brier score is better the lower."""

REPORTED = ("middle", "rate", "noise", "typical_rate", "rate_sd", "typical_noise", "noise_sd")
FREEDOM = 4.0
TYPICAL_NOISE_SD = 0.3


@dataclass(frozen=True)
class ScoreModel:
    """The NumPyro model, on a score with mean 0 and standard deviation 1 over the rows of each skill."""

    priors: ScorePriors = field(default_factory=ScorePriors)

    def __call__(self, data: Mapping[str, Any]) -> None:
        priors, unit, groups = self.priors, data["unit"], data["groups"]
        middle = numpyro.sample("middle", dist.Normal(jnp.zeros_like(groups), 1.0).to_event(1))
        mean = numpyro.sample("typical_rate", dist.Normal(*priors.normal("rate")))
        sd = numpyro.deterministic("rate_sd", log_normal("rate_sd", priors.normal("rate_sd")))
        rate = pooled("rate", mean, sd, jnp.ones_like(groups))
        size = numpyro.sample("log_typical_noise", dist.Normal(*priors.normal("noise")))
        numpyro.deterministic("typical_noise", jnp.exp(size))
        sd = numpyro.deterministic("noise_sd", log_normal("noise_sd", priors.normal("noise_sd")))
        noise = numpyro.deterministic("noise", jnp.exp(pooled("log_noise", size, sd, data["centred_noise"])))
        line = middle[unit] + rate[unit] * data["gain"]
        numpyro.sample("score", dist.StudentT(FREEDOM, line, noise[unit]), obs=data["score"])


@dataclass(frozen=True, eq=False)
class ScoreFit:
    """A fitted model of one score.

    Attributes
    ----------
    units : DataFrame
        A row a skill: ``reference`` and ``width`` (middle and spread of loss), ``centre`` and ``scale`` of its
        score, which is a gain: higher is better.
    """

    score: str
    rows: pd.DataFrame
    units: pd.DataFrame
    sampled: Sampled

    def health(self) -> Health:
        """PASS, REVIEW or FAIL, each check with its figure and advice."""
        return self.sampled.health

    def at(self, unit: int, loss: np.ndarray) -> np.ndarray:
        """Draws of the mean score (a Brier score with its sign turned) at losses, shape (draws, points)."""
        about = self.units.iloc[unit]
        middle, rate = (self.sampled.flat(name)[:, unit][:, None] for name in ("middle", "rate"))
        gain = (about["reference"] - np.atleast_2d(loss)) / about["width"]
        return np.asarray(about["centre"] + about["scale"] * (middle + rate * gain))


def fit_scores(
    rows: pd.DataFrame,
    score: str,
    priors: ScorePriors | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> ScoreFit:
    """Fit a mean score per item as a line in loss.

    Parameters
    ----------
    rows : DataFrame
        As for `bayescale.skills.accuracy.fit_accuracy`, with the column `score`, a sum over the items.
    score : {"loglik", "brier_sum"}

    Raises
    ------
    SkillsError
        No such column, or a value in it that is not a number.
    """
    if score not in SCORES or score not in rows:
        there = [name for name in SCORES if name in rows]
        raise SkillsError(
            f"the table has no column {score!r}; add the sum over the items"
            + (f", or ask for {' or '.join(there)}" if there else "")
        )
    rows = rows[rows[score].notna()].reset_index(drop=True)
    sign = -1.0 if score == "brier_sum" else 1.0
    mean = sign * pd.to_numeric(rows[score], errors="coerce").to_numpy(float) / rows["items"].to_numpy(float)
    if not np.isfinite(mean).all():
        bad = int(np.flatnonzero(~np.isfinite(mean))[0])
        raise SkillsError(
            f"row {bad + 1}, column {score}: {rows[score].iloc[bad]!r} is not a number; leave it empty"
        )
    rows = rows.assign(score=mean)
    groups = rows.groupby(unit_columns(rows), sort=False, observed=True)
    units = groups.agg(
        reference=("loss", "median"),
        width=("loss", "std"),
        centre=("score", "mean"),
        scale=("score", "std"),
        runs=("run_id", "nunique"),
    ).reset_index()
    few = units["runs"] < 4
    if few.any() or len(units) < 2:
        raise SkillsError("a score needs two skills or more, with four runs each")
    # A score that never moves has no scale of its own.
    for name in ("scale", "width"):
        units[name] = units[name].where(units[name] > 0, 1.0)
    unit, width = groups.ngroup().to_numpy(), units["width"].to_numpy(float)
    data = {
        "unit": unit,
        "groups": np.ones(len(units)),
        # The log of a standard deviation from n rows is known to 1 / sqrt(2 n).
        "centred_noise": centredness(2.0 * np.bincount(unit), TYPICAL_NOISE_SD),
        "gain": (units["reference"].to_numpy(float)[unit] - rows["loss"].to_numpy(float)) / width[unit],
        "score": (mean - units["centre"].to_numpy(float)[unit]) / units["scale"].to_numpy(float)[unit],
    }
    names = [unit_name(one) for _, one in units.iterrows()]
    sampled = sample(
        ScoreModel(priors or ScorePriors()),
        data,
        REPORTED,
        seed,
        settings,
        labels=dict.fromkeys(("middle", "rate", "noise"), names),
    )
    return ScoreFit(score, rows, units, sampled)


def gains(fit: ScoreFit, posterior: PosteriorData, factor: float = 10.0, seed: int = 0) -> pd.DataFrame:
    """What the next factor of compute adds to a score: a row a skill and cell.

    Returns
    -------
    DataFrame
        ``now`` and ``later`` (medians), ``gain`` with its 90 % ends, ``improves`` (probability).
    """
    rows = []
    for cell in cells_of(posterior):
        dearest = dearest_of(posterior, cell)
        points = points_along(posterior, cell, [dearest, dearest * factor])
        loss, _ = loss_draws(posterior, points, "mean", seed)
        which = np.random.default_rng([seed, 14]).integers(len(fit.sampled.flat("rate")), size=len(loss))
        for unit, about in fit.units.iterrows():
            if "task" in fit.units and "task" in cell and str(about["task"]) != str(cell["task"]):
                continue
            middle, rate = (fit.sampled.flat(name)[which, int(unit)][:, None] for name in ("middle", "rate"))
            values = about["centre"] + about["scale"] * (
                middle + rate * (about["reference"] - loss) / about["width"]
            )
            gain = values[:, 1] - values[:, 0]
            low, mid, high = np.quantile(gain, (0.05, 0.5, 0.95))
            rows.append(
                {
                    **cell,
                    "skill": about["skill"],
                    "score": fit.score,
                    "now": float(np.median(values[:, 0])),
                    "later": float(np.median(values[:, 1])),
                    "gain": mid,
                    "gain_q0.05": low,
                    "gain_q0.95": high,
                    "improves": float((gain > 0).mean()),
                }
            )
    return pd.DataFrame(rows)
