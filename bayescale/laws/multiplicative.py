"""The multiplicative law: size and data lower the same reducible loss."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Values
from bayescale.laws.terms import exponent, floor, sized


def _factor(values: Values, inputs: Values) -> Any:
    return inputs["params"] ** -values["alpha"] * inputs["tokens"] ** -values["beta"]


def loss(values: Values, inputs: Values) -> Any:
    """L = E + A N^-alpha D^-beta."""
    return values["E"] + values["A"] * _factor(values, inputs)


LAW = Law(
    name="multiplicative",
    title="Multiplicative: one reducible loss that size and data lower together",
    citation="Common practice; the limit of the generalised joint law for large p. Guo 2024 (arXiv:2404.19484) argues "
    "for its case alpha = beta, in which only compute counts",
    equation="L = E + A N^-alpha D^-beta",
    latex=r"L(N, D) = E + A N^{-\alpha} D^{-\beta}",
    inputs=("params", "tokens"),
    parameters=(
        floor(),
        sized(
            "A",
            "amplitude of the reducible loss",
            "nats/token x params^alpha x tokens^beta",
            "A N0^-alpha D0^-beta",
            "reducible loss at the reference point",
            _factor,
        ),
        exponent("alpha", r"\alpha", "size", along="params"),
        exponent("beta", r"\beta", "data", along="tokens"),
    ),
    loss=loss,
    validity="Has no compute-optimal size: at C = k N D the loss falls without end towards the input with the larger "
    "exponent. Neither a tiny model nor a tiny corpus is ever the bottleneck.",
)
