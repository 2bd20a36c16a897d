"""What misfit and drift cost where the law is right: bands of the default model over those of the law alone.

Runs follow the default model's law, with Hoffmann's values as Besiroglu et al. 2024 have them, over three decades of
compute; the loss a decade further out is forecast by the default model and by its law taken to be exact, which is the
exact posterior.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.forecast.scores import GRID, at
from bayescale.laws import Range
from bayescale.revisions import revisions_of
from benchmarks import kept
from benchmarks.extrapolation.results import CACHE, PARTS

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
"""Besiroglu et al. 2024, arXiv:2404.10102."""

BUDGETS, SIZES = np.geomspace(1e18, 1e21, 7), 8
NOISE, FREEDOM = 0.004, 5
BEYOND = 1e22
"""FLOPs, one decade beyond the dearest run."""

WORLDS = 12
ASKED = 1.5
"""Most that the default's 90 % band may be as wide as the exact posterior's."""


@dataclass(frozen=True)
class World:
    """One simulated table: by model (``default``, ``exact``), health, width of the 90 % band over the loss, and places.

    Attributes
    ----------
    health : dict of str
    width : dict of float
    places : dict of list of float
        Where the losses that runs beyond would measure lie in their forecast, as probabilities.
    cpu_s : float
    revisions : dict of int
    """

    health: dict[str, str]
    width: dict[str, float]
    places: dict[str, list[float]]
    cpu_s: float
    revisions: dict[str, int]


def world(number: int, model: bs.Model, fresh: bool = False) -> World:
    """One table's bands, kept as JSON so that the command resumes."""
    said = "\n".join(
        (
            model.model_dump_json(),
            str(bs.Settings()),
            str((TRUTH, NOISE, SIZES)),
            exact(model).model_dump_json(),
            bs.__version__,
        )
    )
    path = (
        CACHE / f"simulated-{number:03d}-{hashlib.sha256(said.enrevisions_of(*PARTS)).hexdigest()[:16]}.json"
    )
    if known := kept.read_unless(fresh, path, World):
        return known
    began = time.process_time()
    rng = np.random.default_rng(number)
    runs, beyond = _runs(BUDGETS, rng), _runs(np.array([BEYOND]), rng)
    health, width, places = {}, {}, {}
    for name, one in (("default", model), ("exact", exact(model))):
        posterior = bs.fit(runs, one, seed=number, progress=lambda *_: None)
        found = posterior.predict(beyond, quantiles=GRID)[[f"q{p:g}" for p in GRID]].to_numpy(float)
        measured = beyond["loss"].to_numpy(float)
        health[name] = posterior.health().verdict
        width[name] = float(np.median((at(found, 0.95) - at(found, 0.05)) / at(found, 0.5)))
        places[name] = (found < measured[:, None]).mean(axis=1).tolist()
    result = World(health, width, places, time.process_time() - began, revisions_of(*PARTS))
    kept.write(path, result)
    print(f"  simulated {number}: {health} ({result.cpu_s:.0f} s of CPU)", flush=True)
    return result


def exact(model: bs.Model) -> bs.Model:
    """The model's law, pooling and priors without misfit, and with a drift that is next to nothing."""
    none = Range(1e-7, 1e-6)
    still = model.drift.model_copy(update={"flops": none, "params": none})
    return model.model_copy(update={"name": "exact", "misfit": None, "drift": still})


def summary(found: list[World]) -> dict[str, Any]:
    """Over the worlds where both fits passed: ratio of widths, and coverage of either."""
    sound = [w for w in found if "FAIL" not in w.health.values()]
    ratio = np.array([w.width["default"] / w.width["exact"] for w in sound])
    out: dict[str, Any] = {
        "worlds": len(found),
        "sound": len(sound),
        "ratio": float(np.median(ratio)),
        "most": float(ratio.max()),
        "losses": sum(len(w.places["default"]) for w in sound),
    }
    for name in ("default", "exact"):
        place = np.array([p for w in sound for p in w.places[name]])
        out[name] = {"width": float(np.median([w.width[name] for w in sound]))} | {
            f"inside{mass}": float((np.abs(place - 0.5) <= mass / 200 + 1e-9).mean()) for mass in (50, 80, 90)
        }
    return out


def _runs(budgets: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """IsoFLOP curves, 3 to 100 tokens a parameter, with Student-t noise of log loss."""
    flops = np.repeat(budgets, SIZES)
    ratio = np.tile(np.geomspace(3, 100, SIZES), len(budgets))
    params = np.sqrt(flops / 6 / ratio)
    tokens = ratio * params
    v = TRUTH
    loss = v["E"] + v["A"] * params ** -v["alpha"] + v["B"] * tokens ** -v["beta"]
    noise = np.exp(NOISE * rng.standard_t(FREEDOM, len(loss)))
    return pd.DataFrame({"params": params, "tokens": tokens, "flops": flops, "loss": loss * noise})
