"""The figure of the page: cost of a gradient and memory of a fit, by runs and by cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayescale.report.figures import style


def figure(points: Sequence[dict[str, Any]]) -> bytes:
    """Two rows, a gradient and a fit's memory, by what grows; dashed is proportional growth."""
    with style.styled():
        drawn, axes = style.panels(style.WIDE, 4, 2, 2.5, extra=0.2)
        for index, (kind, value, label, scale) in enumerate(
            (
                ("gradient", "gradient_s", "CPU ms of a gradient", 1e3),
                ("fit", "peak_mib", "peak memory of a fit, MiB", 1.0),
            )
        ):
            for column, axis in enumerate(("runs", "cells")):
                panel = axes[2 * index + column]
                here = [p for p in points if p["kind"] == kind and p["axis"] == axis and value in p]
                if not here:
                    panel.set_visible(False)
                    continue
                x, y = [p[axis] for p in here], [scale * p[value] for p in here]
                panel.plot(
                    x, y, color=style.BLUE, marker="o", markersize=4, linewidth=1.6, label="effects of cells"
                )
                shown = y
                other = [p for p in points if p["kind"] == "default" and p["axis"] == axis and value in p]
                if kind == "gradient" and other:
                    xs, ys = [p[axis] for p in other], [scale * p[value] for p in other]
                    panel.plot(
                        xs,
                        ys,
                        color=style.VERMILLION,
                        marker="s",
                        markersize=3.5,
                        linewidth=1.6,
                        label="default model",
                    )
                    panel.legend(loc="upper left", frameon=False, fontsize="small")
                    shown = [*y, *ys]
                ended = [(a, b) for a, b, p in zip(x, y, here, strict=True) if p["stopped"]]
                if ended:
                    panel.plot(*zip(*ended, strict=True), "o", color="white", markersize=2.4, zorder=3)
                if kind == "gradient":
                    # Through the largest, so that growth in proportion is seen where it matters.
                    line = [y[-1] * a / x[-1] for a in x]
                    panel.plot(x, line, color=style.GREY, linestyle="--", linewidth=0.9)
                style.log_axis(panel.xaxis, *style.spread(x), text=lambda v: f"{v:,.0f}")
                style.log_axis(panel.yaxis, *style.spread(shown), text=lambda v: f"{v:g}")
                what = "runs, in 5 cells" if axis == "runs" else "cells, of 10 runs"
                panel.set(xlabel=what, ylabel=label)
        return style.save(drawn, "png", dpi=110)
