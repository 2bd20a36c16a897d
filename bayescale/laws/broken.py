"""Caballero et al. 2022: smoothly broken power laws, with none, one or two breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values
from bayescale.laws.terms import above_floor, floor_share, relative
from bayescale.lazy_jax import jnp


def _factor(breaks: int, input: str) -> Callable[[Values, Values], Any]:
    """x^-c0 prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i), in logs: (x/d)^(1/f) overflows when f is small."""

    def factor(values: Values, inputs: Values) -> Any:
        log_x = jnp.log(inputs[input])
        log_factor = -values["c0"] * log_x
        for i in range(1, breaks + 1):
            steps = (log_x - jnp.log(values[f"d{i}"])) / values[f"f{i}"]
            log_factor -= values[f"c{i}"] * values[f"f{i}"] * jnp.logaddexp(0.0, steps)
        return jnp.exp(log_factor)

    return factor


def _beyond(name: str, before: str) -> Centring:
    return Centring(
        symbol=f"{name} / {before} - 1",
        meaning=f"how far {name} lies beyond {before}, a ratio less one",
        to_natural=lambda ratio, values, reference: values[before] * (1 + ratio),
        from_natural=lambda natural, values, reference: natural / values[before] - 1,
        unit="1",
    )


def _break(i: int, input: str) -> tuple[Parameter, ...]:
    first = i == 1
    return (
        Parameter(
            f"f{i}",
            f"width of break {i}: its log-input distance from straight to straight, over four",
            "1",
            "positive",
            # Published: 0.059, a sharp one; 1 bends over a factor of fifty, beyond what shows as a break.
            Range(0.02, 1.5),
            f"f_{i}",
        ),
        Parameter(
            f"c{i}",
            f"change of exponent at break {i}",
            "1",
            "real",
            # A sharp break over a short range allows any c with the same c f, the log of the drop at the break in units
            # of ln 2: that product is sampled. Published: 0.33, a loss that falls by a fifth where it breaks. A loss
            # that rises from a break on, as in double descent, has a tenth of the prior: with a sharp break it would
            # grow by orders of magnitude within the runs.
            Range(-0.15, 1.0),
            f"c_{i}",
            Range(0.02, 0.5),
            Centring(
                symbol=f"c{i} f{i}",
                meaning=f"log2 of the factor by which break {i} has lowered the reducible loss where it lies",
                to_natural=lambda product, values, reference: product / values[f"f{i}"],
                from_natural=lambda natural, values, reference: natural * values[f"f{i}"],
                unit="1",
            ),
        ),
        Parameter(
            f"d{i}",
            f"where break {i} lies",
            input,
            "positive",
            # Within or near the runs: a break far outside is none. Later breaks follow earlier ones by construction.
            Range(0.03, 30.0) if first else Range(0.3, 100.0),
            f"d_{i}",
            Range(0.05, 1.0),
            relative("d1", input) if first else _beyond(f"d{i}", f"d{i - 1}"),
        ),
    )


def bnsl(breaks: int, input: str = "tokens") -> Law:
    """A smoothly broken power law with a number of breaks in one input, any positive column."""
    factor = _factor(breaks, input)

    def loss(values: Values, inputs: Values) -> Any:
        return values["a"] + values["b"] * factor(values, inputs)

    product = "".join(f" (1 + (x/d{i})^(1/f{i}))^(-c{i} f{i})" for i in range(1, breaks + 1))
    words = {0: "no break", 1: "one break"}.get(breaks, f"{breaks} breaks")
    published = (
        Published(
            "Caballero 2022, four-digit addition",
            {"a": 0.414, "b": 2.277, "c0": 0.055, "c1": 5.66, "d1": 612.6, "f1": 0.059},
            "arXiv:2210.14891; refitted by this project to the first 14 of the 17 released points",
            note="The input is the number of training examples; test cross-entropy.",
        ),
    )
    return Law(
        name=f"bnsl{breaks}" if input == "tokens" else f"bnsl{breaks}-{input}",
        title=f"Caballero 2022: smoothly broken power law, {words}",
        citation="Caballero et al. 2022, Broken Neural Scaling Laws, arXiv:2210.14891",
        equation=f"L = a + b x^-c0{product}, x = {input}",
        latex=r"L(x) = a + b x^{-c_0} \prod_{i=1}^{" + str(breaks) + r"}"
        r" \left(1 + (x / d_i)^{1/f_i}\right)^{-c_i f_i}",
        inputs=(input,),
        parameters=(
            # The floor of a metric that can reach zero may be small.
            floor_share(loss, "a", "a", Range(0.05, 0.9)),
            Parameter(
                "c0",
                "exponent before the first break",
                "1",
                "real",
                # Power laws of loss: 0.05 to 0.6; negative for a curve that rises at first, as in double descent.
                Range(-0.1, 0.8),
                "c_0",
                Range(0.01, 0.3),
            ),
            *(p for i in range(1, breaks + 1) for p in _break(i, input)),
            # Of cross-entropies and of error rates.
            above_floor("b", f"nats/token x {input}^c0", factor, "a", prior=Range(0.2, 8.0)),
        ),
        loss=loss,
        leading=frozenset(),
        published=published if breaks == 1 else (),
        validity="One input, the others constant or large; where the runs show no break, its parameters repeat their "
        "priors, and the forecast depends on them."
        + (" The plain power law with a floor." if breaks == 0 else ""),
    )


LAWS = (bnsl(0), bnsl(1), bnsl(2))
