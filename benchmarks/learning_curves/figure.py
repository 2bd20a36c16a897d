"""The figure of the page: every chosen curve with what two laws forecast of its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayescale.report.figures import style
from benchmarks.learning_curves.curves import Curve
from benchmarks.learning_curves.fits import Forecast

DRAWN = {"m2": style.VERMILLION, "m4": style.BLUE}
COLUMNS = 3


def figure(curves: Sequence[Curve], forecasts: Mapping[tuple[str, str], Forecast]) -> bytes:
    """A panel a curve: fitted and held-out rows, and the 90 % bands of the laws of `DRAWN` that passed the gate."""
    with style.styled():
        drawn, axes = style.panels(style.WIDE, len(curves), COLUMNS, 2.2, extra=0.4)
        for axis, curve in zip(axes, curves, strict=True):
            for law, colour in DRAWN.items():
                found = forecasts[curve.name, law]
                if found.passed:
                    x, low, median, high = np.array(found.band).T
                    axis.fill_between(x, low, high, color=colour, alpha=0.22, linewidth=0)
                    axis.plot(x, median, color=colour, linewidth=1.2, label=f"{law}: median, 90 % band")
            rows = {"fitted": (curve.fitted, style.BLACK, 9), "held out": (curve.held, style.ORANGE, 5)}
            for label, (part, colour, size) in rows.items():
                axis.scatter(
                    part["examples"], part["loss"], s=size, color=colour, label=label, zorder=3, linewidth=0
                )
            losses = np.concatenate([part["loss"] for part, _, _ in rows.values()])
            axis.set(title=style.label(curve.name, 34), xscale="log")
            axis.set_ylim(0.85 * losses.min(), 1.08 * losses.max())
        for axis in axes[-COLUMNS:]:
            axis.set_xlabel("examples seen")
        for axis in axes[::COLUMNS]:
            axis.set_ylabel("loss or error")
        # A law that failed on one curve has its line from another.
        entries = {
            text: handle
            for axis in axes
            for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        drawn.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4)
        return style.save(drawn, "png", dpi=110)
