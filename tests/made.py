"""Posteriors made by hand: draws about a known truth, where no fit is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logit

import bayescale as bs
from bayescale.inference.drift import drift_draws
from bayescale.inference.quantities import prior_draws, quantities
from bayescale.posterior import _group, prior_posterior

LINKS = {"positive": np.log, "unit": logit, "real": lambda x: x}


def posterior_about(
    runs: pd.DataFrame,
    model: bs.Model,
    truth: Mapping[str, float],
    spread: float = 0.01,
    draws: int = 400,
    seed: int = 0,
) -> bs.Posterior:
    """A posterior without groups whose law lies within `spread` of the truth on the link scale.

    Everything but the law's parameters is as the prior has it: noise, misfit and drift.
    """
    posterior = prior_posterior(runs, model, seed, draws, bs.Posterior)
    design, rng = posterior.design, np.random.default_rng(seed)
    law = model.definition
    z = prior_draws(design, draws, rng)
    for i, (parameter, x) in enumerate(
        zip(law.parameters, law.sampled(truth, design.reference).values(), strict=True)
    ):
        mean, sd = model.prior(parameter.name).normal(parameter.support)
        z[:, i] = (LINKS[parameter.support](float(x)) + spread * rng.normal(size=draws) - mean) / sd
    named = quantities(design, z[None])
    named = named.adding({f"drift_{a}": k[None] for a, k in drift_draws(design, (), draws, rng).items()})
    tree = xr.DataTree(
        children={
            "posterior": _group(named.posterior, named.dims, named.coords),
            "unconstrained_posterior": _group({"z": z[None]}, {"z": ["coordinate"]}, {}),
            "log_prior": _group(named.log_prior, {}, {}),
        }
    )
    return replace(posterior, tree=tree, runs=runs)
