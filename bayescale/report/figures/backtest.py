"""Did bands hold: how often losses fell below each quantile, and how far off medians were by compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from bayescale.forecast.backtest import Backtest
from bayescale.forecast.baselines import USUAL
from bayescale.forecast.scores import GRID
from bayescale.report.figures import style
from bayescale.runs.atomic import replace_files


def draw(backtest: Backtest, path: Path) -> None:
    """Write the figure of a backtest, as PNG, SVG or PDF by its suffix: calibration, and error by compute."""
    with style.styled():
        figure, (left, right) = style.panels(style.WIDE, 2, 2, 3.4, extra=0.3)
        calibration(left, {m: (q, y) for m, q, y in _drawn(backtest)})
        left.set_title("losses below each quantile")
        for i, (method, quantiles, measured) in enumerate(_drawn(backtest)):
            rows = backtest.forecasts[backtest.forecasts["method"] == method]
            flops = rows["flops"].to_numpy(float)
            if not np.isfinite(flops).all():
                continue
            order = np.argsort(flops, kind="stable")
            # Beside each other, so that bars of one run do not hide one another.
            x = flops[order] * 10 ** (0.012 * (i - 0.5))
            low, middle, high = (quantiles[order][:, j] / measured[order] - 1 for j in (4, 49, 94))
            colour = style.series(i)["color"]
            right.vlines(x, low, high, color=colour, linewidth=1, alpha=0.5)
            right.scatter(x, middle, s=7, color=colour, linewidth=0, zorder=3)
        right.axhline(0, color=style.BLACK, linewidth=0.8)
        right.set(
            title="forecast over measured, less one: median, 90 % band",
            xlabel="compute of the held-out run [FLOPs]",
        )
        flops = backtest.forecasts["flops"].to_numpy(float)
        if np.isfinite(flops).all():
            style.log_axis(right.xaxis, *style.spread(flops))
        right.yaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        kind = path.suffix.lstrip(".").lower() or "png"
        replace_files({path: style.save(figure, kind)})


def calibration(axis, forecasts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:  # type: ignore[no-untyped-def]
    """Share of losses below each quantile, by method: on the diagonal, forecasts mean what they say."""
    axis.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8)
    for i, (method, (quantiles, measured)) in enumerate(forecasts.items()):
        below = (measured[:, None] <= quantiles).mean(axis=0)
        axis.plot(GRID, below, linewidth=1.6, label=style.label(method), **style.series(i))
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="predictive quantile", ylabel="share of losses below it")


def _drawn(backtest: Backtest) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Quantiles and losses of the models, and of the usual practice."""
    names = [f"q{p:g}" for p in GRID]
    out = []
    for method, rows in backtest.forecasts.groupby("method", sort=False):
        if (rows["kind"] == "model").any() or method == USUAL:
            out.append((str(method), rows[names].to_numpy(float), rows["loss"].to_numpy(float)))
    return out
