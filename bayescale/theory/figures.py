"""Figures: the phase plane, and compute-optimal curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bayescale.numerals import scientific
from bayescale.report.figures import style
from bayescale.theory.phases import IV_SPLIT, NONE, PHASES, exponents

COLOURS = {
    "Ia": "#cfe3f1",
    "Ib": "#a9cfe8",
    "Ic": "#7fb8dc",
    "II": "#cfe9dd",
    "III": "#f6d9c8",
    "IVa": "#ecd3e1",
    "IVb": "#dcb0cb",
    NONE: "#f4f4f4",
}
"""A phase's shade: one family for each pair of terms in balance."""
ALPHA, BETA, POINTS = (0.02, 1.3), (0.02, 1.3), 200
BALANCE = {
    "F_0": "capacity",
    "F_pp": "own modes",
    "F_ac": "spread modes",
    "K_pp": "SGD noise",
}


def phase_map(points: int = POINTS) -> tuple[np.ndarray, np.ndarray, Any]:
    """alpha and beta of a grid, shape (points,) each, and the exponents there, shape (points, points)."""
    alpha, beta = np.linspace(*ALPHA, points), np.linspace(*BETA, points)
    return alpha, beta, exponents(alpha[None, :], beta[:, None])


def draw_map(path: str | Path, marks: dict[str, tuple[float, float]] | None = None) -> Path:
    """The phase plane with its boundaries, and eta and xi over it; the ending of `path` says in which format.

    Parameters
    ----------
    path : path
    marks : dict of str to (alpha, beta), optional
        Points to mark, with their labels.
    """
    alpha, beta, found = phase_map()
    with style.styled():
        figure, axes = style.panels(style.WIDE * 1.25, 3, 3, 3.7)
        names = [*PHASES, NONE]
        index = np.vectorize(names.index)(found.phase)
        from matplotlib.colors import ListedColormap

        axes[0].imshow(
            index,
            origin="lower",
            extent=(*ALPHA, *BETA),
            aspect="auto",
            interpolation="nearest",
            cmap=ListedColormap([COLOURS[name] for name in names]),
            vmin=-0.5,
            vmax=len(names) - 0.5,
        )
        _name_phases(axes[0])
        for axis, name, title in ((axes[1], "eta", "η: P* ~ f^−η"), (axes[2], "xi", "ξ: d* ~ f^ξ")):
            values = getattr(found, name)
            shown = axis.imshow(values, origin="lower", extent=(*ALPHA, *BETA), aspect="auto", cmap="viridis")
            levels = np.arange(0.1, 0.75, 0.1) if name == "eta" else np.arange(0.3, 0.5, 0.05)
            lines = axis.contour(alpha, beta, values, levels, colors="white", linewidths=0.7)
            axis.clabel(lines, fontsize=7, fmt="%.2g")
            axis.set_title(title)
            figure.colorbar(shown, ax=axis, pad=0.02, aspect=30)
        axes[0].set_title("Phases")
        for axis in axes:
            _boundaries(axis, "#555555" if axis is axes[0] else "black")
            axis.set(xlabel="α, complexity of the data", xlim=ALPHA, ylim=BETA)
            axis.grid(False)
        axes[0].set_ylabel("β, complexity of the target")
        for label, (a, b) in (marks or {}).items():
            axes[0].plot(a, b, "o", color=style.BLACK, markersize=3.5)
            axes[0].annotate(
                style.label(label), (a, b), xytext=(4, 3), textcoords="offset points", fontsize=7.5
            )
        return _save(figure, path)


def _name_phases(axis: Any) -> None:
    places = {
        "Ia": (0.93, 0.24),
        "Ib": (0.385, 0.38),
        "Ic": (0.125, 0.9),
        "II": (1.05, 0.7),
        "III": (0.8, 1.08),
        "IVa": (0.397, 0.9),
        "IVb": (0.2714, 0.9),
        NONE: (0.17, 0.12),
    }
    for name, (a, b) in places.items():
        if name == NONE:
            text = "no power law"
        elif name in ("IVa", "IVb"):
            text = name
        else:
            one, other = (BALANCE[t] for t in PHASES[name].terms)
            text = f"{name}\n{one}\n= {other}" if name not in ("Ib", "Ic") else name
        narrow = name in ("IVa", "IVb")
        axis.text(
            a, b, text, ha="center", va="center", fontsize=8, rotation=90 if narrow else 0, linespacing=1.2
        )


def _boundaries(axis: Any, colour: str) -> None:
    style_of = {"color": colour, "linewidth": 0.9}
    axis.plot([0.5, 0.5], [0, BETA[1]], **style_of)
    axis.plot([0, ALPHA[1]], [0.5, 0.5], **style_of)
    axis.plot([0.5, ALPHA[1]], [0.5, BETA[1]], **style_of)
    axis.plot([0, 0.5], [0.5, 0], **style_of)
    for x in (0.25, IV_SPLIT):
        axis.plot([x, x], [0.5, BETA[1]], **style_of)


def draw_curves(
    path: str | Path,
    alpha: float,
    beta: float,
    sizes: Any = (50, 100, 200, 400, 800, 1600, 3200),
    ratio: float | None = None,
    share: float = 0.5,
    batch: int = 1,
) -> Path:
    """Loss against FLOPs for some sizes, the best size, and its local exponents beside the asymptotic ones."""
    from bayescale.theory.compute_optimal import budgets_for, envelope, frontier

    options: dict[str, Any] = {"ratio": ratio, "share": share, "batch": batch}
    sizes = sorted(float(d) for d in sizes)
    budgets = budgets_for(alpha, beta, (sizes[0], sizes[-1]), 33, **options)
    optimal = frontier(alpha, beta, budgets, largest=100 * sizes[-1], **options)
    flops = np.geomspace(budgets[0] / 10, budgets[-1] * 10, 90)
    losses = envelope(alpha, beta, sizes, flops, **options)
    asymptotic = exponents(alpha, beta)
    with style.styled():
        figure, (left, right) = style.panels(style.WIDE, 2, 2, 3.8)
        from matplotlib import colormaps

        shades = colormaps["viridis"](np.linspace(0, 0.9, len(sizes)))
        for d, line, colour in zip(sizes, losses, shades, strict=True):
            left.plot(flops, line, color=colour, linewidth=1.1, label=f"d = {d:g}")
        left.plot(optimal["flops"], optimal["loss"], color=style.BLACK, linewidth=1.8, label="best size")
        slope = optimal["loss"].iloc[-1] * (flops / optimal["flops"].iloc[-1]) ** -asymptotic.eta
        left.plot(
            flops,
            slope,
            "--",
            color=style.VERMILLION,
            linewidth=1.1,
            label=f"f^−{asymptotic.eta:.3f}, asymptotic",
        )
        low, high = float(np.nanmin(losses)), float(np.nanmax(losses))
        style.log_axis(left.xaxis, flops[0], flops[-1], scientific)
        style.log_axis(left.yaxis, low / 1.3, high * 1.3, lambda x: f"{x:g}" if x > 1e-3 else scientific(x))
        left.set(
            xlabel="FLOPs f = r d B",
            ylabel="risk P",
            title=f"α = {alpha:g}, β = {beta:g}: phase {asymptotic.phase}",
        )
        left.legend(fontsize=7.5, loc="lower left")
        for name, symbol, colour in (("eta", "η", style.BLUE), ("xi", "ξ", style.ORANGE)):
            goal = getattr(asymptotic, name)
            right.plot(optimal["flops"], optimal[name], color=colour, linewidth=1.6, label=f"{symbol} here")
            right.axhline(
                goal, color=colour, linestyle="--", linewidth=1, label=f"{symbol} = {goal:.3f}, asymptotic"
            )
        style.log_axis(right.xaxis, budgets[0], budgets[-1], scientific, most=5)
        right.set(xlabel="FLOPs f = r d B", title="Local exponents of the best size's curve")
        every = np.concatenate([optimal["eta"], optimal["xi"], [asymptotic.eta, asymptotic.xi]])
        right.set_ylim(min(every) - 0.08, max(every) + 0.08)
        right.legend(fontsize=7.5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
        return _save(figure, path)


def _save(figure: Any, path: str | Path) -> Path:
    path = Path(path)
    figure.savefig(path, dpi=150)
    return path
