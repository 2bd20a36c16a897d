"""Gaps between groups and their average against compute: a panel for each of what else tells runs apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayescale.numerals import scientific
from bayescale.report.figures import style
from bayescale.report.subject import Subject
from bayescale.skills.groups import Place

MOST_PLACES = 6


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    if subject.gaps is None:
        raise ValueError("there are no groups to draw")
    by, places = subject.gaps.by, subject.group_places[:MOST_PLACES]
    narrow = width < 6
    columns = 1 if narrow else min(len(places), 2)
    figure, axes = style.panels(width, len(places), columns, 2.75, 1.0 if narrow else 0.6, sharex=True)
    names = list(dict.fromkeys(str(cell[by]) for place in places for cell in place.cells))
    for at, (axis, place) in enumerate(zip(axes, places, strict=True)):
        axis.axvspan(subject.dearest, subject.budgets[-1] * 1.5, color=style.PALE, zorder=0, linewidth=0)
        axis.axhline(0, color=style.GREY, linewidth=0.8)
        average = place.average
        for i, cell in enumerate(place.cells):
            look = style.series(names.index(str(cell[by])))
            low, middle, high = np.quantile(place.loss[:, i] - average, (0.05, 0.5, 0.95), axis=0)
            axis.fill_between(subject.budgets, low, high, color=look["color"], alpha=0.18, linewidth=0)
            axis.plot(subject.budgets, middle, linewidth=1.4, **look)
        for name, flops, gap in _measured(subject, place, by):
            axis.plot(flops, gap, "o", color=style.series(names.index(name))["color"], markersize=2.6)
        axis.set_title(style.label(", ".join(map(str, place.labels.values()))))
        style.log_axis(
            axis.xaxis,
            float(subject.budgets[0]) / 1.4,
            float(subject.budgets[-1]),
            lambda x: scientific(x, 2),
            5,
        )
        if at % columns == 0:
            axis.set_ylabel(f"loss less the average [{subject.gaps.unit}]", fontsize=8)
        if at >= len(axes) - columns:
            axis.set_xlabel("compute [FLOPs]")
        axis.tick_params(labelbottom=True)
    axes[0].annotate(
        "beyond the data", (subject.dearest, 1), (4, -3), xycoords=("data", "axes fraction"),
        textcoords="offset points", va="top", fontsize=8, color=style.GREY, style="italic",
    )  # fmt: skip
    handles: list[Any] = [
        Line2D([], [], label=style.label(name), **style.series(i)) for i, name in enumerate(names)
    ]
    handles.append(Patch(color=style.GREY, alpha=0.25, label="90 % band, expected loss"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if narrow else min(len(handles), 4))
    return figure


def _measured(subject: Subject, place: Place, by: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of runs that were measured on every group: what each group's loss is above the run's own average."""
    design, runs = subject.posterior.design, subject.posterior.runs
    labels = pd.DataFrame({str(c): runs[c].astype(str).to_numpy() for c in design.cells.columns})
    here = np.ones(len(runs), dtype=bool)
    for column, label in place.labels.items():
        here &= (labels[column] == str(label)).to_numpy()
    rows = pd.DataFrame(
        {
            "run": design.run[here],
            "group": labels[by][here],
            "loss": runs["loss"].to_numpy(float)[here],
            "flops": subject.run_flops[here],
        }
    )
    wide = rows.pivot_table(index="run", columns="group", values="loss")
    order = [str(cell[by]) for cell in place.cells]
    if not set(order) <= set(wide.columns):
        return []
    wide = (wide[order] / place.scale).dropna()
    flops = rows.groupby("run")["flops"].first().loc[wide.index].to_numpy(float)
    average = wide.to_numpy(float) @ place.share
    return [(name, flops, wide[name].to_numpy(float) - average) for name in order]
