"""From loss to accuracy: how far from chance to ceiling a model of a given loss has come.

Both curves have two parameters: how far a model of the reference loss has come, and a rate per nat. They work on
NumPy arrays, and traced by JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import jax
import jax.numpy as jnp

Link = Literal["sigmoid", "exponential"]


def sigmoid(level: Any, slope: Any, gain: Any) -> Any:
    """Share of the way from chance to ceiling, a logistic curve in loss.

    Parameters
    ----------
    level : array
        Logit of the share at the reference loss.
    slope : array
        Logits per nat.
    gain : array
        Reference loss less loss, in nats.
    """
    return jax.nn.sigmoid(level + slope * gain)


def exponential(level: Any, slope: Any, gain: Any) -> Any:
    """Share of the way: error falls as eps - k exp(-gamma L) (Gadre et al. 2024, eq. 5), and not below zero.

    eps, the error of a model whose loss is large, is that of guessing, and known; gamma is `slope` and k follows
    from the share at the reference loss. The curve has no ceiling of its own and is cut off there.
    """
    return jnp.exp(jnp.minimum(jax.nn.log_sigmoid(level) + slope * gain, 0.0))


LINKS: Mapping[str, Callable[[Any, Any, Any], Any]] = MappingProxyType(
    {"sigmoid": sigmoid, "exponential": exponential}
)
