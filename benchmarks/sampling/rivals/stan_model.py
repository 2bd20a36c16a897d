"""Stan by PyStan, whose wheels bring the compiler of models with them, at its default settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import stan

from benchmarks.sampling.rivals import NOTHING, Sampled
from benchmarks.sampling.target import Target

CODE = Path(__file__).with_suffix(".stan")


def data_of(t: Target) -> dict[str, Any]:
    clark = t.law == "clark"
    return {
        "size": t.size,
        "clark": int(clark),
        "P": len(t.names),
        "cells": t.cells,
        "mean_": t.mean.tolist(),
        "sd_": t.sd.tolist(),
        "F": len(t.factors),
        "free_": [f.free for f in t.factors],
        "count": [len(f.parameters) for f in t.factors],
        "centred": [int(f.centred) for f in t.factors],
        "columns": sum(f.free for f in t.factors),
        "basis": np.hstack([f.basis for f in t.factors]).tolist(),
        "entries": sum(len(f.parameters) for f in t.factors),
        "parameter_": [p + 1 for f in t.factors for p in f.parameters],
        "spread": np.concatenate([f.spread for f in t.factors]).tolist(),
        "K": len(t.noise),
        "noise": t.noise.tolist(),
        "graded": int("sigma_decade" in t.noise_names),
        "several": int(t.several),
        "rows": len(t.cell),
        "cell": (t.cell + 1).tolist(),
        "log_n": t.inputs["log_n"].tolist(),
        "other": t.inputs["experts" if clark else "log_d"].tolist(),
        "experts0": t.experts,
        "log_loss": t.log_loss.tolist(),
        "relative_se": t.relative_se.tolist(),
        "decades": t.decades.tolist(),
        "runs": int(t.run.max()) + 1,
        "run": (t.run + 1).tolist(),
        "rows_of": np.bincount(t.run).astype(float).tolist(),
    }


def log_densities(target: Target, x: np.ndarray) -> np.ndarray:
    built = stan.build(CODE.read_text(), data=data_of(target), random_seed=1)
    return np.array([built.log_prob(one.tolist()) for one in x])


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    built = stan.build(CODE.read_text(), data=data_of(target), random_seed=seed + 1)
    fit = built.sample(num_chains=chains, num_warmup=warmup, num_samples=draws)

    def chainwise(name: str) -> np.ndarray:
        # (parameters, draws x chains), chains fastest.
        flat = np.atleast_2d(fit[name])
        return np.moveaxis(flat.reshape(len(flat), draws, chains), (2, 1, 0), (0, 1, 2))

    names = {"diverging": "divergent__", "n_steps": "n_leapfrog__", "energy": "energy__"}
    return chainwise("x"), {ours: chainwise(theirs)[..., 0] for ours, theirs in names.items()}
