"""Videau et al. 2026: a joint law in which size and data are coupled by an outer power."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import BETWEEN_EXPONENTS, EXPONENT, above_floor, floor_share, sized


def _bottleneck(values: Values, inputs: Values) -> Any:
    return inputs["params"] ** -values["alpha"] + values["R"] * inputs["tokens"] ** -values["beta"]


def _coupled(values: Values, inputs: Values) -> Any:
    return _bottleneck(values, inputs) ** values["k"]


def loss(values: Values, inputs: Values) -> Any:
    """L = E + A (N^-alpha + R D^-beta)^k; falls in N and in D."""
    return values["E"] + values["A"] * _coupled(values, inputs)


def _as_hoffmann(values: Values, fixed: Values) -> Values:
    """The outer power is monotone, so it leaves the optimum where it is."""
    return {"A": 1.0, "alpha": values["alpha"], "B": values["R"], "beta": values["beta"]}


def _exponent(name: str, latex: str, of: str) -> Parameter:
    return Parameter(
        name,
        f"exponent of {of} inside the bracket",
        "1",
        "positive",
        # What a run sees is alpha k: the exponent of the loss where that term is the bottleneck.
        EXPONENT,
        latex,
        BETWEEN_EXPONENTS,
        Centring(
            symbol=f"{name} k",
            meaning=f"exponent of the loss in {of} where {of} is the bottleneck",
            to_natural=lambda x, values, reference: x / values["k"],
            from_natural=lambda x, values, reference: x * values["k"],
            unit="1",
        ),
    )


LAW = Law(
    name="skaling",
    title="Videau 2026: coupled joint law",
    citation="Videau et al. 2026, Skaling: Chinchilla's Exponents Meet Kaplan's Coupling, arXiv:2608.07222",
    equation="L = E + A (N^-alpha + R D^-beta)^k",
    latex=r"L(N, D) = E + A \left(N^{-\alpha} + R D^{-\beta}\right)^{k}",
    inputs=("params", "tokens"),
    parameters=(
        floor_share(loss),
        Parameter(
            "k",
            "coupling: 1 adds the terms (Hoffmann), small makes the larger one count alone",
            "1",
            "positive",
            # Kaplan's joint law has 0.1, Hoffmann's 1; beyond 3 the law is hardly distinguishable from a product.
            Range(0.1, 4.0),
            "k",
            Range(0.03, 0.5),
        ),
        _exponent("alpha", r"\alpha", "size"),
        _exponent("beta", r"\beta", "data"),
        sized(
            "R",
            "weight of data against size",
            "params^-alpha x tokens^beta",
            "R D0^-beta N0^alpha",
            "data's part of the bracket over size's at the reference point, a ratio",
            lambda v, x: x["tokens"] ** -v["beta"] * x["params"] ** v["alpha"],
            # Runs are chosen so that both matter: neither is below a tenth of the other.
            prior=Range(0.1, 10.0),
            size_unit="1",
        ),
        above_floor("A", "nats/token x params^(alpha k)", _coupled),
    ),
    loss=loss,
    validity="No repeated data, schedules decayed to their horizon. k is known only where size and data vary "
    "apart from each other.",
    optimum=optimum_at(_as_hoffmann),
    leading=frozenset({"E", "k", "R"}),
)
