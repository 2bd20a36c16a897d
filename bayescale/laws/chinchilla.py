"""Hoffmann et al. 2022, approach 3: a floor, a term for limited size, a term for limited data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bayescale.laws.base import NOTHING, Law, Optimum, Parameter, Published, Range, Values
from bayescale.laws.terms import exponent, floor, floor_share, reference_loss, sized, term


def loss(values: Values, inputs: Values) -> Any:
    """L = E + A N^-alpha + B D^-beta (Hoffmann et al. 2022, eq. 2), nats per token."""
    return (
        values["E"]
        + values["A"] * inputs["params"] ** -values["alpha"]
        + values["B"] * inputs["tokens"] ** -values["beta"]
    )


def optimum(
    values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
) -> tuple[Any, Any]:
    """Compute-optimal params and tokens under C = k N D (Hoffmann et al. 2022, eq. 4).

    N* = G (C/k)^(beta/(alpha+beta)), D* = (C/k)^(alpha/(alpha+beta)) / G,
    G = (alpha A / (beta B))^(1/(alpha+beta)).
    """
    alpha, beta = values["alpha"], values["beta"]
    total = alpha + beta
    product = flops / flops_per_param_token
    balance = (alpha * values["A"] / (beta * values["B"])) ** (1 / total)
    return balance * product ** (beta / total), product ** (alpha / total) / balance


def optimum_at(as_hoffmann: Callable[[Values, Values], Values]) -> Optimum:
    """The closed form of a law that becomes Hoffmann's, as far as the optimum goes, once its other inputs are fixed.

    Parameters
    ----------
    as_hoffmann : callable
        ``(values, fixed) -> values`` of Hoffmann's A, alpha, B and beta.
    """

    def optimum_of_rest(
        values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
    ) -> tuple[Any, Any]:
        return optimum(as_hoffmann(values, fixed), flops, flops_per_param_token)

    return optimum_of_rest


_DATA = "B D0^-beta N0^alpha / A"


def by_whole_loss(sampled: str) -> tuple[Parameter, ...]:
    """Hoffmann's parameters for a law that adds something to his, sampled as the loss without it and its parts.

    Floor and terms by themselves have to follow the bent shell of what adds up to the loss; the loss, the floor's share
    of it and data's part over size's do not.

    Parameters
    ----------
    sampled : str
        Which loss is sampled, in words.
    """

    def amplitude(whole: Any, v: Values, x: Values) -> Any:
        return (whole - v["E"]) / (1 + v[_DATA]) * x["params"] ** v["alpha"]

    return (
        floor_share(loss, meaning="loss that neither size nor data removes"),
        reference_loss(
            "A", "amplitude of the params term", "nats/token x params^alpha", loss, amplitude, sampled=sampled
        ),
        exponent("alpha", r"\alpha", "size", along="params"),
        sized(
            "B",
            "amplitude of the tokens term",
            "nats/token x tokens^beta",
            _DATA,
            "data's part of the reducible loss over size's at the reference point, a ratio",
            lambda v, x: x["tokens"] ** -v["beta"] / (v["A"] * x["params"] ** -v["alpha"]),
            # Runs are chosen so that both matter: neither is below a tenth of the other.
            prior=Range(0.1, 10.0),
            size_unit="1",
        ),
        exponent("beta", r"\beta", "data", along="tokens"),
    )


DENSE = Range(0.1, 1.0)
"""Of exponents beside a fitted floor: no dense model is published below Aghajanyan's 0.11; sparse ones have less."""

RUNS = {"params": (7e7, 1.6e10), "tokens": (5e9, 5e11)}
"""Hoffmann's runs, which Besiroglu's are a reading of."""

LAW = Law(
    name="chinchilla",
    title="Hoffmann 2022: additive power laws in size and data",
    citation="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv:2203.15556, eq. 2",
    equation="L = E + A N^-alpha + B D^-beta",
    latex=r"L(N, D) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}",
    inputs=("params", "tokens"),
    parameters=(
        floor(meaning="loss that neither size nor data removes"),
        term("A", "params", "alpha"),
        exponent("alpha", r"\alpha", "size", DENSE, along="params"),
        term("B", "tokens", "beta"),
        exponent("beta", r"\beta", "data", DENSE, along="tokens"),
    ),
    loss=loss,
    published=(
        Published(
            label="Hoffmann 2022",
            values={"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.33917084, "beta": 0.2849083},
            citation="arXiv:2203.15556, TeX source",
            runs=RUNS,
        ),
        Published(
            label="Besiroglu 2024",
            values={"E": 1.8172, "A": 482.0, "B": 2085.4, "alpha": 0.3478, "beta": 0.3658},
            sd={"E": 0.026, "A": 124.5, "B": 1293.0, "alpha": 0.0154, "beta": 0.0206},
            citation="arXiv:2404.10102",
            note="The five highest losses are left out; with them beta is 0.45.",
            runs=RUNS,
        ),
    ),
    validity="No interaction of size and data, no repeated data, schedules decayed to their horizon.",
    optimum=optimum,
)
