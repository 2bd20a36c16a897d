"""The compute-optimal size, tokens, and tokens per parameter against compute: the law's, and the IsoFLOP curves'."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayescale.decide import IsoFlopCheck
from bayescale.numerals import count, scientific
from bayescale.report.figures import style
from bayescale.report.subject import Subject


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    narrow = width < 6
    quantities = (
        ("params", "N* [parameters]"),
        ("tokens", "D* [tokens]"),
        ("ratio", "D* / N* [tokens per parameter]"),
    )
    lines = -(-(len(subject.shown) + 1) // (2 if narrow else 5))
    figure, axes = style.panels(width, 3, 1 if narrow else 3, 2.5 if narrow else 2.9, 0.25 * lines + 0.1)
    found = subject.frontiers
    for axis, (name, title) in zip(axes, quantities, strict=True):
        ends: list[float] = []
        axis.axvspan(subject.dearest, subject.budgets[-1] * 1.5, color=style.PALE, zorder=0, linewidth=0)
        for place, i in enumerate(subject.shown):
            bands = np.asarray(getattr(found[i], name))
            look = style.series(place)
            axis.fill_between(
                found[i].flops, bands[0], bands[4], color=look["color"], alpha=0.13, linewidth=0
            )
            axis.plot(found[i].flops, bands[2], linewidth=1.5, **look)
            ends += [bands[0].min(), bands[4].max()]
            if isinstance(subject.isoflop, IsoFlopCheck):
                flops, read = _read(subject.isoflop, i, name)
                # Groups share their budgets: a little to the side of each other they can be told apart.
                at = flops * 1.09 ** (place - (len(subject.shown) - 1) / 2)
                axis.errorbar(
                    at,
                    read[0],
                    [read[0] - read[1], read[2] - read[0]],
                    fmt="o",
                    markersize=3.6,
                    markerfacecolor="white",
                    linewidth=1,
                    capsize=1.5,
                    color=look["color"],
                    zorder=4,
                )
                ends += [*read[1], *read[2]]
        axis.set_title(title)
        axis.set_xlabel("compute [FLOPs]")
        # Room for the points of the cheapest budget.
        style.log_axis(
            axis.xaxis,
            float(subject.budgets[0]) / 1.3,
            float(subject.budgets[-1]),
            lambda x: scientific(x, 2),
            4,
        )
        style.log_axis(axis.yaxis, *style.spread(ends), count if name != "ratio" else lambda x: f"{x:.3g}")
    handles = []
    if len(subject.cells) > 1:
        handles = [
            Line2D([], [], linewidth=1.6, label=style.label(subject.cells[i]), **style.series(p))
            for p, i in enumerate(subject.shown)
        ]
    if isinstance(subject.isoflop, IsoFlopCheck):
        look = {"linestyle": "", "markersize": 4, "markerfacecolor": "white", "color": style.GREY}
        handles.append(Line2D([], [], marker="o", label="IsoFLOP curve, no law", **look))
    if handles:
        figure.legend(
            handles=handles, loc="outside upper center", ncols=2 if narrow else min(5, len(handles))
        )
    return figure


def _read(check: IsoFlopCheck, cell: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Budgets of a group's curves, and median, low and high of a quantity at their minima."""
    rows = check.used[check.used["cell"] == cell]
    params = rows[["params", "params_q0.05", "params_q0.95"]].to_numpy(float).T
    product = rows["param_tokens"].to_numpy(float)
    read = {"params": params, "tokens": product / params, "ratio": product / params**2}[name]
    return rows["flops"].to_numpy(float), np.stack([read[0], read.min(axis=0), read.max(axis=0)])
