"""One replicate: runs of SGD in one phase, laws fitted to them, and what they say of the exact exponents."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.errors import DesignWarning, UserError
from bayescale.models.spec import Misfit
from bayescale.theory import frontier, phase_probabilities, runs_table, window_exponents
from benchmarks import kept

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".bayescale" / "theory"

POINTS = {
    "Ia": (0.7, 0.3),
    "Ib": (0.4, 0.3),
    "Ic": (0.2, 0.8),
    "II": (0.8, 0.65),
    "III": (0.7, 1.2),
    "IVa": (0.4, 0.8),
    "IVb": (0.27, 0.7),
}
"""alpha and beta of the study, one point a phase."""

SIZES = (25, 40, 64, 100, 160, 250, 400)
BUDGETS = (5e3, 1.5e4, 4.5e4, 1.35e5)
AVERAGE = 8
"""Each run's loss is the mean over so many samples of SGD's path on features of its own."""
MIDDLE = 2.0
"""Losses are scaled to this in the middle of a table: laws of language have priors for a few nats."""
AHEAD = 10.0
"""The far window ends at so many times the dearest budget."""
WITHIN = 12.0
"""A size is run at a budget within this factor of the best one there, as people do."""

LAWS = {
    "plrf": "plrf",
    "chinchilla": "chinchilla",
    "no floor": "A * params**-a + B * tokens**-b",
    "no floor with misfit": "A * params**-a + B * tokens**-b",
}
"""The world's own law; the field's; the field's without the floor that this world does not have; and that, taken to be
wrong inside the runs as the default model takes its law to be (`bayescale.models.misfit`)."""
WRONG = frozenset({"no floor with misfit"})

TRIES = (bs.Settings(2, 500, 500), bs.Settings(4, 1000, 1000, 0.99))
LEVELS = (0.05, 0.25, 0.75, 0.95)
KEPT = 150
"""Draws of the law plrf whose best sizes are looked for."""
RARE = 0.02
"""Share of them that may have none; a fit with more does not count as passed."""


@dataclass(frozen=True)
class Found:
    """What one law says of one table.

    Attributes
    ----------
    phase, law : str
    replicate : int
    verdict : str
        Of the health gate, after the last try.
    truth : dict
        ``xi`` and ``eta`` between the cheapest and the dearest budget, ``xi_far`` and ``eta_far`` from the dearest to
        `AHEAD` times that, and ``loss_far``, the best loss there.
    quantiles : dict of list
        Of the same, at `LEVELS`; those of ``loss_far`` are of the expected loss at the true best size.
    phases : dict
        Probabilities of the phases, of the law that knows them.
    cpu_s : float
    """

    phase: str
    law: str
    replicate: int
    verdict: str
    truth: dict[str, float]
    quantiles: dict[str, list[float]]
    phases: dict[str, float]
    cpu_s: float

    @property
    def passed(self) -> bool:
        return self.verdict == "PASS"


@cache
def truth(phase: str) -> tuple[dict[str, float], pd.DataFrame]:
    """The exact exponents of the two windows, and the optimal runs at their three ends."""
    alpha, beta = POINTS[phase]
    ends = [BUDGETS[0], BUDGETS[-1], AHEAD * BUDGETS[-1]]
    table = frontier(alpha, beta, ends, ratio=5.0)
    size, loss = np.log(table["d"].to_numpy()), np.log(table["loss"].to_numpy())
    width = np.diff(np.log(ends))
    (xi, xi_far), (eta, eta_far) = np.diff(size) / width, -np.diff(loss) / width
    values = {"xi": xi, "eta": eta, "xi_far": xi_far, "eta_far": eta_far, "loss_far": table["loss"].iloc[-1]}
    return {name: float(x) for name, x in values.items()}, table


def sizes_at(phase: str, budget: float) -> list[float]:
    """The sizes that are run at a budget."""
    alpha, beta = POINTS[phase]
    best = frontier(alpha, beta, [budget], ratio=5.0)["d"][0]
    return [float(d) for d in SIZES if best / WITHIN <= d <= best * WITHIN]


def table_of(phase: str, replicate: int) -> tuple[pd.DataFrame, float]:
    """Runs of SGD with the losses scaled, and the scale."""
    alpha, beta = POINTS[phase]
    parts = [
        runs_table(alpha, beta, sizes_at(phase, f), [f], seeds=1, average=AVERAGE, seed=1000 * replicate + i)
        for i, f in enumerate(BUDGETS)
    ]
    attrs = parts[0].attrs
    table = pd.concat(parts, ignore_index=True)
    scale = MIDDLE / float(np.exp(np.log(table["loss"]).mean()))
    table[["loss", "loss_se"]] *= scale
    table.attrs = attrs
    return table, scale


def replicate(phase: str, number: int, laws: Sequence[str] = tuple(LAWS), fit: bool = True) -> list[Found]:
    """Every law on one table: read back where that has been done before, else fitted, or left out."""
    out, made = [], None
    for short in laws:
        law = LAWS.get(short, short)
        path = _path(phase, number, short, law)
        if known := kept.read(path, Found):
            out.append(known)
        elif fit:
            made = made or table_of(phase, number)
            out.append(_fit(phase, number, short, law, *made))
            kept.write(path, out[-1])
    return out


def _path(phase: str, number: int, short: str, law: str) -> Path:
    study = str((SIZES, BUDGETS, AVERAGE, WITHIN))
    said = (phase, str(number), law, str(POINTS[phase]), study, str(TRIES), bs.__version__)
    key = hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]
    return CACHE / f"{phase}-{number:03d}-{short.replace(' ', '-').replace('/', '-')}-{key}.json"


def _fit(phase: str, number: int, short: str, law: str, table: pd.DataFrame, scale: float) -> Found:
    began = time.process_time()
    exact, optimal = truth(phase)
    model = bs.Model(name=short.replace(" ", "-"), law=law, misfit=Misfit() if short in WRONG else None)
    # The error of the mean is a run's own noise, which the model has: given too, it would be counted twice.
    rows = table.drop(columns=["loss_se", "seed", "split"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        for settings in TRIES:
            posterior = bs.fit(rows, model, number, settings, progress=lambda *_: None)
            verdict = posterior.health().verdict
            if verdict == "PASS":
                break
    quantiles: dict[str, list[float]] = {}
    phases: dict[str, float] = {}
    if short == "plrf":
        some = slice(None, None, max(1, len(posterior.z) // KEPT))
        parameters = [np.ravel(posterior.draws(name))[some] for name in ("alpha", "beta", "g")]
        budgets = optimal["flops"].to_numpy()
        for suffix, low, high in (("", *budgets[:2]), ("_far", *budgets[1:])):
            for name, x in zip(("xi", "eta"), window_exponents(*parameters, low, high), strict=True):
                # One draw in hundreds has no best size at a budget.
                quantiles[name + suffix] = np.nanquantile(x, LEVELS).tolist()
                if np.isnan(x).mean() > RARE:
                    verdict = f"{verdict}; {np.isnan(x).mean():.0%} of the draws have no best size"
        phases = phase_probabilities(posterior.draws("alpha"), posterior.draws("beta"))
    else:
        verdict = _by_allocation(posterior, optimal, quantiles, verdict)
    far = pd.DataFrame({"params": optimal["d"].iloc[[-1]], "tokens": optimal["r"].iloc[[-1]]})
    band = posterior.predict(far, of="mean", quantiles=LEVELS)
    quantiles["loss_far"] = [float(band[f"q{p:g}"].iloc[0]) / scale for p in LEVELS]
    return Found(phase, short, number, verdict, exact, quantiles, phases, time.process_time() - began)


def _by_allocation(
    posterior: bs.Posterior, optimal: pd.DataFrame, quantiles: dict[str, list[float]], verdict: str
) -> str:
    """The exponents of any law, from its own optima; a law without one at these budgets says so in the verdict."""
    try:
        found = posterior.allocate(optimal["flops"].tolist()).draws
    except UserError as error:
        return f"{verdict}; {error}"
    size, loss = np.log(found["params"]), np.log(found["loss"])
    width = np.diff(np.log(optimal["flops"].to_numpy()))
    xi, eta = np.diff(size, axis=1) / width, -np.diff(loss, axis=1) / width
    draws = {"xi": xi[:, 0], "eta": eta[:, 0], "xi_far": xi[:, 1], "eta_far": eta[:, 1]}
    quantiles.update({name: np.quantile(x, LEVELS).tolist() for name, x in draws.items()})
    return verdict
