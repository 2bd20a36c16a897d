"""A law between the loss of chance and a floor, for ample data and for repeated data."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import Factor, exponent, floor_share, plateau, reference_loss, sized
from bayescale.lazy_jax import jnp


def _between(values: Values, h: Any) -> Any:
    return values["E"] + (values["L_0"] - values["E"]) * h / (1 + h)


def _size(values: Values, inputs: Values) -> Any:
    return values["a"] * inputs["params"] ** -values["alpha"]


def ample_data_loss(values: Values, inputs: Values) -> Any:
    """L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b D^-beta."""
    return _between(values, _size(values, inputs) + values["b"] * inputs["tokens"] ** -values["beta"])


def repeated_data_loss(values: Values, inputs: Values) -> Any:
    """L = E + (L_0 - E) h / (1 + h), h = a N^-alpha + b T^-beta + c N^gamma D^-delta (arXiv:2605.09189).

    T counts tokens seen, D unique tokens.
    """
    h = (
        _size(values, inputs)
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


_DATA, _OVER = "b D0^-beta N0^alpha / a", "c N0^gamma D0^-delta N0^alpha / a"


def _shared(loss: Factor, over_size: tuple[str, ...]) -> tuple[Parameter, ...]:
    """The parameters of both laws.

    The loss at the reference point is sampled, and everything else as how it comes about: the floor's share of it, how
    far below chance it is, the other terms over size's. So chance can be anywhere above, which runs far below it allow,
    and no amplitude has to follow.
    """

    gap = plateau("L_0", loss)

    def amplitude(loss: Any, v: Values, x: Values) -> Any:
        h = (loss - v["E"]) / v[gap.symbol]
        return h / (1 + sum(v[part] for part in over_size)) * x["params"] ** v["alpha"]

    return (
        floor_share(loss),
        Parameter(
            "L_0",
            "loss without training",
            "nats/token",
            "positive",
            # ln of the vocabulary's size, 5.5 for bytes to 12, or the entropy of single tokens, less a loss.
            Range(1.0, 11.0),
            "L_0",
            Range(0.02, 0.3),
            gap,
        ),
        reference_loss("a", "amplitude of the size term", "params^alpha", loss, amplitude),
        exponent("alpha", r"\alpha", "size"),
        sized(
            "b",
            "amplitude of the data term",
            "tokens^beta",
            _DATA,
            "data's part of h = (L - E) / (L_0 - L) over size's at the reference point, a ratio",
            lambda v, x: x["tokens"] ** -v["beta"] / _size(v, x),
            # Runs are chosen so that both matter: neither is below a tenth of the other.
            prior=Range(0.1, 10.0),
            size_unit="1",
        ),
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
        parameters=_shared(ample_data_loss, (_DATA,)),
        loss=ample_data_loss,
        validity="No repeated data. Where no run is near chance, L_0 repeats its prior and the law is Hoffmann's.",
        optimum=optimum_at(_as_hoffmann),
        leading=frozenset({"E", "L_0", "b"}),
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
            *_shared(repeated_data_loss, (_DATA, _OVER)),
            sized(
                "c",
                "amplitude of over-fitting",
                "params^-gamma x unique_tokens^delta",
                _OVER,
                "over-fitting's part of h over size's at the reference point, a ratio",
                lambda v, x: x["params"] ** v["gamma"] * x["unique_tokens"] ** -v["delta"] / _size(v, x),
                # From none that a run shows to several times what size costs.
                prior=Range(0.005, 5.0),
                size_unit="1",
            ),
            exponent("gamma", r"\gamma", "size in over-fitting", Range(0.05, 1.5)),
            exponent("delta", r"\delta", "unique data in over-fitting", Range(0.05, 2.0)),
        ),
        loss=repeated_data_loss,
        validity="Over-fitting depends on unique tokens and size, not on how often they are repeated: a run that "
        "sees its tokens once pays it too.",
        # Straightened by all but the exponents, it takes half to a quarter of the steps, and diverges near a low floor.
        leading=frozenset(),
    ),
)
