"""Frantar et al. 2023: weight sparsity joins size and data."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values
from bayescale.laws.chinchilla import DENSE, optimum_at
from bayescale.laws.terms import BETWEEN_SIZES, exponent, floor, scaled, term

PAPER = "Frantar et al. 2023, Scaling Laws for Sparsely-Connected Foundation Models, arXiv:2309.08520"


def loss(values: Values, inputs: Values) -> Any:
    """L = (a_S (1-S)^b_S + c_S) N^-b_N + (a_D/D)^b_D + c (Frantar et al. 2023); N counts non-zero params."""
    size = values["a_S"] * inputs["density"] ** values["b_S"] + values["c_S"]
    return (
        size * inputs["params"] ** -values["b_N"]
        + (values["a_D"] / inputs["tokens"]) ** values["b_D"]
        + values["c"]
    )


def at_density(values: Values, density: Any) -> dict[str, Any]:
    """The same law at one density, as the parameters of Hoffmann's (the law ``chinchilla``)."""
    return {
        "E": values["c"],
        "A": values["a_S"] * density ** values["b_S"] + values["c_S"],
        "alpha": values["b_N"],
        "B": values["a_D"] ** values["b_D"],
        "beta": values["b_D"],
    }


def size_multiplier(values: Values, density: Any) -> Any:
    """Dense params that a non-zero one of a sparse model is worth: [(a_S + c_S)/(a_S (1-S)^b_S + c_S)]^(1/b_N)."""
    sparse = values["a_S"] * density ** values["b_S"] + values["c_S"]
    return ((values["a_S"] + values["c_S"]) / sparse) ** (1 / values["b_N"])


LAW = Law(
    name="frantar",
    title="Frantar 2023: sparsity",
    citation=PAPER,
    equation="L = (a_S (1-S)^b_S + c_S) N^-b_N + (a_D/D)^b_D + c",
    latex=(
        r"L(S, N, D) = \left(a_S (1 - S)^{b_S} + c_S\right) \left(\frac{1}{N}\right)^{b_N}"
        r" + \left(\frac{a_D}{D}\right)^{b_D} + c"
    ),
    inputs=("params", "density", "tokens"),
    parameters=(
        # The limit of sparsity is more than a dense model's term: up to 4 nats.
        term("c_S", "params", "b_N", prior=Range(0.05, 4.0)),
        Parameter(
            name="a_S",
            meaning="amplitude of what density adds to the size term",
            unit="nats/token x params^b_N",
            support="positive",
            # Published, at three quarters sparse: .14 (T5 on C4) and .2 (ViT on JFT) of the limit.
            prior=Range(0.02, 2.0),
            latex="a_S",
            spread=BETWEEN_SIZES,
            centring=Centring(
                symbol="a_S (1-S0)^b_S / c_S",
                meaning="what density adds to the size term at the runs' geometric-mean density, relative to c_S",
                to_natural=lambda size, values, reference: (
                    size * values["c_S"] * reference["density"] ** -values["b_S"]
                ),
                from_natural=lambda natural, values, reference: (
                    natural / values["c_S"] * reference["density"] ** values["b_S"]
                ),
                unit="1",
            ),
        ),
        # Published: .72 and .82.
        exponent("b_S", "b_S", "density", Range(0.2, 2.0)),
        # Published: .245 and .39; as for dense models otherwise.
        exponent("b_N", "b_N", "size", DENSE),
        # Published, at 3e10 tokens: .46 (T5) and .014 (ViT; images).
        scaled(
            "a_D", "tokens", "b_D", "D", prior=Range(0.01, 3.0), meaning="scale of data", spread=BETWEEN_SIZES
        ),
        # Published: .20 and .89.
        exponent("b_D", "b_D", "data", Range(0.1, 1.5)),
        # Published: .65 (T5 on C4) and 4.5 (ViT on JFT, whose loss is over classes of images).
        floor("c", "c", Range(0.2, 8.0)),
    ),
    loss=loss,
    published=tuple(
        Published(
            label,
            dict(zip(("a_S", "b_S", "c_S", "b_N", "a_D", "b_D", "c"), numbers, strict=True)),
            "arXiv:2309.08520",
        )
        for label, numbers in (
            ("Frantar 2023, T5 on C4", (16.8, 0.722, 45.0, 0.245, 6.90e8, 0.203, 0.651)),
            ("Frantar 2023, ViT on JFT", (294.0, 0.821, 468.0, 0.392, 2.37e8, 0.890, 4.517)),
        )
    ),
    validity=(
        "params are the non-zero ones, density = 1 - S is the part of weights that is kept (1 for a dense model); "
        "for images, tokens are images."
    ),
    optimum=optimum_at(lambda values, fixed: at_density(values, fixed["density"])),
)
