"""Loss against compute, a panel a cell: runs, frontier, held-out runs, and the actions that are asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bayescale.forecast import predict
from bayescale.numerals import count, scientific, significant
from bayescale.report.figures import style
from bayescale.report.subject import Subject

COLOURS = "viridis_r"


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    number, narrow = len(subject.shown), width < 6
    columns = 1 if narrow else (min(number, 2) if number in (1, 2, 4) else 3)
    height = (3.4 if number == 1 else 2.75) if not narrow else 2.6
    figure, axes = style.panels(
        width, number, columns, height, 0.6 if not narrow else 1.0, sharex=True, sharey=True
    )
    runs, cell = subject.posterior.runs, subject.posterior.design.cell
    colour = _colours(subject)
    actions = {i: _actions(subject, i) for i in subject.shown}
    held = subject.checked
    held_cell = subject.posterior.design.cells_of(held.runs) if held is not None else np.array([], dtype=int)
    heights: list[float] = []
    for place, (axis, i) in enumerate(zip(axes, subject.shown, strict=True)):
        axis.axvspan(subject.dearest, subject.budgets[-1] * 1.5, color=style.PALE, zorder=0, linewidth=0)
        found = subject.frontiers.get(i)
        if found is not None:
            axis.fill_between(
                found.flops, found.loss[0], found.loss[4], color=style.SKY, alpha=0.3, linewidth=0
            )
            axis.fill_between(
                found.flops, found.loss[1], found.loss[3], color=style.SKY, alpha=0.55, linewidth=0
            )
            axis.plot(found.flops, found.loss[2], color=style.BLUE, linewidth=1.4)
            heights += [*found.loss[0], *found.loss[4]]
        mine = cell == i
        axis.scatter(
            subject.run_flops[mine],
            runs["loss"][mine],
            s=17,
            zorder=3,
            linewidth=0.3,
            edgecolor="white",
            **colour(mine),
        )
        heights += runs["loss"][mine].tolist()
        if held is not None:
            there = held_cell == i
            axis.scatter(held.flops[there], held.measured[there], s=26, zorder=4, **_HELD)
            heights += held.measured[there].tolist()
        for action in actions[i]:
            _mark(axis, action, subject)
            heights += [action["q0.05"], action["q0.95"]]
        target = subject.decision.target_loss if subject.decision is not None else None
        if target is not None and actions[i]:
            axis.axhline(target, color=style.GREEN, linestyle=(0, (4, 2)), linewidth=1.1)
            heights.append(target)
        axis.set_title(style.label(subject.cells[i]) if len(subject.cells) > 1 else "")
        if place % columns == 0:
            axis.set_ylabel(f"loss [{style.label(subject.posterior.conventions.loss, 20)}]")
        axis.tick_params(labelbottom=True)
    last_row = range(len(axes) - columns, len(axes))
    for place, axis in enumerate(axes):
        style.log_axis(axis.xaxis, float(subject.budgets[0]) / 1.4, float(subject.budgets[-1]), _power, 5)
        style.log_axis(axis.yaxis, *style.spread(heights), figures_short)
        if place in last_row:
            axis.set_xlabel("compute [FLOPs]")
    where: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "va": "top",
    }
    axes[0].annotate(
        "beyond the data",
        (subject.dearest, 1),
        (4, -3),
        fontsize=8,
        color=style.GREY,
        style="italic",
        **where,
    )
    handles = _legend(subject, any(actions.values()))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if narrow else min(len(handles), 4))
    if "params" in runs:
        _size_bar(figure, axes, runs["params"], narrow)
    return figure


_HELD: dict[str, Any] = {"marker": "D", "facecolor": "white", "edgecolor": style.VERMILLION, "linewidth": 1.2}


def figures_short(x: float) -> str:
    """Return a loss for an axis."""
    return f"{x:.3g}"


def _power(x: float) -> str:
    return scientific(x, 2)


def _colours(subject: Subject) -> Any:
    """A function from a mask of runs to how `scatter` colours them."""
    runs = subject.posterior.runs
    if "params" not in runs:
        return lambda mine: {"color": style.BLUE}
    norm = LogNorm(*_size_range(runs["params"]))
    return lambda mine: {"c": runs["params"][mine].to_numpy(float), "cmap": COLOURS, "norm": norm}


def _size_range(params: pd.Series) -> tuple[float, float]:
    low, high = float(params.min()), float(params.max())
    return (low, high) if high > low else (low / 1.5, low * 1.5)


def _size_bar(figure: Figure, axes: list[Any], params: pd.Series, narrow: bool) -> None:
    low, high = _size_range(params)
    where: dict[str, Any] = (
        {"location": "bottom", "shrink": 0.8, "aspect": 40, "pad": 0.02}
        if narrow
        else {"aspect": 40, "pad": 0.015}
    )
    bar = figure.colorbar(
        ScalarMappable(LogNorm(low, high), COLOURS), ax=axes, label="parameters of the run", **where
    )
    axis = bar.ax.xaxis if narrow else bar.ax.yaxis
    axis.set_major_locator(FixedLocator(style.log_ticks(low, high, 5)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    axis.set_minor_locator(NullLocator())
    bar.ax.spines[:].set_visible(False)


def _actions(subject: Subject, cell: int) -> list[dict[str, Any]]:
    """The actions as they would come out in this cell: those whose labels do not say that they are in another one."""
    if subject.decision is None or subject.verdict is None:
        return []
    labels = (
        {str(c): str(x) for c, x in subject.groups([cell]).iloc[0].items()}
        if len(subject.posterior.design.groups.columns)
        else {}
    )
    found = []
    for place, action in enumerate(subject.decision.actions):
        # What an ensemble or a compressed model comes to is no point of the law's curve.
        if action.kind != "run" or any(labels.get(c) != value for c, value in action.groups.items()):
            continue
        point = pd.DataFrame([{"params": action.params, "tokens": action.tokens, **labels, **action.inputs}])
        band = predict(subject.posterior, point, of="run").iloc[0]
        found.append(
            {"place": place, "name": action.name, "flops": float(subject.verdict.table["flops"].iloc[place])}
            | {q: float(band[q]) for q in ("q0.05", "q0.5", "q0.95")}
        )
    return found


def _mark(axis: Any, action: dict[str, Any], subject: Subject) -> None:
    middle = action["q0.5"]
    star = {"markersize": 11, "markerfacecolor": style.YELLOW, "markeredgewidth": 0.8}
    reach = [[middle - action["q0.05"]], [action["q0.95"] - middle]]
    axis.errorbar([action["flops"]], [middle], reach, fmt="*", color=style.BLACK, capsize=3, zorder=5, **star)
    few = subject.decision is not None and len(subject.decision.actions) <= 2
    name = style.label(action["name"], 18) if few else f"{action['place'] + 1}"
    # Below and to the left of a falling curve there is room.
    axis.annotate(
        name, (action["flops"], action["q0.05"]), (-5, -3), textcoords="offset points",
        ha="right", va="top", fontsize=8, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=6,
    )  # fmt: skip


def _legend(subject: Subject, acted: bool) -> list[Any]:
    dot: dict[str, Any] = {"linestyle": "", "markersize": 5}
    handles: list[Any] = [Line2D([], [], marker="o", color="#3b7a8c", label="measured run", **dot)]
    if subject.frontiers:
        handles += [
            Line2D([], [], color=style.BLUE, label="compute-optimal, median"),
            Patch(color=style.SKY, alpha=0.75, label="50 % band, expected loss"),
            Patch(color=style.SKY, alpha=0.3, label="90 % band, expected loss"),
        ]
    if subject.checked is not None:
        handles.append(
            Line2D(
                [],
                [],
                marker="D",
                color=style.VERMILLION,
                markerfacecolor="white",
                label="held-out run",
                **dot,
            )
        )
    if acted and subject.decision is not None:
        handles += [
            Line2D(
                [],
                [],
                marker="*",
                color=style.BLACK,
                markerfacecolor=style.YELLOW,
                linestyle="-",
                markersize=10,
                label="action, 90 % band of a run",
            ),
        ]
    target = subject.decision.target_loss if subject.decision is not None else None
    if acted and target is not None:
        label = f"target loss {significant(target)}"
        handles.append(Line2D([], [], color=style.GREEN, linestyle=(0, (4, 2)), label=label))
    return handles
