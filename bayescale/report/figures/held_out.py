"""Held-out runs against the band that was forecast for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bayescale.forecast.held_out import HeldOut
from bayescale.numerals import count, scientific
from bayescale.report.figures import style
from bayescale.report.subject import Subject

MOST = 48
"""Runs that get a line of their own; of more, the dearest are drawn."""


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    held = subject.checked
    if held is None:
        raise ValueError("there are no held-out runs to draw")
    narrow = width < 6
    which = _order(subject, held)
    figure = Figure(figsize=(width, 0.21 * len(which) + 1.3), layout="constrained")
    axis = figure.subplots()
    middle = held.quantile(0.5)
    ends = {level: 100 * (held.quantile(level) / middle - 1) for level in (0.05, 0.25, 0.75, 0.95)}
    inside = held.inside(0.9)
    for y, i in enumerate(which):
        axis.plot(
            [ends[0.05][i], ends[0.95][i]],
            [y, y],
            color=style.SKY,
            linewidth=2.2,
            alpha=0.55,
            solid_capstyle="butt",
        )
        axis.plot(
            [ends[0.25][i], ends[0.75][i]], [y, y], color=style.SKY, linewidth=5.5, solid_capstyle="butt"
        )
        axis.plot([100 * held.error[i]], [y], zorder=4, **(_IN if inside[i] else _OUT))
    axis.axvline(0, color=style.BLUE, linewidth=1)
    axis.yaxis.set_major_locator(FixedLocator(list(range(len(which)))))
    axis.set_yticklabels([_name(subject, held, i, narrow) for i in which], fontsize=7.5 if narrow else 8.5)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(which) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
    axis.xaxis.set_major_locator(MaxNLocator(7 if not narrow else 5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+.3g} %".replace("-", "−") if x else "0"))
    axis.set_xlabel("loss relative to the predicted median")
    handles: list[Any] = [
        Line2D([], [], color=style.BLUE, label="predicted median"),
        Line2D([], [], color=style.SKY, linewidth=5.5, label="50 % of a run"),
        Line2D([], [], color=style.SKY, linewidth=2.2, alpha=0.55, label="90 % of a run"),
        Line2D([], [], label="measured, inside 90 %", **_IN),
        Line2D([], [], label="measured, outside", **_OUT),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if narrow else 5)
    return figure


_IN: dict[str, Any] = {"marker": "o", "color": style.BLACK, "markersize": 4.5, "linestyle": ""}
_OUT: dict[str, Any] = {"marker": "X", "color": style.VERMILLION, "markersize": 7, "linestyle": ""}


def _order(subject: Subject, held: HeldOut) -> list[int]:
    dearest = np.argsort(-held.flops, kind="stable")[:MOST]
    cell = subject.posterior.design.cells_of(held.runs)
    return sorted(dearest.tolist(), key=lambda i: (cell[i], held.flops[i], i))


def _name(subject: Subject, held: HeldOut, i: int, narrow: bool) -> str:
    row, cell = held.runs.iloc[i], int(subject.posterior.design.cells_of(held.runs.iloc[[i]])[0])
    who = (
        [style.label(subject.cells[cell], 16 if narrow else 26)]
        if len(subject.cells) > 1 and cell >= 0
        else []
    )
    if cell < 0:
        who = [style.label(row["group"], 16 if narrow else 26)]
    what = f"N {count(row['params'])}" if "params" in held.runs else f"{scientific(held.flops[i], 2)} FLOPs"
    more = [f"D {count(row['tokens'])}"] if "tokens" in held.runs and not narrow else []
    return "  ".join([*who, what, *more])
