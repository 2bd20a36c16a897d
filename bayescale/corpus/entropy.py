"""Conditional entropies of the next token, from held-out losses extrapolated to more text than there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayescale.corpus.cache import with_cache
from bayescale.corpus.ngrams import losses

Array = np.ndarray

LONGEST = 6
"""Tokens of the longest n-gram's context: a longer one has been counted next to never."""

CONTEXTS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128])
FIRST = int(CONTEXTS[-1]) + 1
"""Held-out tokens that are context only."""

RUNGS = 6
"""Amounts of counted text, each half of the next."""

MOST_HELD_OUT = 65_536
HELD_OUT_BLOCKS = 64
LEARNING = np.geomspace(0.05, 1.0, 60)
"""Exponents at which an n-gram model's excess loss may fall with text; 1 is what a finished table of counts has."""

ROUGHNESS = 0.01
"""Nats by which a loss leaves its curve because the text is these documents and not others."""


@dataclass(frozen=True, eq=False)
class Entropies:
    """H_n, the entropy of the next token given n tokens, in nats.

    Attributes
    ----------
    contexts : ndarray of int, shape (contexts,)
        `CONTEXTS`: 0 to 128.
    counted : ndarray of int, shape (rungs,)
        Tokens that the models counted.
    loss : ndarray, shape (rungs, contexts)
        Their held-out losses: upper bounds of H_n.
    draws : ndarray, shape (draws, contexts)
        H_n, extrapolated to unlimited text.
    learning : ndarray, shape (draws,)
        Exponent at which the loss of the longest context falls with text, above whatever floor: what an n-gram model's
        own scaling law has for a data exponent.
    """

    contexts: Array
    counted: Array
    loss: Array
    draws: Array
    learning: Array


def entropies(
    train: Array,
    held_out: Array,
    vocab: int,
    rng: np.random.Generator,
    draws: int,
    told: Callable[[float], None] = lambda share: None,
) -> Entropies:
    """Estimate H_n for n in `CONTEXTS`.

    Notes
    -----
    The model is an n-gram model with a cache over the last n tokens. When it has counted P tokens it pays
    L_n(P) = H_n + b P^-c on text it has not counted. A draw resamples
    blocks of the held-out text, chooses how many of the largest amounts of text to use, and draws c given them, with
    H_n and b by least squares and not negative. One random number places c for every n: what an extrapolation gets
    wrong, it gets wrong for all context lengths alike. H_n cannot rise with n, and draws do not.
    """
    counted = np.array([len(train) // 2**k for k in range(RUNGS)][::-1])
    held_out = held_out[:MOST_HELD_OUT]
    blocks = []
    for amount in counted:
        static = losses(train[:amount], held_out, vocab, LONGEST, FIRST)
        paid = with_cache(static, held_out, CONTEXTS, FIRST)
        blocks.append([part.mean(axis=1) for part in np.array_split(paid, HELD_OUT_BLOCKS, axis=1)])
        told(float(amount / len(train)))
    by_block = np.array(blocks)  # rungs, blocks, contexts
    # A resampled mean weighs each block by how often it was picked.
    picked = rng.multinomial(HELD_OUT_BLOCKS, np.full(HELD_OUT_BLOCKS, 1 / HELD_OUT_BLOCKS), size=draws)
    resampled = np.einsum("db,rbc->rdc", picked / HELD_OUT_BLOCKS, by_block)
    used, place = rng.integers(4, RUNGS + 1, size=draws), rng.uniform(size=draws)
    limits, learning = np.empty((draws, len(CONTEXTS))), np.empty(draws)
    for count in range(4, RUNGS + 1):
        these = used == count
        limits[these], learning[these] = _limits(resampled[-count:, these], counted[-count:], place[these])
    return Entropies(
        contexts=CONTEXTS,
        counted=counted,
        loss=by_block.mean(axis=1),
        draws=np.minimum.accumulate(limits, axis=1),
        learning=learning,
    )


def _limits(loss: Array, counted: Array, place: Array) -> tuple[Array, Array]:
    """H_n for every n at the `place`-quantile of c given the losses, and c for the last n.

    `loss` is (rungs, draws, contexts), `place` (draws,); H_n is (draws, contexts), c (draws,).
    """
    shape, freedom = loss.shape[1:], len(counted) - 2
    flat = loss.reshape(len(counted), -1)
    weight, limit = [], []
    for c in LEARNING:
        limit_c, _, square = line((counted / counted[-1]) ** -c, flat)
        weight.append(-(freedom + 1) / 2 * np.log(square + len(counted) * ROUGHNESS**2))
        limit.append(limit_c)
    log_weight = np.array(weight).reshape(-1, *shape)
    share = np.cumsum(np.exp(log_weight - log_weight.max(axis=0)), axis=0)
    at = (share < place[:, None] * share[-1]).sum(axis=0)
    limits = np.take_along_axis(np.array(limit).reshape(-1, *shape), at[None], axis=0)[0]
    return limits, LEARNING[at[:, -1]]


def line(shape: Array, values: Array) -> tuple[Array, Array, Array]:
    """Least squares of values ~ level + slope * shape with neither negative: both, and the sum of squares.

    `shape` is (points,), `values` (points, columns).
    """
    centred = shape - shape.mean()
    slope = np.maximum(centred @ values / (centred @ centred), 0.0)
    level = values.mean(axis=0) - slope * shape.mean()
    through_zero = np.maximum(shape @ values / (shape @ shape), 0.0)
    below = level < 0
    slope, level = np.where(below, through_zero, slope), np.where(below, 0.0, level)
    return level, slope, ((values - level - np.outer(shape, slope)) ** 2).sum(axis=0)
