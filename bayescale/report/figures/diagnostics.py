"""Did the sampler work: ranks of the chains, and the energy it explored."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator
from scipy.stats import binom, rankdata

from bayescale.models.density import noise_names
from bayescale.report.figures import style
from bayescale.report.subject import Subject

BINS = 20


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    narrow = width < 6
    tree = subject.posterior.tree
    means = (f"{p}_mean" for p in subject.posterior.model.definition.parameter_names)
    names = [*means, *noise_names(subject.posterior.design)]
    chains = tree["posterior"]["sigma"].shape[0]
    figure, axes = style.panels(width, len(names) + 1, 2 if narrow else 4, 1.55 if narrow else 1.7, 0.35)
    for axis, name in zip(axes, names, strict=False):
        _ranks(axis, tree["posterior"][name].to_numpy(), name)
    _energy(axes[-1], tree["sample_stats"]["energy"].to_numpy())
    handles: list[Any] = [
        Line2D([], [], label=f"chain {i}", **style.series(i)) for i in range(min(chains, 8))
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles) if not narrow else 4)
    return figure


def _ranks(axis: Any, draws: np.ndarray, name: str) -> None:
    """Ranks of one quantity by chain; chains that agree are flat, inside the shaded 98 % of chance."""
    ranks = rankdata(draws).reshape(draws.shape)
    # Chains are correlated: the band is that of independent draws and a little narrow.
    low, high = binom.ppf((0.01, 0.99), draws.shape[1], 1 / BINS)
    even = draws.shape[1] / BINS
    axis.axhspan(low / even, high / even, color=style.PALE, linewidth=0, zorder=0)
    edges = np.linspace(0, draws.size, BINS + 1)
    for i, chain in enumerate(ranks):
        counts = np.histogram(chain, bins=edges)[0] / even
        axis.step(
            np.arange(BINS + 1), np.append(counts, counts[-1]), where="post", linewidth=1, **style.series(i)
        )
    axis.set_title(style.label(name))
    axis.set_xlim(0, BINS)
    axis.set_ylim(0, max(2.0, axis.get_ylim()[1]))
    axis.xaxis.set_major_locator(FixedLocator([0, BINS]))
    axis.set_xticklabels(["lowest", "highest"])
    axis.get_xticklabels()[0].set_horizontalalignment("left")
    axis.get_xticklabels()[1].set_horizontalalignment("right")
    axis.yaxis.set_major_locator(MaxNLocator(3))


def _energy(axis: Any, energy: np.ndarray) -> None:
    """Energy about its mean against its change from draw to draw; alike is good."""
    spread = (energy - energy.mean()).ravel()
    change = np.diff(energy, axis=1).ravel()
    low, high = np.quantile(np.concatenate([spread, change]), (0.001, 0.999))
    edges = np.linspace(low, high, 36)
    if edges[0] == edges[-1]:
        edges = np.linspace(edges[0] - 1, edges[0] + 1, 36)
    for values, colour, text in ((spread, style.BLUE, "energy"), (change, style.VERMILLION, "change")):
        axis.hist(values, bins=edges, density=True, color=colour, alpha=0.35, label=text, linewidth=0)
    axis.set_title("energy, its change")
    axis.yaxis.set_major_locator(FixedLocator([]))
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.legend(loc="upper right", fontsize=7.5, handlelength=1, borderpad=0)
