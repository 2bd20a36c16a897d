"""One table: fitted once, and every world on it asked."""

from __future__ import annotations

import time
import warnings
from typing import Any

import bayescale as bs
from bayescale.errors import DesignWarning
from bayescale.forecast import held_out
from bayescale.inference import Settings
from bayescale.inference.calibration import compilations
from bayescale.revisions import revisions_of
from benchmarks.verdicts.questions import answered, questions
from benchmarks.verdicts.worlds import REVISION, World, seed_of, table_of, worlds_of

PARTS = ("sampler", "default_model", "discrepancy", "decisions")
"""Revisions of the package that verdicts depend on."""

SETTINGS = Settings(chains=2, warmup=300, draws=1000)
"""Half the default's chains, each as long: the fewest draws for which a fit is repeated without its highest-compute
runs (the folds, which set the drift). The sampler, its second attempts and the health gate are the default's; a Monte
Carlo error is 1.4 times as large."""


def run_table(kind: str, table: int) -> list[dict[str, Any]]:
    """Fit a table and return a plain record of every world on it."""
    worlds = list(worlds_of(kind, table))
    began = time.process_time()
    with compilations() as compiled, warnings.catch_warnings():
        # Of one budget or one ratio the fit says that runs cannot tell everything: that is what the family is for.
        warnings.simplefilter("ignore", DesignWarning)
        posterior = bs.fit(
            worlds[0].runs, seed=seed_of(kind, table), settings=SETTINGS, progress=lambda *_: None
        )
    fit_cpu_s = time.process_time() - began
    return [_record(world, posterior, fit_cpu_s / len(worlds), compiled[0]) for world in worlds]


def _record(world: World, posterior: bs.Posterior, fit_cpu_s: float, compiled: int) -> dict[str, Any]:
    began = time.process_time()
    # Held-out runs are forecast once, as every question of a world would forecast them.
    held = None if world.held is None else held_out(posterior, world.held)
    verdicts = [answered(world, posterior, question, held) for question in questions(world, posterior)]
    return {
        "family": world.family,
        "index": world.index,
        "table": table_of(world.family, world.index),
        "seed": posterior.provenance["seed"],
        "revision": REVISION,
        "revisions": revisions_of(*PARTS),
        "held_out": world.held_kind,
        "held_out_runs": 0 if world.held is None else len(world.held),
        "health": posterior.health().verdict,
        "missed": [check.name for check in posterior.health().checks if check.verdict != "PASS"],
        "compiled": compiled,
        "fit_cpu_s": round(fit_cpu_s, 2),
        "cpu_s": round(fit_cpu_s + time.process_time() - began, 2),
        "verdicts": verdicts,
    }
