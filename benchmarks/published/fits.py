"""Fits through the health gate, their summaries kept so that the command resumes where it stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

import bayescale as bs
from benchmarks import kept
from benchmarks.published.row import Row
from benchmarks.published.tables import ROOT

CACHE = ROOT / ".bayescale" / "published"
KEPT = 500
Quantity = Callable[[bs.Posterior], np.ndarray]


@dataclass(frozen=True)
class Summary:
    """What is kept of a posterior: moments and central 95 % intervals, and a few draws of each quantity."""

    verdict: str
    failures: str
    rows: int
    mean: Mapping[str, float]
    sd: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    draws: Mapping[str, list[float]]

    @property
    def passed(self) -> bool:
        return self.verdict == "PASS"

    def text(self, name: str) -> str:
        """Mean, standard deviation and interval."""
        return f"{self.mean[name]:.4g} ± {self.sd[name]:.2g} [{self.low[name]:.4g}, {self.high[name]:.4g}]"

    def covers(self, name: str, value: float) -> bool:
        return self.low[name] <= value <= self.high[name]

    def z(self, name: str, value: float) -> float:
        """How many of our standard deviations a value is above our mean."""
        return (value - self.mean[name]) / self.sd[name]


def covered_row(
    quantity: str, source: str, value: float, fit: Summary, name: str, claims: bool = True
) -> Row:
    """Whether our 95 % interval of a quantity holds the published value; no figure where the fit did not pass."""
    published = f"{value:.4g} ({source})"
    if not fit.passed:
        return Row.failed(quantity, published, fit.failures, claims)
    inside = fit.covers(name, value)
    agreement = "covered" if inside else f"not covered, {fit.z(name, value):+.1f} of our sd"
    return Row(quantity, published, fit.text(name), agreement, inside if claims else None, fit.verdict)


def parameter(name: str) -> Quantity:
    """A parameter of a fit with one cell."""
    return lambda posterior: posterior.draws(name).reshape(len(posterior.z), -1)[:, 0]


def fitted(
    what: str,
    runs: pd.DataFrame,
    model: bs.Model,
    quantities: Mapping[str, Quantity] | None = None,
    settings: bs.Settings | None = None,
    seed: int = 0,
) -> Summary:
    """Fit by NUTS and summarise; a REVIEW is sampled once more, longer and with smaller steps.

    Parameters
    ----------
    what : str
        Printed as progress.
    quantities : mapping, optional
        Beside the law's parameters and the noise; part of the cache key by name.
    """
    names = (*model.definition.parameter_names, "sigma", "nu")
    wanted = {name: parameter(name) for name in names} | dict(quantities or {})
    settings = settings or bs.Settings()
    key = hashlib.sha256(
        "\n".join(
            (
                model.model_dump_json(),
                model.definition.equation,
                runs.to_csv(),
                str(settings),
                str(seed),
                ",".join(wanted),
                bs.__version__,
            )
        ).encode()
    ).hexdigest()[:24]
    path = CACHE / f"{key}.json"
    if known := kept.read(path, Summary):
        return known
    began, cpu = time.time(), time.process_time()
    posterior = bs.fit(runs, model, seed, settings, progress=lambda *_: None)
    if posterior.health().verdict == "REVIEW":
        longer = bs.Settings(settings.chains, 2 * settings.warmup, 2 * settings.draws, 0.99)
        posterior = bs.fit(runs, model, seed, longer, progress=lambda *_: None)
    health = posterior.health()
    values = {name: np.asarray(quantity(posterior), float) for name, quantity in wanted.items()}
    low, high = ({n: float(np.quantile(x, q)) for n, x in values.items()} for q in (0.025, 0.975))
    step = max(1, len(posterior.z) // KEPT)
    summary = Summary(
        verdict=health.verdict,
        failures="; ".join(health.missed),
        rows=len(runs),
        mean={n: float(x.mean()) for n, x in values.items()},
        sd={n: float(x.std(ddof=1)) for n, x in values.items()},
        low=low,
        high=high,
        draws={n: [float(f"{v:.6g}") for v in x[::step]] for n, x in values.items()},
    )
    kept.write(path, summary)
    print(
        f"  {what}: {summary.verdict} {summary.failures} "
        f"({time.time() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU)",
        flush=True,
    )
    return summary
