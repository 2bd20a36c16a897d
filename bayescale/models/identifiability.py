"""What a design can tell about a law's parameters, before anything is sampled.

At draws of the prior, the law is linearised at the table's inputs: with J the derivatives of log expected loss with
respect to the standardised population parameters and sigma the noise, the prior covariance I becomes
(I + J'J/sigma^2)^-1. Averaged over draws, that is what a fit can be expected to leave: where a direction keeps its
prior variance, the runs say nothing about it, whatever their losses turn out to be. Runs that all have the same
tokens leave a data exponent where its prior put it; runs at one ratio of tokens to params leave two terms that only
their sum is known of.

This looks at the population's parameters; groups with few runs borrow from it and are no defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayescale.models.arrays import Data, data_of
from bayescale.models.density import population, unlink
from bayescale.models.design import Design, make_design
from bayescale.models.layout import Layout, layout_of
from bayescale.models.spec import Model
from bayescale.runs.problem import Problem

DRAWS = 64
"""Prior draws that the linearisation is averaged over."""

REPEATS = 0.9
"""A posterior standard deviation of at least this share of the prior's repeats the prior."""

UNKNOWN = 0.5
"""A direction that keeps at least this share of its prior variance is not told by the runs."""

SHARES = 0.35
"""A parameter with at least this weight in such a direction is part of it."""


@dataclass(frozen=True, eq=False)
class Identifiability:
    """What the runs can tell.

    Attributes
    ----------
    kept : dict of float
        For each parameter the expected posterior over prior standard deviation, on the link scale.
    repeats : tuple of str
        Parameters whose posterior will repeat the prior.
    together : tuple of tuple of str
        Parameters of which the runs tell only a combination.
    constant : tuple of str
        Inputs of the law that have one value in the whole table.
    """

    kept: dict[str, float]
    repeats: tuple[str, ...]
    together: tuple[tuple[str, ...], ...]
    constant: tuple[str, ...]

    def notes(self) -> list[str]:
        """What to tell before sampling, a sentence a defect; empty where there is none."""
        said = [
            f"all runs have the same {name}: what the law says of {name} cannot be learned from them"
            for name in self.constant
            if self.repeats or self.together
        ]
        if self.repeats:
            said.append(
                f"{_list(self.repeats)} will repeat {'its prior' if len(self.repeats) == 1 else 'their priors'}: these "
                "runs do not tell; give runs that differ more in what it multiplies, or a prior that you believe"
            )
        said += [
            f"{_list(names)} can be told only in combination: each alone stays nearly as wide as its prior, or moves "
            "with the others"
            for names in self.together
        ]
        return said


def identifiability(design: Design, seed: int = 0) -> Identifiability:
    """What the runs of a design can tell about the law's population parameters.

    Parameters
    ----------
    design : Design
        Its losses are not looked at, its inputs, priors and known `loss_se` are.
    seed : int
        Of the prior draws.
    """
    layout, data = layout_of(design), data_of(design)
    names = design.law.parameter_names
    sigma = np.exp(design.model.noise.sigma.normal("positive")[0])
    scale = jnp.asarray(np.hypot(sigma, design.loss_se / design.loss))
    z = np.random.default_rng(seed).normal(size=(DRAWS, len(names)))
    covariances = np.asarray(_left(z, layout, data, scale))
    # A prior draw can be so far out that the law overflows; it says nothing of the design.
    covariances = covariances[np.isfinite(covariances).all(axis=(1, 2))]
    constant = tuple(name for name, x in design.inputs.items() if np.ptp(x) <= 1e-9 * abs(x[0]))
    if not len(covariances):
        return Identifiability(dict.fromkeys(names, float("nan")), (), (), constant)
    mean = covariances.mean(axis=0)
    kept = {name: float(np.sqrt(mean[i, i])) for i, name in enumerate(names)}
    repeats = tuple(name for name in names if kept[name] > REPEATS)
    return Identifiability(kept, repeats, _together(mean, names, repeats), constant)


def problems_of(model: Model, runs: pd.DataFrame, file: str) -> list[Problem]:
    """The same as problems of a table, for a listing beside others."""
    return [
        Problem("warning", file, f"by the model {model.name}, {note}", "")
        for note in identifiability(make_design(model, runs)).notes()
    ]


@partial(jax.jit, static_argnums=1)
def _left(z: Any, layout: Layout, data: Data, scale: Any) -> Any:
    """Covariance of the standardised parameters that the runs leave, for each row of z."""

    def log_loss(one: Any) -> Any:
        values = unlink(layout.law, population(one, layout, data), data["reference"])
        return jnp.log(layout.law.loss(values, data["inputs"])) / scale

    def one(z: Any) -> Any:
        slope = jax.jacfwd(log_loss)(z)
        return jnp.linalg.inv(jnp.eye(z.shape[0]) + slope.T @ slope)

    return jax.vmap(one)(z)


def _together(
    covariance: np.ndarray, names: tuple[str, ...], repeats: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """Sets of parameters that share directions which the runs say nothing about; sets do not overlap."""
    rest = [i for i, name in enumerate(names) if name not in repeats]
    if len(rest) < 2:
        return ()
    values, vectors = np.linalg.eigh(covariance[np.ix_(rest, rest)])
    sets: list[set[int]] = []
    for value, vector in zip(values, vectors.T, strict=True):
        if value > UNKNOWN:
            new = {i for i, weight in zip(rest, vector, strict=True) if abs(weight) >= SHARES}
            apart = [old for old in sets if not old & new]
            sets = [*apart, new.union(*(old for old in sets if old & new))]
    return tuple(tuple(names[i] for i in sorted(group)) for group in sets if len(group) > 1)


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
