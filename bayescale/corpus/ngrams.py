"""Held-out losses of n-gram models: interpolated, modified Kneser-Ney, every order in one pass.

Counting n-grams in the text they are scored on makes conditional entropies look low; scoring text that was not counted
makes them look high. The second error has a sign that one can rely on (a cross-entropy is never below the entropy)
and shrinks as text is added, so it can be extrapolated away. Kneser-Ney is the n-gram model whose error is smallest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

LEAST_DISCOUNT = 0.05
"""Of a count, so that what was never counted keeps some probability even where no count is one."""


@dataclass(frozen=True, eq=False)
class _Grams:
    """The distinct (order + 1)-grams of the counted text.

    `context` and `suffix` are the ids of their first and last `order` tokens among the grams one shorter, `raw` how
    often each occurs, `scored` the gram that ends at each scored position.
    """

    raw: Array
    context: Array
    suffix: Array
    scored: Array


def losses(train: Array, held_out: Array, vocab: int, longest: int, first: int) -> Array:
    """Nats that an n-gram model pays at every held-out token, for each context length.

    Parameters
    ----------
    train, held_out : ndarray of int, shape (tokens,)
        Ids below `vocab`. The model counts the first and is scored on the second.
    vocab : int
    longest : int
        Longest context, in tokens.
    first : int
        First held-out token that is scored, not before `longest`.

    Returns
    -------
    ndarray, shape (longest + 1, held-out tokens less first)
        Row n is the loss given n tokens. Every row scores the same tokens.

    Notes
    -----
    Chen & Goodman 1999, An empirical study of smoothing techniques, section 3: the highest order interpolates raw
    counts with a lower order whose counts are numbers of distinct left neighbours.
    """
    grams = _all_grams(train, held_out, vocab, longest, first)
    lower = np.full(len(held_out) - first, 1.0 / vocab)
    out = np.empty((longest + 1, len(lower)))
    for n, one in enumerate(grams):
        out[n] = -np.log(_interpolated(one, one.raw, lower))
        if n < longest:
            # A gram's continuation count: how many distinct grams one longer end in it.
            longer = grams[n + 1]
            counted = longer.raw > 0
            kinds = np.bincount(longer.suffix[counted], minlength=len(one.raw))
            lower = _interpolated(one, kinds, lower)
    return out


def _all_grams(train: Array, held_out: Array, vocab: int, longest: int, first: int) -> list[_Grams]:
    text = np.concatenate([train, held_out]).astype(np.int64)
    counted, first_scored = len(train), len(train) + first
    ids, grams = np.zeros(len(text), dtype=np.int64), []
    for n in range(longest + 1):
        # ids[i] is the gram of n tokens that ends before or at i; with the next token it is a gram of n + 1.
        before = ids
        codes = before[:-1][max(n - 1, 0) :] * vocab + text[n:] if n else text
        kinds, inverse = np.unique(codes, return_inverse=True)
        ids = np.full(len(text), -1, dtype=np.int64)
        ids[n:] = inverse
        where = np.arange(n, counted)
        raw = np.bincount(ids[where], minlength=len(kinds))
        place = np.zeros(len(kinds), dtype=np.int64)
        place[ids[where]] = where
        context = before[place - 1] if n else np.zeros(len(kinds), dtype=np.int64)
        suffix = before[place] if n else np.zeros(len(kinds), dtype=np.int64)
        # A gram of the held-out text alone has no place in the counted one; its context still has.
        unseen = raw == 0
        scored = ids[first_scored:]
        if n and unseen.any():
            context[scored] = before[first_scored - 1 : -1]
        grams.append(_Grams(raw, context, suffix, scored))
    return grams


def _interpolated(grams: _Grams, counts: Array, lower: Array) -> Array:
    """Probability of every scored token: discounted counts, and what that frees spread as the lower order says."""
    discount = _discounts(counts)[np.minimum(counts, 3)]
    contexts = int(grams.context.max()) + 1
    total = np.bincount(grams.context, weights=counts, minlength=contexts)
    freed = np.bincount(grams.context, weights=discount, minlength=contexts)
    event = grams.scored
    context = grams.context[event]
    known = total[context] > 0
    safe = np.where(known, total[context], 1.0)
    mixed = ((counts - discount)[event] + freed[context] * lower) / safe
    return np.where(known, mixed, lower)


def _discounts(counts: Array) -> Array:
    """Chen & Goodman's discounts of counts 0, 1, 2 and 3 or more, from how many grams have counts 1 to 4."""
    kinds = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    one, two = kinds[1], kinds[2]
    shared = one / (one + 2 * two) if one + two else 0.0
    out = np.zeros(4)
    for count in (1, 2, 3):
        ratio = kinds[count + 1] / kinds[count] if kinds[count] else 0.0
        out[count] = np.clip(count - (count + 1) * shared * ratio, LEAST_DISCOUNT * count, count)
    return out
