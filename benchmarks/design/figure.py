"""CRPS against the share of the cost, a line a policy; and stated against realised odds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayescale.report.figures import style
from benchmarks.design.policies import POLICIES
from benchmarks.design.summary import OURS, SHARES, by_policy, reliability

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.GREY, style.BLACK)


def figure(found: pd.DataFrame | None, worlds: list[dict[str, Any]]) -> bytes:
    """The figure as a PNG."""
    drawn = Figure(figsize=(9, 3.8), layout="constrained", dpi=130)
    left, right = drawn.subplots(1, 2)
    if found is not None:
        each = {share: by_policy(found, share, "relative") for share in SHARES}
        for name, colour in zip(POLICIES, COLOURS, strict=True):
            line = [each[share].get(name, np.nan) for share in SHARES]
            left.plot(
                [100 * s for s in SHARES],
                line,
                "o-",
                color=colour,
                label=name,
                linewidth=2.2 if name == OURS else 1.2,
            )
        left.axhline(1, color=style.GREY, linestyle=":", linewidth=1)
        left.set(
            xscale="log",
            yscale="log",
            xlabel="share of the cost of all runs, %",
            ylabel="CRPS over everything's",
        )
        left.set_xticks([100 * s for s in SHARES], [f"{100 * s:g}" for s in SHARES])
        left.legend(frameon=False, fontsize=8)
    if worlds:
        curve = reliability(worlds)
        right.fill_between(
            curve["stated"],
            curve["low"],
            curve["high"],
            color=style.SKY,
            alpha=0.4,
            label="95 % of right forecasts",
        )
        right.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=":")
        right.plot(curve["stated"], curve["reached"], "o", color=style.BLUE, label="bins of worlds")
        right.set(
            xlabel="probability of success as stated",
            ylabel="share of worlds that succeeded",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        right.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
