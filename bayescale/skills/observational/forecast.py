"""Scores of models that nobody has measured: of a known family, or of a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.numerals import percent
from bayescale.skills.errors import SkillsError
from bayescale.skills.observational.fit import MANY, ObservationalFit, mean_score
from bayescale.skills.observational.table import Scores

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MASSES = (0.5, 0.8, 0.9)


def score_draws(fit: ObservationalFit, models: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Draws of the expected scores of new models, shape (draws, models, benchmarks).

    Parameters
    ----------
    fit : ObservationalFit
    models : DataFrame
        ``family`` (one that is not known is a new family from the same population), ``flops``, and the
        post-training columns.
    seed : int
    """
    flat = fit.sampled.flat
    rng = np.random.default_rng([seed, 21])
    draws, factors = flat("own_sd").shape
    decades = np.log10(models["flops"].to_numpy(float)) - fit.middle
    capability = np.empty((draws, len(models), factors))
    new: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}
    for i, family in enumerate(models["family"].astype(str)):
        for k in range(factors):
            if family in fit.families:
                f = fit.families.index(family)
                start, slope = flat("start")[:, f, k], flat("efficiency")[:, f, k]
            else:
                if (family, k) not in new:
                    new[family, k] = _new_family(fit, k, rng)
                start, slope = new[family, k]
            line = start + slope * decades[i]
            for q, name in enumerate(fit.scores.post):
                line = line + float(models[name].iloc[i] if name in models else 0.0) * flat("post")[:, q, k]
            capability[:, i, k] = line + flat("own_sd")[:, k] * rng.normal(size=draws)
    eta = flat("easiness")[:, None, :] + np.einsum("dmk,dbk->dmb", capability, flat("loading"))
    return np.asarray(mean_score(eta, fit.scores.chance, fit.scores.ceiling))


def _new_family(fit: ObservationalFit, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    flat = fit.sampled.flat
    own, between = flat("efficiency_sd")[:, k], flat("start_sd")[:, k]
    draws = len(own)
    start = flat("typical_start")[:, k] + between * rng.normal(size=draws)
    typical = flat("typical_efficiency")[:, k]
    deviation = own * rng.normal(size=draws)
    return start, typical * np.exp(deviation) if k == 0 else typical + deviation


def measured_draws(
    fit: ObservationalFit, expected: np.ndarray, items: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Draws of measured scores: expected ones, a benchmark's own scatter, and the count of items; shape as
    `expected`."""
    rng = np.random.default_rng([seed, 22])
    strength = (1 / fit.sampled.flat("spread") - 1)[:, None, :]
    p = rng.beta(expected * strength, (1 - expected) * strength)
    count = np.where(np.isfinite(items), items, MANY).astype(int)
    return rng.binomial(count, p) / count


def forecast_scores(fit: ObservationalFit, models: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Forecast benchmark scores: a row a model and benchmark, with quantiles of what would be measured.

    Raises
    ------
    SkillsError
        No ``family`` or ``flops``.
    """
    for column in ("family", "flops"):
        if column not in models:
            raise SkillsError(f"the models to forecast have no column {column!r}; add it")
    models = models.reset_index(drop=True)
    expected = score_draws(fit, models, seed)
    items = np.nanmedian(np.where(np.isfinite(fit.scores.items), fit.scores.items, MANY), axis=0)
    made = measured_draws(fit, expected, np.broadcast_to(items, expected.shape[1:]), seed)
    rows = []
    for i, about in models.iterrows():
        for b, name in enumerate(fit.scores.benchmarks):
            quantiles = np.quantile(made[:, int(i), b], QUANTILES)
            rows.append(
                {
                    **{c: about[c] for c in ("model", "family", "flops") if c in models},
                    "benchmark": name,
                    **{f"q{q:g}": value for q, value in zip(QUANTILES, quantiles, strict=True)},
                    "group": "known" if str(about["family"]) in fit.families else "new family",
                }
            )
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """Measured scores of models that the fit has not seen, and their rank among the forecasts.

    Attributes
    ----------
    rows : DataFrame
        ``model``, ``family``, ``flops``, ``benchmark``, ``measured``, ``median``, ``rank``.
    """

    rows: pd.DataFrame

    def inside(self, mass: float) -> float:
        """Share of scores inside the central band of this mass."""
        low, high = (1 - mass) / 2, (1 + mass) / 2
        return float(self.rows["rank"].between(low, high).mean())

    @property
    def error(self) -> float:
        """Mean absolute error of the median."""
        return float((self.rows["measured"] - self.rows["median"]).abs().mean())

    def __str__(self) -> str:
        bands = ", ".join(f"{percent(self.inside(m))} inside the {percent(m)} band" for m in MASSES)
        models = self.rows["model"].nunique()
        return (
            f"Held out: {len(self.rows)} scores of {models} models; {bands}; "
            f"the median is off by {self.error:.3f} on average."
        )

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "scores": len(self.rows),
            "inside": {str(m): self.inside(m) for m in MASSES},
            "error": self.error,
            "rows": self.rows.to_dict("records"),
        }


def held_out_scores(fit: ObservationalFit, scores: Scores, seed: int = 0) -> HeldOutScores:
    """Compare forecasts with the measured scores of models that were held out.

    Raises
    ------
    SkillsError
        No such model, or other benchmarks.
    """
    if scores.models.empty:
        raise SkillsError("no model is held out")
    if scores.benchmarks != fit.scores.benchmarks:
        raise SkillsError("the held-out models have other benchmarks than the fitted ones")
    made = measured_draws(fit, score_draws(fit, scores.models, seed), scores.items, seed)
    rows = []
    for i, b in zip(*np.nonzero(np.isfinite(scores.scores)), strict=True):
        measured, draws = scores.scores[i, b], made[:, i, b]
        rows.append(
            {
                "model": scores.models["model"].iloc[i],
                "family": scores.models["family"].iloc[i],
                "flops": float(scores.models["flops"].iloc[i]),
                "benchmark": scores.benchmarks[b],
                "measured": measured,
                "median": float(np.median(draws)),
                "rank": float((draws < measured).mean() + 0.5 * (draws == measured).mean()),
            }
        )
    return HeldOutScores(pd.DataFrame(rows))
