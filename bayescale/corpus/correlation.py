"""How strongly tokens at a distance depend on each other, with the noise of finite text taken out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

MOST_KINDS = 1024
"""Kinds of token told apart; rarer ones count as one kind, so that a matrix of pairs stays small."""

BLOCKS = 16


@dataclass(frozen=True, eq=False)
class Correlation:
    """Squared size of the token-token covariance at distances.

    Attributes
    ----------
    distances : ndarray of int, shape (distances,)
    square : ndarray, shape (distances,)
        Squared Frobenius norm of C(n) = P(x_t, x_{t+n}) - P(x_t) P(x_{t+n}), estimated without bias: it scatters
        about zero where there is no correlation.
    square_se : ndarray, shape (distances,)
        Jackknife standard error over blocks of text.
    floor : ndarray, shape (distances,)
        What counting alone would have added to `square`: the noise floor of the plug-in estimate.
    left_out : ndarray, shape (blocks, distances)
        `square` without each block: what the jackknife is made of.
    """

    distances: Array
    square: Array
    square_se: Array
    floor: Array
    left_out: Array

    @property
    def size(self) -> Array:
        """|C(n)|, zero where the estimate of its square is below zero."""
        return np.sqrt(np.maximum(self.square, 0.0))

    @property
    def significant(self) -> Array:
        """Distances at which the square is more than three standard errors above zero."""
        return self.square > 3 * self.square_se


def correlation(
    tokens: Array, piece: Array, distances: Array, told: Callable[[float], None] = lambda share: None
) -> Correlation:
    """Measure |C(n)| at distances.

    Parameters
    ----------
    tokens : ndarray of int, shape (tokens,)
        Pieces of text (documents) one after another, in random order.
    piece : ndarray of int, shape (tokens,)
        Which piece each token is of; pairs across pieces are left out.
    distances : ndarray of int
    told : callable, optional
        Told of the share done.

    Notes
    -----
    The text is cut into blocks whose covariances C_k have independent noise, so that <C_k, C_l> estimates |C|^2 without
    the noise floor that |C_k|^2 has: the mean over pairs of different blocks is the estimate.
    """
    kinds, tokens = _common(tokens)
    edges = np.linspace(0, len(tokens), BLOCKS + 1).astype(int)
    squares, floors, left = [], [], []
    for done, n in enumerate(distances):
        covariances = np.stack(
            [_covariance(tokens[a:b], piece[a:b], int(n), kinds) for a, b in itertools.pairwise(edges)]
        )
        gram = (covariances @ covariances.T).astype(float)
        squares.append(_between(gram))
        # What the plug-in estimate from all blocks together would have on top.
        floors.append(gram.mean() - squares[-1])
        left.append([_between(np.delete(np.delete(gram, k, 0), k, 1)) for k in range(BLOCKS)])
        told((done + 1) / len(distances))
    square, left_out = np.array(squares), np.array(left).T
    spread = left_out - left_out.mean(axis=0)
    se = np.sqrt((BLOCKS - 1) / BLOCKS * (spread**2).sum(axis=0))
    return Correlation(np.asarray(distances), square, se, np.array(floors), left_out)


def _common(tokens: Array) -> tuple[int, Array]:
    """Renumber by frequency; what is rarer than the most frequent kinds is one kind."""
    ids, inverse, counts = np.unique(tokens, return_inverse=True, return_counts=True)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(ids))
    return min(len(ids), MOST_KINDS), np.minimum(rank, MOST_KINDS - 1)[inverse]


def _covariance(tokens: Array, piece: Array, n: int, kinds: int) -> Array:
    """C(n) of one block, flattened; single precision, for sixteen of them are held at once."""
    same = piece[:-n] == piece[n:]
    first, second = tokens[:-n][same], tokens[n:][same]
    if not len(first):
        return np.zeros(kinds * kinds, dtype=np.float32)
    joint = np.bincount(first * kinds + second, minlength=kinds * kinds) / len(first)
    margins = (np.bincount(x, minlength=kinds) / len(first) for x in (first, second))
    return (joint - np.outer(*margins).ravel()).astype(np.float32)


def _between(gram: Array) -> float:
    """Mean over pairs of different blocks."""
    count = len(gram)
    return float((gram.sum() - np.trace(gram)) / (count * (count - 1)))
