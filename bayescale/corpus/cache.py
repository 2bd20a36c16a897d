"""What longer contexts add to an n-gram model: words that have occurred a little while ago occur again.

Counting has seen no context of more than a few tokens often enough, so that an n-gram model alone makes conditional
entropies look flat where they still fall. A cache over the last n tokens shows what is there to gain.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

STEPS = 30
"""Of expectation-maximisation, for two or three weights."""


def with_cache(static: Array, text: Array, contexts: Array, first: int) -> Array:
    """Loss at every token from position `first` on, given n tokens, for each n.

    Parameters
    ----------
    static : ndarray, shape (longest + 1, scored tokens)
        Loss of the n-gram models there.
    text : ndarray of int
        The held-out text, `first` unscored tokens leading.
    contexts : ndarray of int
        Ascending; the largest is below `first`.
    first : int

    Returns
    -------
    ndarray, shape (contexts, scored tokens)

    Notes
    -----
    A mixture of the n-gram model of the longest order that n allows, the frequencies of the last n tokens, and what
    followed the last token where it occurred among them before (Kuhn & De Mori 1990, A cache-based natural language
    model for speech recognition, with a bigram cache beside). Its weights are fitted to the scored tokens: three
    numbers to tens of thousands.
    """
    scored = np.arange(first, len(text))
    now, before = text[scored], text[scored - 1]
    seen, followed, occurred = (np.zeros(len(scored)) for _ in range(3))
    out = np.empty((len(contexts), len(scored)))
    lag = 0
    for row, n in enumerate(contexts):
        while lag < n:
            lag += 1
            again = now == text[scored - lag]
            seen += again
            if lag > 1:
                # The pair (lag, lag - 1) lies within the last `lag` tokens.
                same = before == text[scored - lag]
                occurred += same
                followed += same & (now == text[scored - lag + 1])
        model = np.exp(-static[min(n, len(static) - 1)])
        if not n:
            out[row] = -np.log(model)
            continue
        parts = np.stack([model, seen / n, followed / np.maximum(occurred, 1)])
        probability = np.empty(len(scored))
        for where, used in ((occurred > 0, parts), (occurred == 0, parts[:2])):
            if where.any():
                probability[where] = _weights(used[:, where]) @ used[:, where]
        out[row] = -np.log(probability)
    return out


def _weights(parts: Array) -> Array:
    """Mixture weights of the greatest likelihood, shape (parts,), for probabilities (parts, tokens)."""
    # A sixteenth of many tokens places three weights well enough.
    sample = parts[:, :: max(1, parts.shape[1] // 16_384)]
    weights = np.full(len(parts), 1 / len(parts))
    for _ in range(STEPS):
        shares = weights[:, None] * sample
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return weights
