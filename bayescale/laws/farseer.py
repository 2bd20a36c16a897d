"""Farseer (Li et al. 2025): floor, amplitude and exponent of data all move with size."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values, without
from bayescale.lazy_jax import jnp

PAPER = "Li et al. 2025, Predictable Scale Part II: Farseer, arXiv:2506.10972"


def log_floor(values: Values, params: Any) -> Any:
    """s N^q + S: log of the loss that data does not remove."""
    return values["s"] * params ** values["q"] + values["S"]


def data_exponent(values: Values, params: Any) -> Any:
    """exp(A N^a + E): the exponent of data at a size."""
    return jnp.exp(values["A"] * params ** values["a"] + values["E"])


def log_data_term(values: Values, params: Any, tokens: Any) -> Any:
    """B N^b + Q - exp(A N^a + E) ln D: log of the data term."""
    return values["B"] * params ** values["b"] + values["Q"] - data_exponent(values, params) * jnp.log(tokens)


def loss(values: Values, inputs: Values) -> Any:
    """L = exp(s N^q + S) + exp(B N^b + Q) D^-exp(A N^a + E) (Li et al. 2025), bits per character as published."""
    return jnp.exp(log_floor(values, inputs["params"])) + jnp.exp(
        log_data_term(values, inputs["params"], inputs["tokens"])
    )


def _slope(coefficient: str, exponent: str) -> Centring:
    """Coefficient of N^exponent, sampled as the local slope in ln N, which is what runs determine."""
    return Centring(
        symbol=f"{coefficient} {exponent} N0^{exponent}",
        meaning="slope against ln N at the runs' geometric-mean size",
        to_natural=lambda slope, values, reference: (
            slope / (values[exponent] * reference["params"] ** values[exponent])
        ),
        from_natural=lambda natural, values, reference: (
            natural * values[exponent] * reference["params"] ** values[exponent]
        ),
        unit="1",
    )


def _log_value(name: str, symbol: str, meaning: str, rest: Any, unit: str = "bits/character") -> Centring:
    """Offset of a logarithm, sampled as the value itself at the reference point."""
    return Centring(
        symbol=symbol,
        meaning=meaning,
        to_natural=lambda size, values, reference: jnp.log(size) - rest(without(values, name), reference),
        from_natural=lambda natural, values, reference: jnp.exp(
            natural + rest(without(values, name), reference)
        ),
        unit=unit,
    )


def _exponent_slope(values: Values, reference: Values) -> Any:
    """Slope of the log data term in ln N that comes from its exponent."""
    size = reference["params"]
    inner = values["A"] * values["a"] * size ** values["a"]
    return -data_exponent(values, size) * inner * jnp.log(reference["tokens"])


def _amplitude_power(values: Values, reference: Values) -> Any:
    return values["b"] * reference["params"] ** values["b"]


LAW = Law(
    name="farseer",
    title="Farseer 2025: floor, amplitude and exponent of data move with size",
    citation=PAPER,
    equation="L = exp(s N^q + S) + exp(B N^b + Q) D^-exp(A N^a + E)",
    latex=r"L(N, D) = e^{s N^{q} + S} + e^{B N^{b} + Q} D^{-e^{A N^{a} + E}}",
    inputs=("params", "tokens"),
    parameters=(
        Parameter(
            name="s",
            meaning="coefficient of size in the log floor",
            unit="params^-q",
            support="real",
            # Published: -.12 at 1e9. A floor E + A N^-alpha has the slope -alpha times the size term's part in it.
            prior=Range(-0.35, 0.02),
            latex="s",
            spread=Range(0.005, 0.1),
            centring=_slope("s", "q"),
        ),
        Parameter(
            name="q",
            meaning="exponent of size in the log floor",
            unit="1",
            # With the slope given this is a curvature, of either sign; on a log scale it makes a funnel.
            support="real",
            # Published: .13.
            prior=Range(-0.1, 0.4),
            latex="q",
            spread=Range(0.005, 0.1),
        ),
        Parameter(
            name="S",
            meaning="offset of the log floor",
            unit="1",
            support="positive",
            # The floor itself: .45 bits per character at 1e9 params in the paper, nats per token elsewhere.
            prior=Range(0.1, 5.0),
            latex="S",
            spread=Range(0.03, 0.8),
            centring=_log_value(
                "S",
                "exp(s N0^q + S)",
                "loss that data does not remove, at the runs' geometric-mean size",
                lambda values, reference: log_floor(values, reference["params"]),
            ),
        ),
        Parameter(
            name="A",
            meaning="coefficient of size in the log exponent of data",
            unit="params^-a",
            support="real",
            # Published: -.2 at 1e9; zero is Hoffmann's law.
            prior=Range(-0.5, 0.3),
            latex="A",
            spread=Range(0.005, 0.1),
            centring=_slope("A", "a"),
        ),
        Parameter(
            name="a",
            meaning="exponent of size in the log exponent of data",
            unit="1",
            support="real",
            # Published: .046, all but a straight line in ln N.
            prior=Range(-0.15, 0.2),
            latex="a",
            spread=Range(0.005, 0.1),
        ),
        Parameter(
            name="E",
            meaning="offset of the log exponent of data",
            unit="1",
            support="positive",
            # The exponent itself: .31 at 1e9 params in the paper; .11 to .61 in other laws.
            prior=Range(0.1, 1.0),
            latex="E",
            spread=Range(0.02, 0.4),
            centring=_log_value(
                "E",
                "exp(A N0^a + E)",
                "exponent of data at the runs' geometric-mean size",
                lambda values, reference: values["A"] * reference["params"] ** values["a"] + values["E"],
                unit="1",
            ),
        ),
        Parameter(
            name="B",
            meaning="coefficient of size in the log amplitude of data",
            unit="params^-b",
            support="real",
            # Published: .33 at 1e9 params and 2e10 tokens, its two parts -1.1 and 1.4. Zero is Hoffmann's law.
            prior=Range(-0.8, 0.8),
            latex="B",
            spread=Range(0.005, 0.2),
            centring=Centring(
                symbol="d ln(data term)/d ln N at (N0, D0)",
                meaning="slope of the log data term against ln N at the runs' geometric means",
                to_natural=lambda slope, values, reference: (
                    (slope - _exponent_slope(values, reference)) / _amplitude_power(values, reference)
                ),
                from_natural=lambda natural, values, reference: (
                    natural * _amplitude_power(values, reference) + _exponent_slope(values, reference)
                ),
                unit="1",
            ),
        ),
        Parameter(
            name="b",
            meaning="exponent of size in the log amplitude of data",
            unit="1",
            support="real",
            # Published: -.17.
            prior=Range(-0.4, 0.1),
            latex="b",
            spread=Range(0.005, 0.1),
        ),
        Parameter(
            name="Q",
            meaning="offset of the log amplitude of data",
            unit="1",
            support="positive",
            # The data term itself: .09 bits per character at 1e9 params and 2e10 tokens; up to nats for small runs.
            prior=Range(0.01, 2.0),
            latex="Q",
            spread=Range(0.05, 0.8),
            centring=_log_value(
                "Q",
                "data term at (N0, D0)",
                "size of the data term at the runs' geometric means",
                lambda values, reference: log_data_term(values, reference["params"], reference["tokens"]),
            ),
        ),
    ),
    loss=loss,
    published=(
        Published(
            "Farseer 2025",
            {
                "s": -0.0625,
                "q": 0.13,
                "S": 0.1285,
                "B": 230.73,
                "b": -0.1729,
                "Q": -1.5442,
                "A": -1.6656,
                "a": 0.0459,
                "E": 3.1333,
            },
            PAPER,
            note="Four digits: rounding is amplified by N^a in an exponent of an exponent.",
        ),
    ),
    validity=(
        "Nine parameters: needs a wide grid in size and data. The published loss is in bits per character. The optimum "
        "is a local one: far outside the runs, at sizes near the whole budget, the law falls below it."
    ),
)
