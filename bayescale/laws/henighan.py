"""Henighan et al. 2020: one form, a floor and a power law, over modalities, in size and in compute.

`TABLE` is the paper's Table 1. Its exponents, taken together, are a prior for a domain that nobody has measured:
`exponent_range` turns them into a `Range` that a model file can use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev
from typing import Any, Literal

from bayescale.laws.base import Law, Published, Range, Values
from bayescale.laws.rules.kaplan import PF_DAY
from bayescale.laws.terms import exponent, floor, scaled

PAPER = "Henighan et al. 2020, Scaling Laws for Autoregressive Generative Modeling, arXiv:2010.14701, Table 1"


@dataclass(frozen=True)
class Fit:
    """One entry of the table: L = floor + (scale/x)^exponent.

    Attributes
    ----------
    floor : float
        Irreducible loss, nats per token (per image token, per code of a VQ-VAE); 0 where the paper fits none.
    scale : float
        N_0 in non-embedding parameters, or C_0 in PF-days of 8.64e19 FLOPs.
    exponent : float
    """

    floor: float
    scale: float
    exponent: float


@dataclass(frozen=True)
class Optimal:
    """Compute-optimal size N_opt = (C/scale)^exponent, with C and the scale in PF-days."""

    scale: float
    exponent: float

    def params(self, flops: Any) -> Any:
        """N_opt at a budget in FLOPs."""
        return (flops / PF_DAY / self.scale) ** self.exponent


@dataclass(frozen=True)
class Row:
    """One domain; what the paper does not give is None."""

    domain: str
    size: Fit | None
    compute: Fit | None
    optimal: Optimal | None


TABLE = (
    Row("language", Fit(0, 1.47e14, 0.070), Fit(0, 3.47e8, 0.048), Optimal(3.3e-13, 0.73)),
    Row("image 8x8", Fit(3.12, 8.0e1, 0.24), Fit(3.13, 1.8e-8, 0.19), Optimal(5.3e-14, 0.64)),
    Row("image 16x16", Fit(2.64, 2.8e2, 0.22), Fit(2.64, 1.6e-8, 0.16), Optimal(4.8e-12, 0.75)),
    Row("image 32x32", Fit(2.20, 6.3e1, 0.13), Fit(2.21, 3.6e-9, 0.1), Optimal(1.6e-13, 0.65)),
    Row("image VQ 16x16", Fit(3.99, 2.7e4, 0.13), Fit(4.09, 6.1e-7, 0.11), Optimal(6.2e-14, 0.64)),
    Row("image VQ 32x32", Fit(3.07, 1.9e4, 0.14), Fit(3.17, 2.6e-6, 0.12), Optimal(9.4e-13, 0.7)),
    Row("text to image: text", Fit(0, 5.6e8, 0.037), None, None),
    Row("text to image: image", Fit(2.0, 5.1e3, 0.16), None, None),
    Row("text to image: both", None, Fit(1.93, 1.5e-6, 0.15), Optimal(9.4e-13, 0.7)),
    Row("image to text: text", Fit(0, 7.0e8, 0.039), None, None),
    Row("image to text: image", Fit(2.0, 5.5e3, 0.15), None, None),
    Row("image to text: both", None, Fit(1.97, 1.5e-6, 0.16), Optimal(3.3e-12, 0.72)),
    Row("video VQ", Fit(1.01, 3.7e4, 0.24), Fit(0.95, 2.2e-5, 0.14), Optimal(1.13e-12, 0.71)),
    Row("mathematics", Fit(0.28, 1.1e4, 0.16), Fit(0.14, 1.4e-5, 0.17), Optimal(2.3e-12, 0.69)),
)
"""Table 1, row by row; compute in PF-days as printed."""


def exponent_range(
    of: Literal["size", "compute", "optimal"], mass: float = 0.9, with_floor: bool | None = None
) -> Range:
    """Return the spread of an exponent over domains, as the prior of a domain that is not in the table.

    Log-normal with the table's mean and standard deviation of the log exponent. Rows are not independent (six of
    them are images), so this is a spread to argue from and no measurement.

    Parameters
    ----------
    of : {"size", "compute", "optimal"}
        Exponent of the loss in N, of the loss in C, or of N_opt in C.
    mass : float
        What the range holds.
    with_floor : bool, optional
        Only rows fitted with an irreducible loss (True) or without (False); a floor makes the exponent larger.

    Returns
    -------
    Range

    Raises
    ------
    ValueError
        Fewer than two rows are left.
    """
    fits = [(row, getattr(row, of)) for row in TABLE]
    logs = [
        math.log(fit.exponent)
        for row, fit in fits
        if fit is not None and (with_floor is None or _has_floor(row) is with_floor)
    ]
    if len(logs) < 2:
        raise ValueError(
            f"a spread needs two domains: {len(logs)} of the table's rows have this exponent of {of}"
        )
    reach = stdev(logs) * NormalDist().inv_cdf((1 + mass) / 2)
    return Range(math.exp(mean(logs) - reach), math.exp(mean(logs) + reach), mass)


def _has_floor(row: Row) -> bool:
    return any(fit is not None and fit.floor > 0 for fit in (row.size, row.compute))


def loss_of_params(values: Values, inputs: Values) -> Any:
    """L(N) = L_inf + (N_0/N)^a_N (Henighan et al. 2020, eq. 1.1)."""
    return values["L_inf"] + (values["N_0"] / inputs["params"]) ** values["a_N"]


def loss_of_compute(values: Values, inputs: Values) -> Any:
    """L(C) = L_inf + (C_0/C)^a_C on the compute frontier (Henighan et al. 2020, eq. 1.1)."""
    return values["L_inf"] + (values["C_0"] / inputs["flops"]) ** values["a_C"]


def _law(
    name: str, letter: str, what: str, input: str, unit: str, loss: Any, column: str, per_unit: float
) -> Law:
    scale_name, exponent_name = f"{letter}_0", f"a_{letter}"
    published = []
    for row in TABLE:
        fit: Fit | None = getattr(row, column)
        if fit is not None:
            values = {
                "L_inf": float(fit.floor),
                scale_name: fit.scale * per_unit,
                exponent_name: fit.exponent,
            }
            note = "" if fit.floor else "The paper fits no floor here."
            published.append(
                Published(f"Henighan 2020, {row.domain}", values, "arXiv:2010.14701, Table 1", note=note)
            )
    frontier = (
        ""
        if letter == "N"
        else "; only runs on the compute frontier; C in FLOPs, the paper's PF-days converted"
    )
    return Law(
        name=name,
        title=f"Henighan 2020: a floor and a power law in {what}",
        citation=PAPER,
        equation=f"L = L_inf + ({scale_name}/{letter})^{exponent_name}",
        latex=rf"L({letter}) = L_\infty + \left(\frac{{{scale_name}}}{{{letter}}}\right)^{{\alpha_{letter}}}",
        inputs=(input,),
        parameters=(
            # .14 (mathematics) to 4.1 (VQ images) in the table, .16 (code) in Aghajanyan 2023; text, where no
            # floor was resolved, sits below the range's middle.
            floor("L_inf", r"L_\infty", Range(0.05, 6.0), f"loss that {what} does not remove"),
            # At 1e8 parameters the table's term runs from .03 (8x8 images) to 2.7 nats (language).
            scaled(
                scale_name,
                input,
                exponent_name,
                letter,
                prior=Range(0.01, 8.0),
                meaning=f"scale of {what}",
                unit=unit,
                spread=Range(0.05, 1.0),
            ),
            # The table has .037 to .24 (size) and .048 to .19 (compute); other fits with a floor reach .4 and more.
            # Its own standard deviation of the log exponent is .6 (size) and .4 (compute).
            exponent(exponent_name, rf"\alpha_{letter}", what, Range(0.025, 0.6), Range(0.02, 0.6)),
        ),
        loss=loss,
        published=tuple(published),
        validity=f"Nothing else may limit the loss{frontier}.",
    )


LAWS = (
    _law("henighan-n", "N", "size", "params", "non-embedding params", loss_of_params, "size", 1.0),
    _law("henighan-c", "C", "compute", "flops", "FLOPs", loss_of_compute, "compute", PF_DAY),
)
