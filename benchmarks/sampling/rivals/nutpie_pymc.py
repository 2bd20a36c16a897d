"""nutpie on the PyMC model, with its diagonal or its low-rank mass matrix."""

from __future__ import annotations

import numpy as np
import nutpie

from benchmarks.sampling.rivals import NOTHING, Sampled, pymc_model
from benchmarks.sampling.target import Target

log_densities = pymc_model.log_densities


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    compiled = nutpie.compile_pymc_model(pymc_model.model_of(target))
    found = nutpie.sample(
        compiled,
        draws=draws,
        tune=warmup,
        chains=chains,
        cores=2,
        seed=seed,
        progress_bar=False,
        low_rank_modified_mass_matrix="low-rank" in options,
    )
    stats = found["sample_stats"]
    return pymc_model.gathered(found["posterior"], target), {
        name: np.asarray(stats[name]) for name in ("diverging", "n_steps", "energy")
    }
