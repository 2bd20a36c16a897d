"""One look for every figure: palette, type, axes, and text that is shown as it is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from bayescale.numerals import scientific

WIDE, NARROW = 9.6, 4.4
"""Inches: of a figure on a page about 920 pixels wide, and of the same on a phone."""

# Okabe and Ito's palette: told apart with every common colour blindness.
BLUE, SKY, GREEN, VERMILLION = "#0072B2", "#56B4E9", "#009E73", "#D55E00"
ORANGE, PURPLE, YELLOW, BLACK = "#E69F00", "#CC79A7", "#F0E442", "#1b1b1b"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))
GREY, PALE = "#666666", "#ededed"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": "#333333",
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    # A label is data: a dollar sign in it is a dollar sign.
    "text.parse_math": False,
    "text.usetex": False,
    # Glyphs as outlines look the same everywhere; the salt makes the file the same every time.
    "svg.fonttype": "path",
    "svg.hashsalt": "bayescale",
}

LONGEST = 30


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside this; nothing of it outlasts the block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


@cache
def _characters() -> frozenset[int]:
    font = findfont(FontProperties(family="DejaVu Sans"), fallback_to_default=True)
    return frozenset(FT2Font(font).get_charmap())


def label(text: object, longest: int = LONGEST) -> str:
    """Return a label from a table for a figure: one line, cut short, without characters that the font lacks."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() and ord(c) in _characters() else "?" for c in line)
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    # matplotlib leaves names that begin with an underscore out of legends.
    return f" {line}" if line.startswith("_") else line


def save(figure: Figure, kind: str, dpi: int = 160) -> bytes:
    """Return the figure as ``svg`` or ``png``, the same bytes every time."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": "bayescale"} if kind == "svg" else {"Software": "bayescale"}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return _rounded(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _rounded(svg: bytes) -> bytes:
    """Round the coordinates of paths to hundredths of a point, which nobody sees: half of the file is digits."""
    return re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), svg)


def panels(
    width: float, number: int, columns: int, height: float, extra: float = 0.0, **options: Any
) -> tuple[Figure, list[Any]]:
    """Return a figure with so many axes, `height` inches a row, and `extra` for what stands outside of them."""
    columns = max(1, min(columns, number))
    rows = -(-number // columns)
    figure = Figure(figsize=(width, rows * height + extra), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for spare in axes[number:]:
        spare.remove()
    return figure, axes[:number]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between two positive ones, even on a log scale."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    # Finest first: a narrow range needs tenths, a wide one powers of ten.
    tenths = [[m / 10 for m in range(10, 100, step)] for step in (1, 2, 5)]
    sets = (
        *tenths,
        (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
        (1, 1.5, 2, 3, 4, 6),
        (1, 2, 3, 5),
        (1, 2, 5),
        (1, 3),
        (1,),
    )
    inside: list[float] = []
    for mantissas in sets:
        inside = [
            m * 10.0**d for d in decades for m in mantissas if low * 0.999 <= m * 10.0**d <= high * 1.001
        ]
        if len(inside) <= most:
            break
    inside = inside[:: -(-len(inside) // most)] if len(inside) > most else inside
    if len(inside) >= 2:
        return inside
    # Less than one step between round numbers: even steps, to as many figures as tell them apart.
    return [float(f"{x:.3g}") for x in np.geomspace(low, high, 3)]


def log_axis(axis: Any, low: float, high: float, text: Any = scientific, most: int = 6) -> None:
    """Make an axis logarithmic between two values, with ticks that are written by `text`."""
    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    getattr(axis.axes, f"set_{name}lim")(low, high)
    axis.set_major_locator(FixedLocator(log_ticks(low, high, most)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: text(x)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def spread(values: Sequence[float] | np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Return limits about positive values, with a margin on the log scale."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    low, high = np.log(finite.min()), np.log(finite.max())
    margin = share * max(high - low, 0.05)
    return float(np.exp(low - margin)), float(np.exp(high + margin))


def series(index: int) -> dict[str, Any]:
    """Return colour and dash of the i-th line: distinct for three times the palette."""
    return {"color": SERIES[index % len(SERIES)], "linestyle": DASHES[index // len(SERIES) % len(DASHES)]}
