"""Everything there is to check of a fit, in one call: the sampler, the model against its runs, the priors' part."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayescale.inference import Health
from bayescale.models.layout import noise_names
from bayescale.posterior import PosteriorData
from bayescale.report.errors import ReportError
from bayescale.runs.atomic import replace_files

MASSES = (0.5, 0.8, 0.9)
SENSITIVE = 0.05
"""Power-scaling sensitivity from which on a figure depends on the prior, or on the likelihood (Kallioinen 2024)."""
UNLIKELY, TOO_GOOD = 0.025, 0.002
"""Predictive probabilities below which a statistic is named: of runs that scatter more than replicated ones, and of
those that scatter less. The posterior has seen the runs, and they fit it better than what it makes anew: in small
tables by far."""


def _unlikely(row: Mapping[str, Any]) -> bool:
    """Whether a row of `Diagnosis.predictive` is what the model rarely makes."""
    worse = row["p"] if str(row["check"]).startswith("inside") else 1 - row["p"]
    return bool(worse < UNLIKELY or 1 - worse < TOO_GOOD)


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """Leave-one-out by Pareto-smoothed importance sampling (Vehtari et al. 2017), of runs.

    Attributes
    ----------
    elpd, se, p : float
        Expected log predictive density of log loss, its standard error, and the effective number of parameters.
    pareto_k : ndarray, shape (runs,)
        How far the estimate of each run can be trusted.
    good : float
        k above which it cannot.
    raw : object
        As `arviz_stats.loo` gives it.
    """

    elpd: float
    se: float
    p: float
    pareto_k: np.ndarray
    good: float
    raw: Any

    @property
    def bad(self) -> np.ndarray:
        """Runs, from 1, that it cannot be trusted for: the fit hangs on each of them."""
        return 1 + np.flatnonzero(self.pareto_k > self.good)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was checked of a fit; print it.

    Attributes
    ----------
    posterior : PosteriorData
    """

    posterior: PosteriorData

    @property
    def health(self) -> Health:
        """Whether the sampler worked."""
        return self.posterior.health()

    @cached_property
    def predictive(self) -> pd.DataFrame:
        """Posterior predictive checks: a row a figure, with ``measured``, ``predicted`` (median) and ``p``.

        ``inside 90 %`` is the share of runs inside their own band, ``scatter`` the standard deviation of log loss about
        the median expectation, ``largest miss`` the largest of these residuals; `p` is the share of replicated tables
        that have less of it.
        """
        tree = self.posterior.tree
        replicated = tree["posterior_predictive"]["loss"].to_numpy()
        replicated = np.log(replicated.reshape(-1, replicated.shape[-1]))
        measured = np.log(self.posterior.design.loss)
        middle = np.median(replicated, axis=0)
        rows = []
        for mass in MASSES:
            low, high = np.quantile(replicated, ((1 - mass) / 2, (1 + mass) / 2), axis=0)
            inside = float(((low <= measured) & (measured <= high)).mean())
            usual = ((low <= replicated) & (replicated <= high)).mean(axis=1)
            rows.append((f"inside {mass:.0%}".replace("%", "\u00a0%"), inside, usual))
        for name, of in (("scatter", np.std), ("largest miss", _largest)):
            rows.append((name, float(of(measured - middle)), of(replicated - middle, axis=1)))
        return pd.DataFrame(
            [
                {
                    "check": name,
                    "measured": value,
                    "predicted": float(np.median(drawn)),
                    # Half of the ties: shares of a few runs have many.
                    "p": float((drawn < value).mean() + 0.5 * (drawn == value).mean()),
                }
                for name, value, drawn in rows
            ]
        )

    @property
    def odd(self) -> pd.DataFrame:
        """The predictive checks whose figure the fitted model rarely makes."""
        return self.predictive[[_unlikely(row) for row in self.predictive.to_dict("records")]]

    @cached_property
    def loo(self) -> LeaveOneOut:
        """Leave-one-out and how far it can be trusted, run by run."""
        from arviz_stats import loo

        with _quiet():
            found = loo(self.posterior.tree, var_name="log_loss", pointwise=True)
        return LeaveOneOut(
            float(found.elpd),
            float(found.se),
            float(found.p),
            np.asarray(found.pareto_k),
            float(found.good_k),
            found,
        )

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """Power-scaling sensitivity of what is shared by all runs, the most of the prior first.

        ``prior`` and ``likelihood`` say by how much a quantity moves where the one or the other counts a little more,
        ``what`` what that means. Of the priors those are scaled that a model file states: of means, spreads and noise,
        not the effects given their spread, which are the pooling.
        """
        from arviz_stats import psense_summary

        tree, design = self.posterior.tree, self.posterior.design
        effects = {e.name for e in design.every_effect} | {f"misfit {m.axis}" for m in design.misfit}
        means = [f"{name}_mean" for name in design.law.parameter_names]
        means += [coefficient.name for coefficient in design.coefficients]
        effects |= {f"effects{bundle.tag}" for bundle in design.bundles}
        spreads = [f"{e.name}_sd" for e in design.every_effect] + [f"misfit_{m.axis}" for m in design.misfit]
        with _quiet():
            found = psense_summary(
                tree,
                var_names=[*means, *spreads, *noise_names(design)],
                prior_var_names=[str(n) for n in tree["log_prior"].data_vars if n not in effects],
                likelihood_var_names=["log_loss"],
                threshold=SENSITIVE,
                round_to=6,
            )
        table = pd.DataFrame(
            {
                "quantity": [str(name) for name in found.index],
                "prior": found["prior"].to_numpy(float),
                "likelihood": found["likelihood"].to_numpy(float),
            }
        )
        table["what"] = [_meaning(p, x) for p, x in zip(table["prior"], table["likelihood"], strict=True)]
        return table.sort_values("prior", ascending=False, kind="stable", ignore_index=True)

    def figures(self, folder: str | Path) -> list[Path]:
        """Write the figures as PNG: ranks, energy, replicated runs, Pareto k; by arviz-plots.

        Raises
        ------
        ReportError
            `folder` is a file.
        """
        from bayescale.report.figures import diagnostics, style
        from bayescale.report.subject import Subject

        folder = Path(folder)
        if folder.is_file():
            raise ReportError(f"{folder} is a file; name a folder to write figures to")
        folder.mkdir(parents=True, exist_ok=True)
        subject = Subject(self.posterior)
        with style.styled():
            made = {
                folder / f"{name}.png": style.save(draw(subject, style.WIDE), "png")
                for name, draw in diagnostics.FIGURES.items()
            }
        replace_files(made)
        return list(made)

    def __str__(self) -> str:
        lines = [str(self.health), "", "posterior predictive checks"]
        for row in self.predictive.to_dict("records"):
            odd = "  <- not what this model makes" if _unlikely(row) else ""
            lines.append(
                f"  {row['check']:<13} {row['measured']:.4g}, predicted {row['predicted']:.4g} (p {row['p']:.3f}){odd}"
            )
        loo = self.loo
        lines += [
            "",
            f"leave-one-out: elpd {loo.elpd:.1f} (± {loo.se:.1f}), {loo.p:.1f} effective parameters",
            f"  Pareto k above {loo.good:.2f} for {len(loo.bad)} of {len(loo.pareto_k)} runs"
            + (f": {', '.join(map(str, loo.bad[:10]))}" if len(loo.bad) else ""),
            "",
            f"sensitivity to the prior and the runs (from {SENSITIVE} on, it moves)",
        ]
        wide = max(len(name) for name in self.sensitivity["quantity"])
        lines += [
            f"  {row['quantity']:<{wide}}  prior {row['prior']:.3f}  runs {row['likelihood']:.3f}  {row['what']}"
            for row in self.sensitivity.to_dict("records")
        ]
        return "\n".join(lines)

    __repr__ = __str__


def diagnose(posterior: PosteriorData) -> Diagnosis:
    """Check everything there is to check of a fit.

    Parameters
    ----------
    posterior : PosteriorData

    Returns
    -------
    Diagnosis
        Its parts are computed when they are asked for; printing it asks for all but the figures.

    Raises
    ------
    ReportError
        Draws of a prior, which no runs can be compared with.
    """
    if "log_likelihood" not in posterior.tree.children:
        raise ReportError("these are draws of a prior: there are no measured runs to check them with")
    return Diagnosis(posterior)


def _largest(residual: np.ndarray, axis: int | None = None) -> Any:
    return np.abs(residual).max(axis=axis)


def _meaning(prior: float, likelihood: float) -> str:
    if prior >= SENSITIVE and likelihood >= SENSITIVE:
        return "prior and runs pull at it: if they disagree, look at the prior"
    if prior >= SENSITIVE:
        return "mostly the prior"
    return "the runs" if likelihood >= SENSITIVE else "neither moves it"


@contextmanager
def _quiet() -> Iterator[None]:
    """What arviz-stats warns and logs of is said here in words."""
    logger = logging.getLogger("arviz_stats")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
