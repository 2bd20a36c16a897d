"""Time against compute: steps and tokens at a batch size (Kaplan et al. 2020, sections 5.1 and 6).

The runs behind the law are taken to have been trained far below their critical batch, so that the law's D is E_min, the
fewest tokens to a loss. At a batch of B, E = E_min (1 + B/B_crit) tokens and S = E/B steps lead there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayescale.laws.rules.kaplan import critical_batch

ROUNDS = 14
"""Of the implicit equation: the critical batch is that of the loss that is reached. B_crit goes as L^-4.8, and the loss
as a small power of the tokens: each round gains a digit or so."""

RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)


def loss_at_batch(
    loss: Callable[[Any], Any], tokens: Any, batch: Literal["critical"] | float | None
) -> tuple[Any, Any]:
    """Loss after `tokens` at a batch size, and that size in tokens; None where no batch is asked for.

    Parameters
    ----------
    loss : callable
        Of the fewest tokens.
    tokens : array_like
        Those that are trained on.
    batch : "critical" or float, optional
    """
    if batch is None:
        return loss(tokens), None
    if batch == "critical":
        reached = loss(tokens / 2)
        return reached, critical_batch(reached)
    reached = loss(tokens)
    # Next to no tokens give an infinite loss, whose critical batch is zero: the loss stays infinite.
    with np.errstate(divide="ignore", over="ignore"):
        for _ in range(ROUNDS):
            reached = loss(tokens / (1 + batch / critical_batch(reached)))
    return reached, np.full(np.shape(reached), batch)


def trade_off(loss: float, tokens: float, batch: float) -> pd.DataFrame:
    """The same loss faster or cheaper: batch, steps and compute relative to a plan, a row a batch size.

    Parameters
    ----------
    loss : float
        That is reached, nats per token.
    tokens, batch : float
        Of the plan.
    """
    critical = critical_batch(loss)
    fewest = tokens / (1 + batch / critical)
    sizes = np.array(RATIOS) * critical
    needed = fewest * (1 + sizes / critical)
    return pd.DataFrame(
        {
            "batch_tokens": sizes,
            "times_critical": RATIOS,
            "tokens": needed,
            "steps": needed / sizes,
            "compute_ratio": needed / tokens,
            "steps_ratio": (needed / sizes) / (tokens / batch),
        }
    )
