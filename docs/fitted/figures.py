"""Figures of `docs/make_skills.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

import bayescale as bs
from bayescale.forecast.expected import expected_loss
from bayescale.laws.henighan import Row
from bayescale.numerals import count, scientific
from bayescale.report.figures import style
from bayescale.report.frontier import frontier
from bayescale.skills.complexity import Moved
from bayescale.skills.frontier import cells_of, points_along
from bayescale.skills.leaving import Leaving
from bayescale.skills.observational.fit import ObservationalFit
from bayescale.skills.observational.forecast import HeldOutScores, score_draws


def colours(labels: list[str]) -> dict[str, str]:
    return dict(zip(labels, style.SERIES, strict=False))


def draw_sizes(leaving: Leaving, runs: pd.DataFrame, path: Path) -> None:
    """The size at which each skill leaves chance, with its 90 % interval, over the sizes there were."""
    table = leaving.table.sort_values(["skill", "task"], ascending=False).reset_index(drop=True)
    low, high = runs["params"].min() / 4, runs["params"].max() * 60
    colour = colours(sorted(table["task"].unique()))
    with style.styled():
        figure, (axis,) = style.panels(style.WIDE, 1, 1, 0.27 * len(table) + 0.9)
        axis.axvspan(runs["params"].min(), runs["params"].max(), color=style.PALE, linewidth=0)
        for i, row in table.iterrows():
            ends = np.clip(row[["params_q0.05", "params", "params_q0.95"]].to_numpy(float), low, high)
            axis.plot(ends[[0, 2]], [i, i], color=colour[row["task"]], linewidth=2)
            if low < ends[1] < high:
                axis.plot(ends[1], i, "o", color=colour[row["task"]], markersize=5)
        axis.set_yticks(
            range(len(table)), [f"{s.replace('_', ' ')}, {t}" for s, t in table[["skill", "task"]].to_numpy()]
        )
        style.log_axis(axis.xaxis, low, high, count)
        axis.set_xlabel(
            "parameters at which expected accuracy is above chance by "
            f"{leaving.margin:g}, 90 % interval (grey: sizes of the runs; to the edge: beyond)"
        )
        path.write_bytes(style.save(figure, "png"))


def draw_moved(found: Mapping[str, Moved], path: Path) -> None:
    """Ratios of every parameter, a panel a law."""
    with style.styled():
        figure, axes = style.panels(style.WIDE, len(found), len(found), 2.3)
        for axis, (law, moved) in zip(axes, found.items(), strict=True):
            table = moved.table.iloc[::-1].reset_index(drop=True)
            for i, row in table.iterrows():
                axis.plot([row["ratio_q0.05"], row["ratio_q0.95"]], [i, i], color=style.BLUE, linewidth=2)
                axis.plot(row["ratio"], i, "o", color=style.BLUE, markersize=5)
            axis.axvspan(1 / 1.1, 1.1, color=style.PALE, linewidth=0)
            axis.axvline(1.0, color=style.GREY, linewidth=0.8)
            axis.set_yticks(
                range(len(table)), [f"{p} ({r})" for p, r in table[["parameter", "role"]].to_numpy()]
            )
            axis.set(title=law, xlabel=f"{moved.complex} over {moved.simple}")
        path.write_bytes(style.save(figure, "png"))


def draw_gaps(posterior: bs.Posterior, path: Path, by: str) -> None:
    """Loss of every group against compute, measured and expected, and the gap between the ends."""
    with style.styled():
        figure, (axis, gap) = style.panels(style.WIDE, 2, 2, 2.9)
        expected = {}
        span = np.asarray(posterior.flops_of(posterior.runs), dtype=float)
        budgets = np.geomspace(span.min(), 10 * span.max(), 25)
        for colour, cell in zip(style.SERIES, cells_of(posterior), strict=False):
            rows = posterior.runs_of(cell)
            points = points_along(posterior, cell, budgets.tolist())
            expected[str(cell[by])], _ = expected_loss(posterior, points)
            low, middle, high = np.quantile(expected[str(cell[by])], (0.05, 0.5, 0.95), axis=0)
            axis.fill_between(budgets, low, high, color=colour, alpha=0.2, linewidth=0)
            axis.plot(budgets, middle, color=colour, linewidth=1.3, label=style.label(cell[by]))
            axis.plot(posterior.flops_of(rows), rows["loss"], "o", color=colour, markersize=2.5)
        order = sorted(expected, key=lambda name: float(np.median(expected[name][:, 0])))
        between = expected[order[-1]] - expected[order[0]]
        low, middle, high = np.quantile(between, (0.05, 0.5, 0.95), axis=0)
        gap.fill_between(budgets, low, high, color=style.BLACK, alpha=0.2, linewidth=0)
        gap.plot(budgets, middle, color=style.BLACK, linewidth=1.3)
        for panel in (axis, gap):
            style.log_axis(panel.xaxis, *style.spread(budgets), scientific, most=5)
            panel.axvline(span.max(), color=style.GREY, linewidth=0.8)
            panel.set_xlabel("compute [FLOPs] (line: dearest run)")
        axis.set(title="expected and measured loss", ylabel="loss [nats/token]")
        axis.legend()
        gap.set(title=f"{order[-1]} less {order[0]}", ylabel="nats/token")
        path.write_bytes(style.save(figure, "png"))


def draw_datastore(posterior: bs.Posterior, path: Path) -> None:
    """Share of the compute that is best spent on a datastore, and what that gains, against compute."""
    span = np.asarray(posterior.flops_of(posterior.runs), dtype=float)
    budgets = np.geomspace(span.min(), 10 * span.max(), 9)
    table = posterior.allocate(budgets.tolist()).table
    with style.styled():
        figure, axes = style.panels(style.WIDE, 2, 2, 2.7)
        for axis, name, title, scale in zip(
            axes,
            ("datastore_share", "gain"),
            (
                "share of the compute for the datastore [%]",
                "loss without a datastore less loss with [nats/token]",
            ),
            (100, 1),
            strict=True,
        ):
            low, high = (scale * table[f"{name}_{end}"] for end in ("q0.05", "q0.95"))
            axis.fill_between(budgets, low, high, color=style.SKY, alpha=0.4, linewidth=0)
            axis.plot(budgets, scale * table[name], color=style.BLUE, linewidth=1.4)
            axis.axvline(span.max(), color=style.GREY, linewidth=0.8)
            axis.set_ylim(bottom=0)
            style.log_axis(axis.xaxis, budgets[0], budgets[-1], scientific, most=5)
            axis.set(title=title, xlabel="compute [FLOPs] (line: dearest fitted run)")
        path.write_bytes(style.save(figure, "png"))


def draw_observed(fit: ObservationalFit, record: HeldOutScores, path: Path) -> None:
    """Scores against compute by family, fitted (dots) and held out (rings), with the forecast's median."""
    colour = colours(list(fit.families))
    models = fit.scores.models
    held = record.rows
    with style.styled():
        names = fit.scores.benchmarks
        figure, axes = style.panels(style.WIDE, len(names), len(names), 2.6, extra=0.3)
        flops = np.geomspace(models["flops"].min(), 10 * models["flops"].max(), 20)
        for family in fit.families:
            draws = score_draws(fit, pd.DataFrame({"family": family, "flops": flops}))
            mine = (models["family"] == family).to_numpy()
            for b, axis in enumerate(axes):
                low, middle, high = np.quantile(draws[:, :, b], (0.05, 0.5, 0.95), axis=0)
                axis.fill_between(flops, low, high, color=colour[family], alpha=0.12, linewidth=0)
                axis.plot(flops, middle, color=colour[family], linewidth=1.2, label=style.label(family))
                axis.plot(
                    models.loc[mine, "flops"],
                    fit.scores.scores[mine, b],
                    "o",
                    color=colour[family],
                    markersize=2.5,
                )
        for b, axis in enumerate(axes):
            for family in fit.families:
                part = held[(held["benchmark"] == names[b]) & (held["family"] == family)]
                axis.plot(
                    part["flops"],
                    part["measured"],
                    "o",
                    markerfacecolor="none",
                    color=colour[family],
                    markersize=5,
                )
            axis.axhline(fit.scores.chance[b], color=style.GREY, linewidth=0.8)
            style.log_axis(axis.xaxis, *style.spread(flops), scientific, most=4)
            axis.set(title=names[b].replace("_", " "), xlabel="compute [FLOPs]")
            axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.1f}"))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        path.write_bytes(style.save(figure, "png"))


def draw_modalities(
    posterior: bs.Posterior, draws: Mapping[str, np.ndarray], published: Sequence[Row], path: Path
) -> None:
    """The frontier of every modality, and its exponent of size beside the published ones."""
    colour = colours(list(draws))
    with style.styled():
        figure, (axis, right) = style.panels(style.WIDE, 2, 2, 3.1)
        for cell in cells_of(posterior):
            task = str(cell["task"])
            rows = posterior.runs_of(cell).sort_values("flops")
            flops = np.geomspace(rows["flops"].min(), 10 * rows["flops"].max(), 20)
            found = frontier(posterior, pd.DataFrame([cell]), flops)[0].loss
            low, middle, high = found[0], found[2], found[4]
            axis.fill_between(flops, low, high, color=colour[task], alpha=0.2, linewidth=0)
            axis.plot(flops, middle, color=colour[task], linewidth=1.3, label=style.label(task))
            axis.plot(rows["flops"], rows["loss"], "o", color=colour[task], markersize=3.5)
        spent = np.concatenate([posterior.runs_of(cell)["flops"] for cell in cells_of(posterior)])
        style.log_axis(axis.xaxis, *style.spread([spent.min(), 10 * spent.max()]), scientific, most=5)
        axis.set(
            xlabel="compute [FLOPs]",
            ylabel="loss [nats/token]",
            title="runs, and the best that a budget buys",
        )
        axis.legend()
        theirs = [(row.domain, row.size) for row in published if row.size is not None]
        for i, (task, values) in enumerate(draws.items()):
            low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
            right.plot([low, high], [i, i], color=colour[task], linewidth=2)
            right.plot(middle, i, "o", color=colour[task], markersize=5)
        for i, (_, fit) in enumerate(theirs, start=len(draws)):
            face = style.BLACK if fit.floor else "none"
            right.plot(fit.exponent, i, "o", color=style.BLACK, markerfacecolor=face, markersize=4)
        right.set_yticks(
            range(len(draws) + len(theirs)), [*draws, *(name for name, _ in theirs)], fontsize=7.5
        )
        right.invert_yaxis()
        right.set(xlabel="exponent of size (rings: published without a floor)", xlim=(0, None))
        path.write_bytes(style.save(figure, "png"))
