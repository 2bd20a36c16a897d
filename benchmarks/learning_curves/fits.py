"""One law on one curve: the health gate, the forecast of what was held out, kept so that the command resumes."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.errors import DesignWarning
from bayescale.forecast.scores import crps, predicted_quantiles
from bayescale.laws.alabdulmohsin import m1, m2, m3, m4
from bayescale.laws.broken import bnsl
from bayescale.laws.zhai import shifted_power
from benchmarks import kept
from benchmarks.learning_curves.curves import Curve
from benchmarks.published.tables import ROOT

CACHE = ROOT / ".bayescale" / "learning-curves"
INPUT = "examples"
LAWS = {
    short: bs.register(law)
    for short, law in {
        "m1": m1(INPUT),
        "m2": m2(INPUT),
        "m3": m3(INPUT),
        "m4": m4(INPUT),
        "bnsl1": bnsl(1, INPUT),
        "zhai": shifted_power(INPUT),
    }.items()
}
"""Laws of one input, here the examples seen, with their default priors."""

TRIES = (bs.Settings(2, 600, 600), bs.Settings(4, 1000, 1000, 0.99))
"""What does not pass is sampled once more, longer and with smaller steps."""

SHOWN = 40
LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Forecast:
    """A law's forecast of the held-out rows of one curve.

    Attributes
    ----------
    verdict, failures : str
        Of the health gate, and the checks that did not pass.
    longer : bool
        Whether it took the second try.
    blind : str
        What the design was said to leave open, before anything was sampled.
    error, log_error : float
        Mean absolute relative error of the median; root mean square of log measured over median, the usual
        extrapolation loss.
    inside : float
        Share of held-out rows inside the 90 % band of a row.
    crps : float
        Mean, over the mean held-out loss.
    neighbours : float
        Correlation of neighbouring fitted rows' residuals; independent rows have none.
    band : list of [x, low, median, high]
        At a few places from the first fitted row to the last held-out one.
    cpu_s : float
    """

    law: str
    curve: str
    domain: str
    rows: int
    held: int
    verdict: str
    failures: str
    longer: bool
    blind: str
    error: float
    log_error: float
    inside: float
    crps: float
    neighbours: float
    band: list[list[float]]
    cpu_s: float

    @property
    def passed(self) -> bool:
        return self.verdict == "PASS"


def neighbour_correlation(residual: np.ndarray) -> float:
    """Lag-one autocorrelation of the residuals along a curve; not a number where they are all the same."""
    centred = residual - residual.mean()
    return float((centred[1:] * centred[:-1]).sum() / (centred**2).sum()) if centred.any() else float("nan")


def forecast(
    curve: Curve, short: str, seed: int = 0, tries: Sequence[bs.Settings] = TRIES, keep: bool = True
) -> Forecast:
    """Fit a law to a curve's start and forecast its end; read back where that has been done before."""
    law = LAWS[short]
    said = (short, law.equation, str(law.parameters), curve.fitted.to_csv(), curve.held.to_csv(), str(tries))
    key = hashlib.sha256("\n".join((*said, str(seed), bs.__version__)).encode()).hexdigest()[:16]
    path = CACHE / f"{short}-{key}.json"
    if keep and (known := kept.read(path, Forecast)):
        return known
    found = _forecast(curve, short, seed, tries)
    if keep:
        kept.write(path, found)
    return found


def _forecast(curve: Curve, short: str, seed: int, tries: Sequence[bs.Settings]) -> Forecast:
    began = time.process_time()
    model = bs.Model(name=short, law=LAWS[short].name)
    longer = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DesignWarning)
        for number, settings in enumerate(tries):
            posterior = bs.fit(curve.fitted, model, seed, settings, progress=lambda *_: None)
            health, longer = posterior.health(), number > 0
            if health.verdict == "PASS":
                break
    blind = next((str(w.message) for w in caught if issubclass(w.category, DesignWarning)), "")
    held = posterior.predict(curve.held, quantiles=LEVELS)
    low, median, high = (held[f"q{p:g}"].to_numpy() for p in LEVELS)
    measured = curve.held["loss"].to_numpy()
    log_error = np.log(measured / median)
    own = posterior.predict(curve.fitted, of="mean", quantiles=(0.5,))["q0.5"]
    ends = curve.fitted["examples"].min(), curve.held["examples"].max()
    grid = posterior.predict(pd.DataFrame({INPUT: np.geomspace(*ends, SHOWN)}), quantiles=LEVELS)
    return Forecast(
        law=short,
        curve=curve.name,
        domain=curve.domain,
        rows=len(curve.fitted),
        held=len(curve.held),
        verdict=health.verdict,
        failures="; ".join(health.missed),
        longer=longer,
        blind=blind,
        error=float(np.abs(median / measured - 1).mean()),
        log_error=float(np.sqrt((log_error**2).mean())),
        inside=float(((low <= measured) & (measured <= high)).mean()),
        crps=float(crps(predicted_quantiles(posterior, curve.held), measured).mean() / measured.mean()),
        neighbours=neighbour_correlation(np.log(curve.fitted["loss"].to_numpy() / own.to_numpy())),
        band=grid[[INPUT, *(f"q{p:g}" for p in LEVELS)]].to_numpy().tolist(),
        cpu_s=time.process_time() - began,
    )
