"""Partial pooling that samples well: how much of a group's mean is left in its coordinate.

A group that the data know well is sampled as itself (centred), one that they hardly know as a deviation in units
of the spread (non-centred); between the two, something between (Papaspiliopoulos et al. 2007; Gorinova et al. 2020).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def centredness(information: np.ndarray, spread: float) -> np.ndarray:
    """How centred each group is, from 0 to 1: the share of what is known of it that the data say.

    Parameters
    ----------
    information : ndarray
        Of the data about each group, one over the variance.
    spread : float
        A typical standard deviation between groups.
    """
    return np.asarray(information / (information + spread**-2.0))


def pooled(name: str, mean: Any, spread: Any, centred: Any) -> Any:
    """Groups' values, normal about a mean with a spread; shape that of `centred`.

    The site `name` holds the values, ``name_raw`` the coordinate.
    """
    raw = numpyro.sample(f"{name}_raw", dist.Normal(mean * centred, spread**centred).to_event(1))
    return numpyro.deterministic(name, mean + spread ** (1 - centred) * (raw - centred * mean))


def log_normal(name: str, normal: tuple[float, float]) -> Any:
    """A positive site with a normal prior on its log."""
    return jnp.exp(numpyro.sample(f"log_{name}", dist.Normal(*normal)))
