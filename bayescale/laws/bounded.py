"""A law between the loss of chance and a floor, for ample data and for repeated data."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import above, exponent, floor, sized


def _between(values: Values, h: Any) -> Any:
    return values["E"] + (values["L_0"] - values["E"]) * h / (1 + h)


def ample_data_loss(values: Values, inputs: Values) -> Any:
    """L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b D^-beta."""
    h = values["a"] * inputs["params"] ** -values["alpha"] + values["b"] * inputs["tokens"] ** -values["beta"]
    return _between(values, h)


def repeated_data_loss(values: Values, inputs: Values) -> Any:
    """L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b T^-beta + c N^gamma D^-delta (arXiv:2605.09189).

    T counts tokens seen, D unique tokens.
    """
    h = (
        values["a"] * inputs["params"] ** -values["alpha"]
        + values["b"] * inputs["tokens"] ** -values["beta"]
        + values["c"] * inputs["params"] ** values["gamma"] * inputs["unique_tokens"] ** -values["delta"]
    )
    return _between(values, h)


def _as_hoffmann(values: Values, fixed: Values) -> Values:
    """The bounds are monotone in h, so they leave the optimum where it is."""
    return {"A": values["a"], "alpha": values["alpha"], "B": values["b"], "beta": values["beta"]}


def largest_useful_params(values: Values, unique_tokens: Any) -> Any:
    """The size beyond which over-fitting of the unique tokens costs more than size gains, for training without end.

    N^(alpha + gamma) = (a alpha / (c gamma)) D^delta.
    """
    log_size = (
        jnp.log(values["a"] * values["alpha"] / (values["c"] * values["gamma"]))
        + values["delta"] * jnp.log(unique_tokens)
    ) / (values["alpha"] + values["gamma"])
    return jnp.exp(log_size)


def _odds(name: str, input: str, exponent: str) -> Parameter:
    # Losses of 2.5 to 5 between a floor near 1.7 and ten nats of chance have h of 0.1 to 0.6, from two terms.
    return sized(
        name,
        f"amplitude of the {input} term",
        f"{input}^{exponent}",
        f"{name} {input}0^-{exponent}",
        f"part of h = (L - E) / (L_0 - L) due to {input} at the reference point",
        lambda v, x: x[input] ** -v[exponent],
        prior=Range(0.005, 1.0),
        size_unit="1",
    )


_PLATEAU = Parameter(
    "L_0",
    "loss without training",
    "nats/token",
    "positive",
    # ln of the vocabulary's size, 5.5 for bytes to 12, or the entropy of single tokens, less a floor.
    Range(2.0, 12.0),
    "L_0",
    Range(0.02, 0.3),
    above("L_0", "E"),
)
_SHARED = (
    floor(),
    _PLATEAU,
    _odds("a", "params", "alpha"),
    exponent("alpha", r"\alpha", "size"),
    _odds("b", "tokens", "beta"),
    exponent("beta", r"\beta", "data"),
)

LAWS = (
    Law(
        name="bounded",
        title="Bounded: additive power laws between chance and a floor",
        citation="arXiv:2605.09189, without its term for repeated data",
        equation="L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b D^-beta",
        latex=r"L(N, D) = E + (L_0 - E) \frac{h}{1 + h}, \quad h = \frac{a}{N^{\alpha}} + \frac{b}{D^{\beta}}",
        inputs=("params", "tokens"),
        parameters=_SHARED,
        loss=ample_data_loss,
        validity="No repeated data. Where no run is near chance, L_0 repeats its prior and the law is Hoffmann's.",
        optimum=optimum_at(_as_hoffmann),
    ),
    Law(
        name="bounded-repeated",
        title="Bounded and data-constrained: chance, a floor and over-fitting",
        citation="arXiv:2605.09189",
        equation="L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b T^-beta + c N^gamma D^-delta; "
        "T tokens seen, D unique tokens",
        latex=r"L(N, D, T) = E + (L_0 - E) \frac{h}{1 + h}, \quad"
        r" h = \frac{a}{N^{\alpha}} + \frac{b}{T^{\beta}} + c \frac{N^{\gamma}}{D^{\delta}}",
        inputs=("params", "tokens", "unique_tokens"),
        parameters=(
            *_SHARED,
            sized(
                "c",
                "amplitude of over-fitting",
                "params^-gamma x unique_tokens^delta",
                "c N0^gamma D0^-delta",
                "part of h due to over-fitting at the reference point",
                lambda v, x: x["params"] ** v["gamma"] * x["unique_tokens"] ** -v["delta"],
                # From none that a run shows to as much as size costs.
                prior=Range(0.0005, 0.5),
                size_unit="1",
            ),
            exponent("gamma", r"\gamma", "size in over-fitting", Range(0.05, 1.5)),
            exponent("delta", r"\delta", "unique data in over-fitting", Range(0.05, 2.0)),
        ),
        loss=repeated_data_loss,
        validity="Over-fitting depends on unique tokens and size, not on how often they are repeated: a run that "
        "sees its tokens once pays it too.",
    ),
)
