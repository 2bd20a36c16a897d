"""The figures of the page: how ranks depart from uniform ones, by arviz-plots."""

from __future__ import annotations

from collections.abc import Sequence

from bayescale.inference.calibration import Calibration
from bayescale.report.figures import style
from bayescale.report.figures.arviz import delta_ecdf


def figure(found: Calibration, names: Sequence[str]) -> bytes:
    """A panel a quantity: inside the band is what uniform ranks do in 99 of 100 pictures."""
    with style.styled():
        return style.save(delta_ecdf(found.pit(names), style.WIDE), "png", dpi=110)
