"""Hernandez et al. 2021: what pre-training is worth in fine-tuning data."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values
from bayescale.laws.kaplan_joint import scales
from bayescale.laws.terms import SLOPE, exponent
from bayescale.lazy_jax import jnp

PAPER = "Hernandez et al. 2021, Scaling Laws for Transfer, arXiv:2102.01293"


def data_transferred(values: Values, inputs: Values) -> Any:
    """D_T = k D_F^alpha N^beta, what pre-training is worth in data of the task (Hernandez et al. 2021, eq. 1.1)."""
    return values["k"] * inputs["tokens"] ** values["alpha"] * inputs["params"] ** values["beta"]


def loss(values: Values, inputs: Values) -> Any:
    """Kaplan's joint law L(N, D) at the effective data D = D_F + D_T, nats per token."""
    size = values["a_N"] / values["a_D"] * jnp.log(values["N_c"] / inputs["params"])
    data = jnp.log(values["D_c"] / effective(values, inputs))
    return jnp.exp(values["a_D"] * jnp.logaddexp(size, data))


def effective(values: Values, inputs: Values) -> Any:
    """D = D_F + D_T, tokens."""
    return inputs["tokens"] + data_transferred(values, inputs)


_N_C, _D_C = scales(loss, effective, "(D_F0 + D_T0)")

LAW = Law(
    name="hernandez",
    title="Hernandez 2021: transfer, pre-training counted as fine-tuning data",
    citation=f"{PAPER}, eq. 1.1; the loss is Kaplan's joint law at the effective data",
    equation="L = [(N_c/N)^(a_N/a_D) + D_c/(D_F + D_T)]^a_D, D_T = k D_F^alpha N^beta",
    latex=(
        r"L(N, D_F) = \left[\left(\frac{N_c}{N}\right)^{\alpha_N/\alpha_D} + \frac{D_c}{D_F + D_T}\right]^{\alpha_D},"
        r"\quad D_T = k D_F^{\alpha} N^{\beta}"
    ),
    inputs=("params", "tokens"),
    parameters=(
        _N_C,
        exponent("a_N", r"\alpha_N", "size", SLOPE),
        exponent("a_D", r"\alpha_D", "data", SLOPE),
        # Published: .18 (from text) and .096 (from text and code).
        exponent("alpha", r"\alpha", "fine-tuning data in the data transferred", Range(0.03, 0.8)),
        # Published: .38 from either source.
        exponent("beta", r"\beta", "size in the data transferred", Range(0.1, 1.2)),
        Parameter(
            name="k",
            meaning="closeness of the pre-training distribution",
            unit="tokens^(1-alpha) / params^beta",
            support="positive",
            # Published, at 1e8 params and 1e7 tokens: 38 (text) and 100 (text and code) tokens transferred per token.
            prior=Range(0.1, 2000.0),
            latex="k",
            spread=Range(0.05, 1.0),
            centring=Centring(
                symbol="D_T/D_F at (N0, D_F0)",
                meaning="tokens transferred per token of fine-tuning at the runs' geometric means",
                to_natural=lambda size, values, reference: (
                    size
                    * reference["tokens"] ** (1 - values["alpha"])
                    * reference["params"] ** -values["beta"]
                ),
                from_natural=lambda natural, values, reference: (
                    natural
                    * reference["tokens"] ** (values["alpha"] - 1)
                    * reference["params"] ** values["beta"]
                ),
                unit="1",
            ),
        ),
        _D_C,
    ),
    loss=loss,
    published=(
        Published(
            "Hernandez 2021, text to Python",
            {"k": 1.9e4, "alpha": 0.18, "beta": 0.38},
            PAPER,
            note="D_T alone: the constants of the loss are not published with it.",
        ),
        Published(
            "Hernandez 2021, text and code to Python",
            {"k": 2.1e5, "alpha": 0.096, "beta": 0.38},
            PAPER,
            note="D_T alone: the constants of the loss are not published with it.",
        ),
    ),
    validity="Fine-tuned runs only, stopped early; tokens are the target task's; k is in the paper's unit of data.",
)
