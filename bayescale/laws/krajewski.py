"""Krajewski et al. 2024: fine-grained mixtures of experts, size, data and granularity."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Published, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import exponent, floor, sized, term


def loss(values: Values, inputs: Values) -> Any:
    """L = c + (g/G^gamma + a) N^-alpha + b D^-beta (Krajewski et al. 2024)."""
    at = at_granularity(values, inputs["granularity"])
    return at["E"] + at["A"] * inputs["params"] ** -at["alpha"] + at["B"] * inputs["tokens"] ** -at["beta"]


def at_granularity(values: Values, granularity: Any) -> dict[str, Any]:
    """The same law at one granularity, as the parameters of Hoffmann's (the law ``chinchilla``)."""
    return {
        "E": values["c"],
        "A": values["g"] * granularity ** -values["gamma"] + values["a"],
        "alpha": values["alpha"],
        "B": values["b"],
        "beta": values["beta"],
    }


def training_flops(
    width: Any,
    depth: Any,
    tokens: Any,
    experts: Any,
    granularity: Any,
    *,
    per_param: float = 6.0,
    per_route: float = 14.0,
) -> Any:
    """FLOPs of a run with its router: F = (12 d^2 c_f + d E G c_r) D n_blocks (Krajewski et al. 2024).

    Parameters
    ----------
    width, depth : array_like
        d, the model's width, and n_blocks.
    tokens : array_like
        D.
    experts : array_like
        E, the expansion: the experts' parameters over those of the dense layer that they replace.
    granularity : array_like
        G, the dense layer's width over an expert's; there are G E experts, of which a token sees G.
    per_param, per_route : float
        c_f and c_r. The second is not confirmed against the paper.
    """
    return (12 * width**2 * per_param + width * experts * granularity * per_route) * tokens * depth


#: The dense models of the same paper, in Hoffmann's form: values of the law ``chinchilla``.
DENSE = Published(
    "Krajewski 2024, dense",
    {"E": 0.47, "A": 16.3, "alpha": 0.126, "B": 26.7, "beta": 0.127},
    "arXiv:2402.07871",
    note="The floor was fitted with the mixtures' and is weakly identified. Rounded.",
)

LAW = Law(
    name="krajewski",
    title="Krajewski 2024: fine-grained mixture of experts",
    citation="Krajewski, Ludziejewski et al. 2024, Scaling Laws for Fine-Grained Mixture of Experts, arXiv:2402.07871",
    equation="L = c + (g G^-gamma + a) N^-alpha + b D^-beta",
    latex=r"L(N, D, G) = c + \left(\frac{g}{G^{\gamma}} + a\right) \frac{1}{N^{\alpha}} + \frac{b}{D^{\beta}}",
    inputs=("params", "tokens", "granularity"),
    parameters=(
        floor("c", "c"),
        sized(
            "g",
            "amplitude of the part of the size term that finer experts remove",
            "nats/token x params^alpha",
            "g G0^-gamma N0^-alpha",
            "what finer experts could still gain at the reference point",
            lambda v, x: x["granularity"] ** -v["gamma"] * x["params"] ** -v["alpha"],
            # The one published fit: 0.05 nats at 6 10^9 parameters and G = 8, 0.16 at G = 1.
            prior=Range(0.003, 1.0),
        ),
        Parameter(
            "gamma",
            "exponent of granularity",
            "1",
            "positive",
            # One published value, 0.58; wide around it.
            Range(0.15, 2.0),
            r"\gamma",
            Range(0.02, 0.4),
        ),
        term("a", "params", "alpha"),
        exponent("alpha", r"\alpha", "size", Range(0.04, 1.0)),
        term("b", "tokens", "beta"),
        exponent("beta", r"\beta", "data", Range(0.04, 1.0)),
    ),
    loss=loss,
    published=(
        Published(
            "Krajewski 2024, mixture of experts",
            {
                "a": 18.1,
                "alpha": 0.115,
                "b": 30.8,
                "beta": 0.147,
                "g": 2.1,
                "gamma": 0.58,
                "c": 0.47,
            },
            "arXiv:2402.07871",
            note="64 times the dense layer's parameters; rmse 0.019. Rounded.",
        ),
    ),
    validity="Fitted at one expansion (E = 64). N counts all experts (non-embedding): as an active count the published "
    "mixtures would lose to the dense models of the same paper. No interaction of granularity and data; loss falls in "
    "G without end, as the cost of routing is in the FLOPs and not in the loss; the floor is weakly identified.",
    optimum=optimum_at(lambda values, fixed: at_granularity(values, fixed["granularity"])),
)
