"""Skills: accuracy against loss with the fitted curves, and the probability that each has emerged, by compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from bayescale.report.figures import style
from bayescale.runs.atomic import replace_files
from bayescale.skills.accuracy import SkillFit, unit_name
from bayescale.skills.agreement import Agreement
from bayescale.skills.emergence import Emergence

COLUMNS = 4
POINTS = 60


def draw(found: Emergence, fit: SkillFit, record: Agreement | None, path: Path) -> None:
    """Write the figure, as PNG, SVG or PDF by its suffix.

    A panel a skill: measured accuracies (held-out ones open) and the band of expected accuracy against loss; the
    last one has the probability of having emerged against compute.
    """
    count = len(fit.units) + 1
    with style.styled():
        figure, axes = style.panels(style.WIDE, count, COLUMNS, 2.3, extra=0.3)
        for unit, axis in enumerate(axes[:-1]):
            _curve(axis, fit, record, unit)
        last = axes[-1]
        for i, (key, rows) in enumerate(found.curves.groupby([*found.labels, "skill"], sort=False)):
            parts: dict[str, Any] = dict(zip([*found.labels, "skill"], key, strict=True))
            named = {str(name): parts[name] for name in ("skill", "task") if name in parts}
            others = [str(parts[name]) for name in found.labels if name != "task"]
            text = style.label(", ".join([unit_name(named), *others]))
            last.plot(rows["flops"], rows["probability"], linewidth=1.3, label=text, **style.series(i))
        dearest = found.table["dearest"].max()
        last.axvline(dearest, color=style.GREY, linewidth=0.8)
        last.axvline(dearest * found.factor, color=style.GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        style.log_axis(last.xaxis, *style.spread(found.curves["flops"].to_numpy(float)), most=4)
        last.set(title=f"P(above chance by {found.margin:g})", xlabel="compute [FLOPs]", ylim=(-0.03, 1.03))
        last.yaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(*last.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        replace_files({path: style.save(figure, path.suffix.lstrip(".").lower() or "png")})


def _curve(axis, fit: SkillFit, record: Agreement | None, unit: int) -> None:  # type: ignore[no-untyped-def]
    about = fit.units.iloc[unit]
    columns = [c for c in ("skill", "task") if c in fit.units]

    def mine(rows):  # type: ignore[no-untyped-def]
        return rows[np.logical_and.reduce([rows[c] == about[c] for c in columns])]

    rows = mine(fit.rows)
    held = mine(record.rows) if record is not None else rows.iloc[:0]
    everything = np.concatenate([rows["loss"], held["loss"]])
    loss = np.linspace(everything.min() - 0.05, everything.max() + 0.05, POINTS)
    low, middle, high = np.quantile(fit.accuracy(unit, loss), (0.05, 0.5, 0.95), axis=0)
    axis.fill_between(loss, low, high, color=style.BLUE, alpha=0.2, linewidth=0)
    axis.plot(loss, middle, color=style.BLUE, linewidth=1.3)
    axis.scatter(rows["loss"], rows["correct"] / rows["items"], s=9, color=style.BLACK, linewidth=0, zorder=3)
    axis.scatter(
        held["loss"],
        held["correct"] / held["items"],
        s=16,
        facecolor="none",
        edgecolor=style.VERMILLION,
        zorder=4,
    )
    axis.axhline(about["chance"], color=style.GREY, linewidth=0.8)
    # A line for the skill and one for its task: together they are wider than a panel.
    title = "\n".join(style.label(about[c]) for c in columns)
    axis.set(title=title, xlabel="loss [nats/token]")
    axis.invert_xaxis()
