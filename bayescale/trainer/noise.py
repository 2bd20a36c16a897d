"""The gradient noise scale: the batch size, in tokens, at which noise and signal of the gradient are equal.

McCandlish et al. (2018), arXiv:1812.06162, section 2.2: B_simple = tr(Sigma) / |G|^2, with G the true gradient
and Sigma the covariance of a sequence's. It is the plain gradient's, without Adam's preconditioning, hence a
guide to the critical batch size and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Split:
    """Measures one step: its batch in two halves, whose gradients are compared.

    Parameters
    ----------
    model : nn.Module
        The model whose gradients are looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self._first: list[Tensor] = []

    def half_done(self) -> None:
        """Keep the gradients as they are after the first half of the batch."""
        self._first = [p.grad.clone() for p in self._parameters if p.grad is not None]

    @torch.no_grad()
    def estimate(self, tokens: int) -> tuple[float, float]:
        """Estimate |G|^2 and tr(Sigma), without bias, when both halves are accumulated.

        Parameters
        ----------
        tokens : int
            Tokens of the whole batch.

        Returns
        -------
        signal, noise : float
            |G|^2, which chance may make negative, and tr(Sigma) of one token's gradient.
        """
        now = [p.grad for p in self._parameters if p.grad is not None]
        dot = square = 0.0
        for both, first in zip(now, self._first, strict=True):
            second = both - first
            # Each half was accumulated with the weight one half.
            dot += 4 * torch.dot(first.flatten(), second.flatten()).item()
            square += 4 * (first - second).square().sum().item()
        # The halves are independent: E<g1, g2> = |G|^2 and E|g1 - g2|^2 = 2 tr(Sigma) / (tokens / 2).
        return dot, square * tokens / 4


def scale(measured: Sequence[tuple[int, float, float]], steps: int) -> float | None:
    """Return the noise scale in tokens over a run's second half; None where it cannot be told from noise.

    Parameters
    ----------
    measured : sequence of (step, signal, noise)
        As `Split.estimate` gives them.
    steps : int
        Steps of the run.

    Returns
    -------
    float or None
        The ratio of the means: single estimates scatter widely, their ratios more so.
    """
    late = [(g, s) for step, g, s in measured if 2 * step >= steps]
    signal, noise = sum(g for g, _ in late), sum(s for _, s in late)
    return noise / signal if signal > 0 else None
