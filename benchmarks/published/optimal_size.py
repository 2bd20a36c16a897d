"""N* = N1 C^a as a law, and the minima of IsoFLOP curves that it is fitted to.

The minimum of each budget's curve becomes a row of a runs table, with N* in the column of the loss, since what a law
predicts is the column that is measured: the noise is then the relative scatter of the minima about the power law,
Student-t with its scale learned, so that the interval of a carries what the curves do not agree on.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.interpolate import Akima1DInterpolator

import bayescale as bs
from bayescale.laws import Centring, Law, Parameter, Range
from bayescale.laws.rules.isoflop import isoflop

LAW = Law(
    name="optimal-size",
    title="Compute-optimal size as a power of compute",
    citation="Hoffmann et al. 2022, arXiv:2203.15556, section 3.2",
    equation="N* = N1 C^a",
    latex="N^* = N_1 C^a",
    inputs=("flops",),
    parameters=(
        Parameter(
            "N1",
            "optimal size at one FLOP",
            "params",
            "positive",
            Range(1e5, 1e11),
            "N_1",
            centring=Centring(
                "N1 C0^a",
                "optimal size at the geometric-mean budget",
                lambda size, values, reference: size * reference["flops"] ** -values["a"],
                lambda natural, values, reference: natural * reference["flops"] ** values["a"],
                "params",
            ),
        ),
        Parameter("a", "exponent of compute", "1", "positive", Range(0.2, 1.2), "a"),
    ),
    loss=lambda values, inputs: values["N1"] * inputs["flops"] ** values["a"],
)


@cache
def model() -> bs.Model:
    """The model of the minima; only asking for it makes the law known by its name."""
    bs.register(LAW)
    return bs.Model(
        name="optimal-size",
        law="optimal-size",
        noise={"sigma": {"range": [0.01, 0.3]}, "nu": {"range": [2.5, 40.0]}},
    )


def akima_minima(runs: pd.DataFrame, points: int = 2001) -> pd.DataFrame:
    """Minima of Akima curves through each budget's log losses against log params, as Porian et al. 2024 take them.

    Budgets with fewer than five sizes, or whose lowest run is the smallest or the largest, have none.
    """
    rows = []
    for flops, curve in runs.groupby("flops"):
        curve = curve.sort_values("params")
        x, y = np.log(curve["params"].to_numpy(float)), np.log(curve["loss"].to_numpy(float))
        if len(x) >= 5 and 0 < y.argmin() < len(y) - 1:
            grid = np.linspace(x[0], x[-1], points)
            rows.append((flops, float(np.exp(grid[Akima1DInterpolator(x, y)(grid).argmin()]))))
    return pd.DataFrame(rows, columns=["flops", "loss"])


def cubic_minima(runs: pd.DataFrame) -> pd.DataFrame:
    """Minima of the package's IsoFLOP cubics."""
    found = isoflop(runs, degree=3, resamples=0).table
    found = found[found["status"] == "ok"]
    return pd.DataFrame({"flops": found["flops"].to_numpy(), "loss": found["params"].to_numpy()})
