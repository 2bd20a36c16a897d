"""Fitting: a design in, raw draws and their health out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.inference.health import Health, check_health
from bayescale.inference.nuts import Draws, Progress, Settings, sample
from bayescale.inference.quantities import Quantities, quantities
from bayescale.inference.start import find_start
from bayescale.models.density import data_of, layout_of
from bayescale.models.design import Design


@dataclass(frozen=True, eq=False)
class Fit:
    """Draws, what they come to in natural units, and whether to believe them."""

    draws: Draws
    quantities: Quantities
    health: Health


def fit_design(design: Design, seed: int, settings: Settings, progress: Progress | None = None) -> Fit:
    """Sample the posterior of a design by NUTS and check it."""
    rng = np.random.default_rng(seed)
    layout, data = layout_of(design), data_of(design)
    draws = sample(layout, data, find_start(layout, data, rng), seed, settings, progress)
    named = quantities(design, draws.z)
    labels = {name: named.coords[dims[0]] for name, dims in named.dims.items()}
    health = check_health(named.posterior, draws.stats, settings.max_tree_depth, labels=labels)
    return Fit(draws, named, health)
