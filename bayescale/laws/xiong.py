"""Xiong et al. 2023: loss against the length of the context."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Published, Range, Values
from bayescale.laws.terms import BETWEEN_LOSSES, ONE_MODEL, exponent, floor, scaled


def loss(values: Values, inputs: Values) -> Any:
    """L(c) = (alpha/c)^beta + gamma (Xiong et al. 2023), nats per token."""
    return (values["alpha"] / inputs["context"]) ** values["beta"] + values["gamma"]


LAW = Law(
    name="xiong",
    title="Xiong 2023: length of the context",
    citation="Xiong et al. 2023, Effective Long-Context Scaling of Foundation Models, arXiv:2309.16039",
    equation="L = (alpha/c)^beta + gamma",
    latex=r"L(c) = \left(\frac{\alpha}{c}\right)^{\beta} + \gamma",
    inputs=("context",),
    parameters=(
        # Published: .06 to .1 nats at four thousand tokens; short contexts leave more to gain.
        scaled(
            "alpha",
            "context",
            "beta",
            "c",
            r"\alpha",
            Range(0.01, 2.0),
            meaning="scale of context",
            unit="tokens",
        ),
        # Published: .45 (7B) and .51 (70B).
        exponent("beta", r"\beta", "context", Range(0.1, 1.5)),
        # Published: 1.35 and 1.56; small models and other corpora lie higher and lower.
        floor("gamma", r"\gamma", ONE_MODEL, "loss that no context removes", BETWEEN_LOSSES),
    ),
    loss=loss,
    published=(
        Published("Xiong 2023, 7B", {"alpha": 25.4, "beta": 0.45, "gamma": 1.56}, "arXiv:2309.16039"),
        Published("Xiong 2023, 70B", {"alpha": 17.9, "beta": 0.51, "gamma": 1.35}, "arXiv:2309.16039"),
    ),
    validity="One model at a time, at lengths that it has been trained for.",
)
