"""When a training run changes shape: loss against compute, of every shape alone and of the plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bayescale.decide import Adaptive
from bayescale.numerals import scientific
from bayescale.report.figures import style
from bayescale.runs.atomic import replace_files


def draw(found: Adaptive, path: Path) -> None:
    """Write the figure, as PNG, SVG or PDF by its suffix: median curves, the plan, and where it changes."""
    with style.styled():
        figure, (axis,) = style.panels(style.WIDE, 1, 1, 3.6, extra=0.3)
        alone, plan = found.flops[:-2], found.flops[-2]
        for i, name in enumerate(found.shapes):
            kept = np.isfinite(alone[i])
            axis.plot(
                alone[i][kept],
                found.levels[kept],
                linewidth=1.3,
                label=f"{style.label(name)} throughout",
                **style.series(i),
            )
        kept = np.isfinite(plan)
        axis.plot(
            plan[kept],
            found.levels[kept],
            color=style.BLACK,
            linewidth=2.6,
            alpha=0.45,
            label="plan",
            zorder=4,
        )
        for stint in found.stints[:-1]:
            low, middle, high = np.quantile(stint.flops, (0.05, 0.5, 0.95), method="nearest")
            axis.plot([low, high], [stint.until] * 2, color=style.BLACK, linewidth=1, zorder=5)
            axis.plot([middle], [stint.until], "o", color=style.BLACK, markersize=4.5, zorder=5)
        every = found.flops[:-1][np.isfinite(found.flops[:-1])]
        low = float(np.nanmin(plan[kept]))
        style.log_axis(axis.xaxis, *style.spread(np.clip(every, low / 1.5, 3 * plan[kept].max())), scientific)
        axis.set(
            title="median curves; where the plan changes shape, with the 90 % interval of the compute spent",
            xlabel="training compute [FLOPs]",
            ylabel="expected loss",
        )
        axis.legend()
        kind = path.suffix.lstrip(".").lower() or "png"
        replace_files({path: style.save(figure, kind)})
