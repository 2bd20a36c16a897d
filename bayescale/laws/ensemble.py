"""Ensembles: the average of several models' predictions."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.terms import exponent, floor, sized
from bayescale.lazy_jax import jnp


def _factor(values: Values, inputs: Values) -> Any:
    shared = values["phi"]
    return inputs["params"] ** -values["alpha"] * (shared + (1 - shared) / inputs["ensemble"])


def loss(values: Values, inputs: Values) -> Any:
    """L(n, N) = E + A N^-alpha (phi + (1 - phi) / n): averaging removes what the members do not share."""
    return values["E"] + values["A"] * _factor(values, inputs)


def memory_split(values: Values) -> Any:
    """The best number of members for any total size n N: n* = (1 - alpha) (1 - phi) / (alpha phi), at least one.

    It does not depend on the total: from n A N^-alpha (phi + (1 - phi)/n) at N = T/n, set the derivative in n to zero.
    """
    alpha, phi = values["alpha"], values["phi"]
    return jnp.maximum((1 - alpha) * (1 - phi) / (alpha * phi), 1.0)


LAW = Law(
    name="ensemble",
    title="Ensemble of equal models",
    citation="This project; the 1/n of a variance, as in Lobacheva et al. 2020, On Power Laws in Deep Ensembles, "
    "arXiv:2007.08483",
    equation="L = E + A N^-alpha (phi + (1 - phi) / n), n = ensemble",
    latex=r"L(n, N) = E + \frac{A}{N^{\alpha}} \left(\varphi + \frac{1 - \varphi}{n}\right)",
    inputs=("params", "ensemble"),
    parameters=(
        floor(),
        exponent("alpha", r"\alpha", "a member's size"),
        Parameter(
            "phi",
            "part of the reducible loss that the members share",
            "1",
            "unit",
            # Nothing published in this form; averaging removes some of it and never all.
            Range(0.1, 0.95),
            r"\varphi",
        ),
        sized(
            "A",
            "amplitude of the reducible loss of one model",
            "nats/token x params^alpha",
            "A N0^-alpha (phi + (1 - phi)/n0)",
            "reducible loss at the reference point",
            _factor,
        ),
    ),
    loss=loss,
    validity="N is the size of one member; tokens are the same in every run. phi is known only where ensembles "
    "of more than one member are measured.",
)
