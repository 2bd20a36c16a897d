"""Figures by arviz-plots, in this package's size and look: finished matplotlib figures that pyplot does not keep."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bayescale.report.figures import style

RANKED = 100
"""Draws of each chain that ranks are shown of: nearly independent ones, as the band takes them to be."""
SHOWN = 30
"""Replicated tables that are drawn."""
BANDS = 300
"""Simulations that the band is from."""


def delta_ecdf(shares: xr.DataTree, width: float) -> Figure:
    """Draw how ranks depart from uniform ones, a panel a quantity of the group ``prior_sbc``.

    The band holds uniform ranks whole in 99 of 100 pictures (Säilynoja et al. 2022).
    """
    from arviz_plots import plot_ecdf_pit

    names = list(map(str, shares["prior_sbc"].data_vars))
    figure = _drawn(plot_ecdf_pit, width, len(names), shares, visuals={"title": False, "xlabel": False})
    return _titled(figure, names)


def ranks(posterior: xr.Dataset, width: float) -> Figure:
    """Draw the ranks of each chain's draws among all, a panel a quantity, as departure from even ones."""
    from arviz_plots import plot_rank

    names = list(map(str, posterior.data_vars))
    few = (
        np.linspace(0, posterior.sizes["draw"] - 1, min(RANKED, posterior.sizes["draw"])).round().astype(int)
    )
    posterior = posterior.isel(draw=few)
    tree = xr.DataTree(children={"posterior": xr.DataTree(posterior)})
    figure = _drawn(
        plot_rank,
        width,
        len(names),
        tree,
        visuals={"title": False, "xlabel": False},
        stats={"ecdf_pit": {"n_simulations": BANDS}},
    )
    return _titled(figure, names)


def energy(tree: xr.DataTree, width: float) -> Figure:
    """Draw the energy against its change from draw to draw, and E-BFMI of each chain."""
    from arviz_plots import plot_energy

    stats = xr.DataTree(children={"sample_stats": tree["sample_stats"].copy()})
    figure = _taken(
        lambda: plot_energy(
            stats,
            backend="matplotlib",
            visuals={"title": False, "legend": False},
            figure_kwargs=_size(width, 2.2),
        )
    )
    left, right = figure.axes[:2]
    left.set_title("E-BFMI")
    left.set_ylabel("chain")
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_title("energy")
    lines = right.get_lines()[:2]
    figure.legend(lines, ["energy", "its change"], loc="outside upper right", ncols=2)
    return figure


def replicated(tree: xr.DataTree, width: float) -> Figure:
    """Draw the distribution of measured losses among those of `SHOWN` replicated tables."""
    from arviz_plots import plot_ppc_dist

    groups = {
        "posterior_predictive": tree["posterior_predictive"].copy(),
        "observed_data": xr.DataTree(tree["observed_data"].to_dataset()[["loss"]]),
    }
    figure = _taken(
        lambda: plot_ppc_dist(
            xr.DataTree(children=groups),
            kind="ecdf",
            num_samples=SHOWN,
            backend="matplotlib",
            visuals={
                "title": False,
                "predictive_dist": {"color": style.SKY, "alpha": 0.3, "width": 0.6},
                "observed_dist": {"color": style.BLACK, "width": 1.4},
            },
            figure_kwargs=_size(width, 2.6),
        )
    )
    axis = figure.axes[0]
    axis.set_title("share of runs with at most this loss")
    axis.set_xlabel("loss")
    return figure


def pareto_k(loo: Any, width: float) -> Figure:
    """Draw the Pareto k of every run, with the line above which leave-one-out cannot be trusted for it."""
    from arviz_plots import plot_khat

    figure = _taken(
        lambda: plot_khat(
            loo,
            backend="matplotlib",
            visuals={"title": False, "xlabel": False, "ylabel": False},
            figure_kwargs=_size(width, 2.2),
        )
    )
    axis = figure.axes[0]
    axis.set_title("Pareto k of leaving the run out")
    axis.axhline(float(loo.good_k), color=style.GREY, linewidth=1, linestyle="--")
    # Runs are counted from one wherever they are named.
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x + 1:.0f}"))
    axis.set_xlabel("run, in the order of the table")
    return figure


def _drawn(plot: Callable[..., Any], width: float, panels: int, *arguments: Any, **options: Any) -> Figure:
    """What a plot of arviz-plots draws, in panels of our size."""
    columns = min(2 if width < 6 else 4, panels)
    rows = -(-panels // columns)
    size = (width, rows * (1.55 if width < 6 else 1.7) + 0.35)
    options.setdefault("col_wrap", columns)
    return _taken(
        lambda: plot(
            *arguments,
            backend="matplotlib",
            figure_kwargs=_size(*size),
            **options,
        )
    )


def _size(width: float, height: float) -> dict[str, Any]:
    return {"figsize": (width, height), "figsize_units": "inches", "layout": "constrained"}


def _taken(draw: Callable[[], Any]) -> Figure:
    """The figure of a plot collection, out of pyplot's hands."""
    import matplotlib.pyplot as plt

    with warnings.catch_warnings(), matplotlib.rc_context({"figure.max_open_warning": 0}):
        # arviz-plots warns of things that are as they should be here, such as few samples to choose from.
        warnings.simplefilter("ignore", UserWarning)
        figure = draw().viz["figure"].item()
    plt.close(figure)
    assert isinstance(figure, Figure)
    return figure


def _titled(figure: Figure, names: Sequence[str]) -> Figure:
    """Titles as data, not as mathematics, over shares of one."""
    for axis, name in zip(figure.axes, names, strict=False):
        axis.set_title(style.label(name))
        axis.xaxis.set_major_locator(FixedLocator([0.0, 0.5, 1.0]))
        axis.set_xlim(0, 1)
    return figure
