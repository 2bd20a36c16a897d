"""The law's parameters by group: intervals for the population, for each level of a factor, and for each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from bayescale.laws import Law
from bayescale.laws.base import Parameter
from bayescale.numerals import significant
from bayescale.report.figures import style
from bayescale.report.subject import MOST_PANELS, Subject

MARKS = (
    (style.VERMILLION, (0, (4, 2))),
    (style.PURPLE, (0, (1, 1.2))),
    (style.GREEN, (0, (3, 1, 1, 1))),
    (style.ORANGE, "-"),
)


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the plot: whose it is, and draws of each parameter (absent where it has none)."""

    text: str
    kind: str
    draws: dict[str, np.ndarray]


def ordered(law: Law) -> list[Parameter]:
    """Return the law's parameters with exponents, which have no unit, first."""
    return sorted(law.parameters, key=lambda p: p.unit != "1")


def published(law: Law, reference: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return published values by label, as what is drawn here: a centred parameter as the size of its term."""
    found: dict[str, dict[str, float]] = {}
    for source in law.published:
        found[source.label] = {}
        for p in law.parameters:
            try:
                value = (
                    source.values[p.name]
                    if p.centring is None
                    else p.centring.from_natural(source.values[p.name], source.values, reference)
                )
            except KeyError:
                continue  # a source need not give every parameter
            found[source.label][p.name] = float(value)
    return found


def rows(subject: Subject) -> list[Row]:
    """Return the lines of the plot: population, then levels, then cells."""
    posterior, law = subject.posterior, subject.posterior.model.definition
    design = posterior.design
    means = law.sampled({p: posterior.draws(f"{p}_mean") for p in law.parameter_names}, design.reference)
    population = {name: np.asarray(x) for name, x in means.items()}
    found = [Row("population" if design.effects else "all runs", "population", population)]
    # Where covariates are at the runs' mean, slopes do not show.
    plain = [e for e in design.effects if e.covariate is None]
    for factor in dict.fromkeys(e.factor for e in plain):
        effects = {e.parameter: e for e in plain if e.factor == factor}
        labels = next(iter(effects.values())).labels
        for i, text in enumerate(labels[:MOST_PANELS]):
            draws = {
                name: _shifted(law.parameter(name), population[name], posterior.draws(e.name)[:, i])
                for name, e in effects.items()
            }
            found.append(Row(text, ":".join(factor), draws))
    # One factor alone: its levels are the cells.
    if len(design.cells.columns) > 1:
        for i in subject.shown:
            cells = {
                p.name: posterior.draws(f"{p.name}_term" if p.centring else p.name)[:, i]
                for p in law.parameters
            }
            found.append(Row(subject.cells[i], "cell", cells))
    return found


def _shifted(parameter: Parameter, mean: np.ndarray, effect: np.ndarray) -> np.ndarray:
    if parameter.support == "real":
        return np.asarray(mean + effect)
    if parameter.support == "positive":
        return np.asarray(mean * np.exp(effect))
    return np.asarray(1 / (1 + np.exp(-(np.log(mean / (1 - mean)) + effect))))


def draw(subject: Subject, width: float) -> Figure:
    """Draw it."""
    posterior, narrow = subject.posterior, width < 6
    law, lines = posterior.model.definition, rows(subject)
    parameters = ordered(law)
    columns = 1 if narrow else 3
    height = max(1.35, 0.21 * (len(lines) + len({r.kind for r in lines})) + 0.75)
    figure, axes = style.panels(width, len(parameters), columns, height, 0.5, sharey=True)
    known = published(law, posterior.design.reference)
    places = _places(lines)
    for place, (axis, parameter) in enumerate(zip(axes, parameters, strict=True)):
        ends: list[float] = []
        for y, row in zip(places, lines, strict=True):
            if parameter.name in row.draws:
                ends += _interval(axis, y, row.draws[parameter.name], row.kind)
        _published(axis, parameter, known, ends)
        symbol = parameter.centring.symbol if parameter.centring else parameter.name
        unit = "" if parameter.unit == "1" else " [nats]" if parameter.centring else f" [{parameter.unit}]"
        axis.set_title(f"{symbol}{unit}")
        axis.xaxis.set_major_locator(MaxNLocator(5 if not narrow else 6))
        axis.grid(axis="y", visible=False)
        axis.yaxis.set_major_locator(FixedLocator(places))
        axis.set_yticklabels([_name(row) for row in lines])
        axis.tick_params(axis="y", length=0, labelleft=narrow or place % columns == 0)
        axis.set_ylim(max(places) + 0.7, min(places) - 0.7)
    handles: list[Any] = [
        Line2D(
            [],
            [],
            marker="o",
            color=style.BLUE,
            markersize=5,
            linewidth=1.1,
            label="median, 50 % (thick), 90 % (thin)",
        ),
        *(
            Line2D([], [], color=c, linestyle=d, linewidth=1.2, label=style.label(name))
            for name, (c, d) in zip(known, MARKS, strict=False)
        ),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=1 if narrow else len(handles))
    return figure


def _name(row: Row) -> str:
    return (
        style.label(row.text, 22)
        if row.kind in ("population", "cell")
        else style.label(f"{row.kind} {row.text}", 26)
    )


def _places(lines: list[Row]) -> list[float]:
    """Heights of the rows, with room between kinds."""
    places, y, before = [], 0.0, lines[0].kind
    for row in lines:
        y += 0.6 if row.kind != before else 0.0
        places.append(y)
        y, before = y + 1, row.kind
    return places


def _interval(axis: Any, y: float, draws: np.ndarray, kind: str) -> list[float]:
    low, left, middle, right, high = np.quantile(draws, (0.05, 0.25, 0.5, 0.75, 0.95))
    colour = {"population": style.BLACK, "cell": style.GREY}.get(kind, style.BLUE)
    axis.plot([low, high], [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
    axis.plot([left, right], [y, y], color=colour, linewidth=3.4, solid_capstyle="butt")
    axis.plot(
        [middle],
        [y],
        marker="D" if kind == "population" else "o",
        color=colour,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )
    return [float(low), float(high)]


def _published(
    axis: Any, parameter: Parameter, known: dict[str, dict[str, float]], ends: list[float]
) -> None:
    """Published values as lines; those that would squeeze the intervals to nothing are named below the axis."""
    low, high = min(ends), max(ends)
    reach = 1.2 * (high - low)
    drawn, far = [low, high], []
    for (name, values), (colour, dash) in zip(known.items(), MARKS, strict=False):
        if parameter.name not in values:
            continue
        value = values[parameter.name]
        if low - reach <= value <= high + reach:
            axis.axvline(value, color=colour, linestyle=dash, linewidth=1.2, zorder=1)
            drawn.append(value)
        else:
            arrow = "→" if value > high else "←"
            far.append(f"{style.label(name, 18)} {significant(value, 3)} {arrow}")
    margin = 0.08 * (max(drawn) - min(drawn))
    axis.set_xlim(min(drawn) - margin, max(drawn) + margin)
    if far:
        axis.set_xlabel(
            "off the axis: " + ", ".join(far) if len(far) == 1 else "off the axis: " + ",\n".join(far),
            fontsize=7.5,
            color=style.GREY,
        )
