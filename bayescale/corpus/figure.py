"""The figure: how entropy falls with context, and correlations with distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bayescale.corpus.entropy import line
from bayescale.corpus.prior import CorpusPrior

Array = np.ndarray


def draw(prior: CorpusPrior, path: str | Path) -> Path:
    """Draw both curves with their power laws and save them; the ending of `path` says in which format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _entropies(left, prior)
    _correlations(right, prior)
    figure.suptitle(f"{prior.source}, vocabulary {prior.vocab}", fontsize=10)
    path = Path(path)
    figure.savefig(path, dpi=150)
    return path


def _entropies(axes: Any, prior: CorpusPrior) -> None:
    entropies = prior.entropies
    n = entropies.contexts[1:]
    low, mid, high = np.quantile(entropies.draws[:, 1:], (0.05, 0.5, 0.95), axis=0)
    gamma = float(np.median(prior.gamma))
    floor = float(line(n**-gamma, mid[:, None])[0][0])
    axes.plot(n, entropies.loss[-1, 1:] - floor, "o", ms=4, color="0.5", label="held-out loss")
    axes.fill_between(
        n, np.maximum(low - floor, 1e-3), high - floor, alpha=0.25, lw=0, label="extrapolated, 90 %"
    )
    slope = line(n**-gamma, mid[:, None])[1][0]
    axes.plot(n, slope * n**-gamma, color="C3", lw=1.2, label=f"$n^{{-{gamma:.2f}}}$, median")
    _label(axes, f"excess entropy over {floor:.2f} nats", "tokens of context n")
    axes.set_ylim(bottom=max(1e-2, 0.3 * slope * float(n[-1]) ** -gamma))


def _correlations(axes: Any, prior: CorpusPrior) -> None:
    measured = prior.correlation
    n, size = measured.distances, measured.size
    error = measured.square_se / (2 * np.maximum(size, 1e-12))
    axes.errorbar(n, size, np.minimum(error, 0.9 * size), fmt="o", ms=4, lw=1, label="noise taken out")
    axes.plot(n, np.sqrt(np.maximum(measured.floor, 0)), ":", color="0.5", label="noise floor of counting")
    beta = float(np.median(prior.beta))
    level = np.exp(np.mean(np.log(np.maximum(size, 1e-12)) + beta * np.log(n)))
    axes.plot(n, level * n**-beta, color="C3", lw=1.2, label=f"$n^{{-{beta:.2f}}}$, median")
    _label(axes, "size of token-token covariance |C(n)|", "distance n in tokens")


def _label(axes: Any, y: str, x: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    axes.legend(fontsize=8, frameon=False)
