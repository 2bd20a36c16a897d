"""The figure of the page: stated probability against share right, and what is answered at which distance."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from bayescale.report.figures import style
from benchmarks.verdicts.summary import (
    DISTANCES,
    EDGES,
    RIGHT_AT_90,
    fair,
    for_a_target,
    right_share,
    stated_mean,
)

ANSWERS = {
    "go": ("GO", style.GREEN),
    "no-go": ("NO-GO", style.VERMILLION),
    "run first": ("RUN FIRST", style.ORANGE),
    "not from these data": ("NOT FROM THESE DATA", style.PALE),
}
FEWEST = 20
"""Verdicts below which a share is not drawn."""


def figure(verdicts: pd.DataFrame) -> bytes:
    """Draw both panels as a PNG."""
    with style.styled():
        drawn, (left, right) = style.panels(style.WIDE, 2, 2, 3.2, extra=1.0)
        left.plot([0.8, 1], [0.8, 1], color=style.GREY, linewidth=0.8)
        left.axhline(RIGHT_AT_90, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[2])
        colours = (*style.SERIES, style.GREY)
        for colour, (family, its) in zip(colours, verdicts.groupby("family", sort=False), strict=False):
            asked = for_a_target(its)
            points = [
                (stated_mean(asked, *edges), found.value, found.error)
                for edges in pairwise(EDGES)
                if (found := right_share(asked, *edges)).count >= FEWEST
            ]
            if points:
                stated, value, error = zip(*points, strict=True)
                left.errorbar(
                    stated, value, error, color=colour, linewidth=1.3, marker="o", markersize=3, label=family
                )
        left.set(
            xlabel="probability stated of GO or NO-GO",
            ylabel="probability in truth, mean",
            title="Verdicts on a target",
        )
        asked = for_a_target(fair(verdicts))
        bottoms = [0.0] * len(DISTANCES)
        groups = [asked[(asked["decades"] > a) & (asked["decades"] <= b)] for a, b in DISTANCES]
        labels = ["inside", *(f"{a:g} to {b:g}" for a, b in DISTANCES[1:])]
        for answer, (name, colour) in ANSWERS.items():
            height = [float((its["answer"] == answer).mean()) if len(its) else 0.0 for its in groups]
            right.bar(labels, height, bottom=bottoms, color=colour, label=name, width=0.75)
            bottoms = [a + b for a, b in zip(bottoms, height, strict=True)]
        right.set(
            xlabel="decades of compute beyond the runs",
            ylabel="share of verdicts",
            ylim=(0, 1),
            title="Answers where the law is right",
        )
        handles = [axis.get_legend_handles_labels() for axis in (left, right)]
        drawn.legend(
            [h for pair in handles for h in pair[0]],
            [t for pair in handles for t in pair[1]],
            loc="outside lower center",
            ncols=5,
        )
        return style.save(drawn, "png", dpi=110)
