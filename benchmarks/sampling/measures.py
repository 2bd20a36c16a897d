"""What a fit came to, the same way for everybody's draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.inference.health import check_health
from bayescale.inference.quantities import quantities
from bayescale.models.design import Design

DEEPEST = 10
"""Doublings that every library here stops a trajectory at by default."""


@dataclass(frozen=True)
class Quality:
    """Of one fit's draws.

    Attributes
    ----------
    bulk, tail : float
        Least effective sample size over the constrained parameters: the law's parameters in every cell and in the
        population, standard deviations between groups, noise.
    where : str
        Which has the least bulk.
    r_hat : float
        Largest over the same.
    draws, divergences, cut : int
        `cut` counts trajectories that ended at the largest depth.
    leapfrogs : int
        Of the kept draws.
    verdict, missed : str
        Of our health gate, over everything that it looks at.
    """

    bulk: float
    tail: float
    where: str
    r_hat: float
    draws: int
    divergences: int
    cut: int
    leapfrogs: int
    verdict: str
    missed: str


def quality(design: Design, z: np.ndarray, stats: dict[str, np.ndarray]) -> Quality:
    """Of draws in our own vector, shape (chains, draws, size), and statistics of shape (chains, draws)."""
    named = quantities(design, z)
    labels = {name: named.coords[dims[0]] for name, dims in named.dims.items()}
    steps = np.maximum(stats["n_steps"], 1)
    full = dict(stats) | {"tree_depth": np.floor(np.log2(steps)).astype(int) + 1}
    gate = check_health(named.posterior, full, DEEPEST, labels=labels)
    constrained = {name: x for name, x in named.posterior.items() if _constrained(name)}
    own = {c.name: c for c in check_health(constrained, full, DEEPEST, labels=labels).checks}
    return Quality(
        bulk=own["bulk ESS"].value,
        tail=own["tail ESS"].value,
        where=own["bulk ESS"].where,
        r_hat=own["R-hat"].value,
        draws=int(np.asarray(stats["diverging"]).size),
        divergences=int(own["divergences"].value),
        cut=int(own["tree depth"].value),
        leapfrogs=int(np.sum(stats["n_steps"])),
        verdict=gate.verdict,
        missed=", ".join(gate.missed),
    )


def _constrained(name: str) -> bool:
    """Whether it is a parameter: effects and terms are read off others."""
    return name.endswith("_sd") or not ("|" in name or name.endswith("_term"))
