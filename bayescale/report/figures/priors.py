"""What the data taught: prior and posterior of the population means, and of the noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.stats import norm

from bayescale.laws import Range
from bayescale.laws.base import Support
from bayescale.models.layout import noise_names
from bayescale.report.figures import style
from bayescale.report.figures.parameters import ordered
from bayescale.report.subject import Subject


def learned(subject: Subject) -> list[tuple[str, Range, Support, np.ndarray]]:
    """Return what has a prior of its own: its name, prior, support and draws; a centred parameter as its term."""
    posterior = subject.posterior
    model, law = posterior.model, posterior.model.definition
    means = law.sampled(
        {p: posterior.draws(f"{p}_mean") for p in law.parameter_names}, posterior.design.reference
    )
    found: list[tuple[str, Range, Support, np.ndarray]] = [
        (
            p.centring.symbol if p.centring else p.name,
            model.prior(p.name),
            p.support,
            np.asarray(means[p.name]),
        )
        for p in ordered(law)
    ]
    noise: list[tuple[str, Range, Support, np.ndarray]] = [
        (name, getattr(model.noise, name), "positive", posterior.draws(name))
        for name in noise_names(posterior.design)
    ]
    return found + noise


def linked(x: Any, support: Support) -> np.ndarray:
    """Return values on the link scale."""
    x = np.asarray(x, dtype=float)
    return x if support == "real" else np.log(x) if support == "positive" else np.log(x / (1 - x))


def narrowing(prior: Range, support: Support, draws: np.ndarray) -> float:
    """Return how many times narrower the posterior is than the prior, in standard deviations of the link scale."""
    return float(prior.normal(support)[1] / linked(draws, support).std())


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    narrow, rows = width < 6, learned(subject)
    figure, axes = style.panels(width, len(rows), 2 if narrow else 4, 1.6, 0.35)
    for axis, (name, prior, support, draws) in zip(axes, rows, strict=True):
        mean, sd = prior.normal(support)
        values = linked(draws, support)
        low, high = min(mean - 2.6 * sd, values.min()), max(mean + 2.6 * sd, values.max())
        grid, near = np.linspace(low, high, 80), np.linspace(values.min(), values.max(), 80)
        before, after = norm.pdf(grid, mean, sd), _density(values, near)
        # Each to its own height: on one scale a prior that the data have overruled is a flat line.
        axis.fill_between(grid, before / before.max(), color="#bdbdbd", alpha=0.7, linewidth=0)
        axis.fill_between(near, after / after.max(), color=style.BLUE, alpha=0.75, linewidth=0)
        axis.set_title(
            f"{style.label(name, 20)}   {_times(narrowing(prior, support, draws), narrow)}", fontsize=8.5
        )
        axis.set_ylim(0, 1.08)
        axis.set_yticks([])
        axis.grid(visible=False)
        axis.spines["left"].set_visible(False)
        ticks = _ticks(low, high, support)
        axis.set_xticks(linked(ticks, support))
        axis.set_xticklabels([f"{t:.3g}" for t in ticks])
        axis.set_xlim(low, high)
    handles = [
        Patch(color="#bdbdbd", alpha=0.7, label="prior"),
        Patch(color=style.BLUE, alpha=0.75, label="posterior"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _times(factor: float, narrow: bool) -> str:
    if narrow:
        return f"×{factor:.2g}"
    return f"×{factor:.2g} narrower" if factor >= 1.05 else "not narrowed"


def _density(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """A Gaussian kernel estimate with Silverman's bandwidth, from a fine histogram: quick for any number of draws."""
    width = max(1.06 * values.std() * len(values) ** -0.2, (grid[1] - grid[0]) / 2, 1e-9)
    counts, edges = np.histogram(values, bins=200)
    middles = (edges[1:] + edges[:-1]) / 2
    return np.asarray(norm.pdf(grid[:, None], middles, width) @ (counts / len(values)))


def _ticks(low: float, high: float, support: Support) -> list[float]:
    if support == "positive":
        return style.log_ticks(float(np.exp(low)), float(np.exp(high)), 4)
    if support == "unit":
        return [x for x in (0.01, 0.1, 0.5, 0.9, 0.99) if low <= np.log(x / (1 - x)) <= high]
    return [float(f"{x:.2g}") for x in np.linspace(low, high, 4)]
