"""What a measured accuracy says, roughly, before anything is fitted: how centred to sample follows from it."""

from __future__ import annotations

import numpy as np

TYPICAL_SPREAD = 0.005
"""Of rho, the correlation of two items of a run, where only the order of magnitude matters."""

EDGE = 0.02
"""Shares are kept this far from 0 and 1: a single wrong item does not make a score worthless."""


def of_logit(share: np.ndarray, items: np.ndarray, chance: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Fisher information of a count about the logit of its share of the way from chance to ceiling.

    Parameters
    ----------
    share : ndarray
        Measured, of right items.
    items : ndarray
        Counts, which the spread between runs shortens.
    chance, ceiling : ndarray

    Returns
    -------
    ndarray
        One over a variance, in logits; shape as `share`.
    """
    room = ceiling - chance
    way = np.clip((share - chance) / room, EDGE, 1 - EDGE)
    p = np.clip(chance + room * way, EDGE, 1 - EDGE)
    worth = items / (1 + (items - 1) * TYPICAL_SPREAD)
    return np.asarray(worth * (room * way * (1 - way)) ** 2 / (p * (1 - p)))
