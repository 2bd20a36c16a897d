"""A Markov language of order two with Zipfian words, whose entropy rate is known exactly.

After each pair of symbols the next one follows Zipf's law over an order of the alphabet that is that pair's
own. Every pair has the same law over ranks, so the entropy rate is that law's entropy whatever the pairs'
frequencies are; and since the orders share a tendency, symbols and pairs are Zipfian as well, so that there is
always a rarer pair left to learn.
"""

from __future__ import annotations

import numpy as np

from bayescale.trainer.corpora import _language
from bayescale.trainer.corpora._common import Corpus

SPREAD = 0.7  # how far orders differ, in the logarithm of the rank


def collect(symbols: int = 64, exponent: float = 1.2, documents: int = 1024, seed: int = 0) -> Corpus:
    """Sample the language.

    Parameters
    ----------
    symbols : int
        Size of the alphabet.
    exponent : float
        Zipf's; larger is more predictable.
    documents : int
        Independent stretches of 8,192 symbols.
    seed : int
        Draws the language and its text.

    Raises
    ------
    TrainerError
        If the sizes are out of range.
    """
    _language.check(symbols, documents)
    generator = np.random.default_rng(seed)
    law = _language.zipf(symbols, exponent)
    # Sorting by log rank plus noise: frequent symbols tend to stay ahead.
    noisy = np.log(np.arange(1, symbols + 1)) + SPREAD * generator.gumbel(size=(symbols, symbols, symbols))
    rank = noisy.argsort(axis=-1).argsort(axis=-1)
    follows = law[rank]  # (before last, last, next)
    rate = float(-(law * np.log(law)).sum())

    pair = _stationary(follows)
    last = pair.sum(axis=0)
    after_one = np.einsum("ab,abc->bc", pair, follows) / last[:, None]
    first = float(-(last[:, None] * after_one * np.log(after_one)).sum())
    # Only a window's first prediction has one symbol to go by; all others have two, and more would not help.
    floor = [(first + (context - 1) * rate) / context for context in range(1, _language.CONTEXTS + 1)]

    length = _language.DOCUMENT
    sampled = np.empty((documents, length), dtype=np.int64)
    start = generator.choice(symbols**2, size=documents, p=pair.ravel())
    sampled[:, 0], sampled[:, 1] = np.divmod(start, symbols)
    cumulative = follows.cumsum(axis=-1)
    for t in range(2, length):
        sampled[:, t] = _language.draw(
            cumulative[sampled[:, t - 2], sampled[:, t - 1]], generator.random(documents)
        )
    return _language.corpus(
        sampled,
        symbols,
        source=f"Markov language of order 2, {symbols} symbols, Zipf exponent {exponent:g}, seed {seed}",
        rate=(rate, 0.0),
        floor=floor,
        floor_se=np.zeros(len(floor)),
    )


def _stationary(follows: _language.Float) -> _language.Float:
    """Return the pairs' stationary distribution, by iterating the chain until it stays."""
    symbols = follows.shape[0]
    pair = np.full((symbols, symbols), symbols**-2.0)
    while True:
        after = np.einsum("ab,abc->bc", pair, follows)
        if np.abs(after - pair).sum() < 1e-14:
            return after
        pair = after
