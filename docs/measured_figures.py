"""Figures of `docs/measured.md`: measured rows, nothing fitted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib import colormaps

from bayescale.numerals import scientific
from bayescale.report.figures import style

HERE = Path(__file__).parent


def ensembles(runs: pd.DataFrame) -> str:
    """Loss against all training compute: ensembles of one family, joined, and single models."""
    tasks = list(dict.fromkeys(runs["task"]))
    with style.styled():
        figure, axes = style.panels(style.WIDE, len(tasks), len(tasks), 2.8, extra=0.3)
        for axis, task in zip(axes, tasks, strict=True):
            here = runs[runs["task"] == task]
            many = here.groupby("family")["ensemble"].transform("max") >= 8
            single = here[here["ensemble"] == 1]
            axis.plot(single["flops"], single["loss"], "o", ms=3, color=style.BLACK, label="one model")
            for colour, (_, part) in zip(style.SERIES, here[many].groupby("family"), strict=False):
                mean = part.groupby("ensemble")[["flops", "loss"]].mean()
                text = f"1 to 8 of {part['params'].iloc[0]:,.0f} params"
                axis.plot(mean["flops"], mean["loss"], "o-", ms=3.5, lw=1.2, color=colour, label=text)
            style.log_axis(axis.xaxis, *style.spread(here["flops"]), scientific, most=5)
            axis.set(title=task, xlabel="training compute of all members [FLOPs]")
        axes[0].set_ylabel("loss [nats/token]")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return _saved(figure, "measured-ensembles.png", "Loss of ensembles and single models against compute")


def compression(runs: pd.DataFrame) -> str:
    """Change of loss against tokens a parameter, by scheme."""
    schemes = [name for name in dict.fromkeys(runs["compression"]) if name not in ("none", "int8", "int6")]
    with style.styled():
        figure, axes = style.panels(style.WIDE, len(schemes), 3, 2.0, sharex=True)
        for axis, scheme in zip(axes, schemes, strict=True):
            part = runs[runs["compression"] == scheme]
            per = part["tokens"] / part["params"]
            axis.plot(
                per, part["loss_change"].clip(lower=1e-3), "o", ms=2.5, color=style.BLUE, alpha=0.6, mew=0
            )
            axis.set(title=scheme, xscale="log")
            style.log_axis(axis.yaxis, *style.spread(part["loss_change"].clip(lower=1e-3)), _plain, most=4)
            style.log_axis(axis.xaxis, *style.spread(per), _plain, most=4)
        figure.supxlabel("training tokens a parameter", fontsize=9)
        figure.supylabel("change of loss [nats/token]", fontsize=9)
        return _saved(
            figure, "measured-compression.png", "Change of loss by compression, against tokens a parameter"
        )


def retrieval(runs: pd.DataFrame) -> str:
    """Change of loss against the size of the datastore, a line a model."""
    stored = runs[runs["datastore_tokens"] > 0]
    with style.styled():
        figure, axes = style.panels(style.WIDE, 1, 1, 2.8)
        axis = axes[0]
        mean = stored.groupby(["params", "datastore_tokens"])[["loss_change", "loss_change_se"]].mean()
        sizes = list(mean.index.get_level_values("params").unique())
        shade = colormaps["viridis_r"]
        for i, params in enumerate(sizes):
            part = mean.loc[params]
            axis.errorbar(
                part.index,
                part["loss_change"],
                1.645 * part["loss_change_se"],
                fmt="o-",
                ms=3.5,
                lw=1.2,
                color=shade(i / max(len(sizes) - 1, 1)),
                label=f"{params:,.0f} params",
            )
        axis.axhline(0.0, color=style.GREY, linewidth=0.8)
        style.log_axis(axis.xaxis, *style.spread(stored["datastore_tokens"]), lambda x: f"{x:,.0f}", most=6)
        axis.set(xlabel="datastore [tokens]", ylabel="change of loss [nats/token], 90 %")
        axis.legend(ncols=2 if len(sizes) > 7 else 1, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return _saved(figure, "measured-retrieval.png", "Change of loss with a datastore, against its size")


def shape(best: pd.DataFrame) -> str:
    """Loss of the best size of each budget, a line a schedule; `best` has architecture, budget, mean."""
    with style.styled():
        figure, axes = style.panels(style.WIDE, 1, 1, 2.8)
        axis = axes[0]
        for colour, (name, part) in zip(style.SERIES, best.groupby("architecture"), strict=False):
            axis.plot(part["budget"], part["mean"], "o-", ms=4, lw=1.2, color=colour, label=style.label(name))
        style.log_axis(axis.xaxis, *style.spread(best["budget"]), scientific)
        axis.set(xlabel="training compute [FLOPs]", ylabel="loss [nats/token]")
        axis.legend()
        return _saved(figure, "measured-shape.png", "Loss against compute, by schedule of the context")


def _plain(value: float) -> str:
    return f"{value:g}"


def _saved(figure: object, name: str, text: str) -> str:
    """Write it, and return the line of the page that shows it."""
    (HERE / name).write_bytes(style.save(figure, "png"))  # type: ignore[arg-type]
    return f"![{text}]({name})\n"
