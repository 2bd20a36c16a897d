"""Token sources whose statistics are known exactly."""

from __future__ import annotations

import numpy as np

BETA, LEVEL, KINDS = 0.6, 0.7, 16


def renewals(tokens: int, seed: int) -> np.ndarray:
    """Runs of one token whose lengths make |C(n)| = LEVEL n^-BETA sqrt(KINDS - 1) / KINDS for every n >= 1.

    Every run draws its token anew, so that two tokens n apart are dependent just where no run began between them, with
    probability S(n); S(n) = LEVEL n^-BETA fixes the lengths by P(length > l) = (S(l) - S(l + 1)) / (1 - S(1)).
    """
    rng = np.random.default_rng(seed)
    n = np.arange(1, 1_000_001, dtype=float)
    stays = np.concatenate([[1.0], LEVEL * n**-BETA])
    longer = (stays[:-1] - stays[1:]) / (1 - stays[1])
    lengths = np.searchsorted(-longer[1:], -rng.uniform(size=tokens)) + 1
    kinds = rng.integers(KINDS, size=tokens)
    return np.repeat(kinds, lengths)[:tokens]


def exact_size(distances: np.ndarray) -> np.ndarray:
    return LEVEL * distances**-BETA * np.sqrt(KINDS - 1) / KINDS


def chain(tokens: int, seed: int) -> tuple[np.ndarray, float, float]:
    """A Markov chain that stays or moves on round a circle, with its H_0 and its H_1 = H_2 = ... in nats."""
    rng = np.random.default_rng(seed)
    moves = rng.choice(3, size=tokens, p=[0.6, 0.3, 0.1])
    entropy = -sum(p * np.log(p) for p in (0.6, 0.3, 0.1))
    return np.cumsum(moves) % 8, float(np.log(8)), float(entropy)
