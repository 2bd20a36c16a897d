"""Guo 2024: one line in log compute, whatever the split, and the free version that puts the claim to the test.

Loss is in bits per character (bits per byte of the same text will do): it is what makes models with different
tokenizers comparable. BPC = L_token x tokens per character / ln 2.
"""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values, without
from bayescale.lazy_jax import jnp

PAPER = "Guo 2024, More Compute Is What You Need, arXiv:2404.19484"
BILLION, TRILLION = 1e9, 1e12
SOURCE = "our least-squares refit of 18 models on the llm-compression leaderboard"
LIMITS = "Bits per character; unbounded below, so not far beyond the runs; the published fit has 18 models."


def _product(inputs: Values) -> Any:
    return jnp.log(inputs["params"] / BILLION * (inputs["tokens"] / TRILLION))


def loss(values: Values, inputs: Values) -> Any:
    """BPC = alpha ln(N_B D_T) + beta, with N_B in billions of params and D_T in trillions of tokens (Guo 2024)."""
    return values["alpha"] * _product(inputs) + values["beta"]


def loss_free(values: Values, inputs: Values) -> Any:
    """BPC = alpha_N ln N_B + alpha_D ln D_T + beta: `loss` where the two slopes agree."""
    return (
        values["alpha_N"] * jnp.log(inputs["params"] / BILLION)
        + values["alpha_D"] * jnp.log(inputs["tokens"] / TRILLION)
        + values["beta"]
    )


def slope_difference(values: Values) -> Any:
    """alpha_N - alpha_D of `guo-free`, from values or draws: zero where the loss does not depend on the split."""
    return values["alpha_N"] - values["alpha_D"]


def _slope(name: str, meaning: str, latex: str) -> Parameter:
    return Parameter(
        name=name,
        meaning=meaning,
        unit="bits/character per e-fold",
        support="real",
        # Published: -.03 at 1e9 params and 1e12 tokens. A power law's local slope is minus its exponent (.05 to .35)
        # times the part of the loss that it removes: up to -.2 for small models at one bit and more.
        prior=Range(-0.2, 0.02),
        latex=latex,
        # The families of the published fit differ by a few thousandths.
        spread=Range(0.001, 0.03),
    )


def _intercept(loss_function: Any) -> Parameter:
    def line(values: Values, reference: Values) -> Any:
        return loss_function(without(values, "beta"), reference)

    return Parameter(
        name="beta",
        meaning="loss at 1e9 params and 1e12 tokens",
        unit="bits/character",
        support="positive",
        # From compressed text at the frontier (.5) to an untrained model's several bits.
        prior=Range(0.3, 3.0),
        latex=r"\beta",
        spread=Range(0.01, 0.4),
        centring=Centring(
            symbol="loss at (N0, D0)",
            meaning="expected loss at the runs' geometric-mean params and tokens",
            to_natural=lambda size, values, reference: size - line(values, reference),
            from_natural=lambda natural, values, reference: natural + line(values, reference),
            unit="bits/character",
        ),
    )


GUO = Law(
    name="guo",
    title="Guo 2024: bits per character are linear in log compute, whatever the split",
    citation=PAPER,
    equation="BPC = alpha ln(N_B D_T) + beta",
    latex=r"\mathrm{BPC}(N, D) = \alpha \ln\left(\frac{N}{10^9} \frac{D}{10^{12}}\right) + \beta",
    inputs=("params", "tokens"),
    parameters=(_slope("alpha", "slope in log compute", r"\alpha"), _intercept(loss)),
    loss=loss,
    published=(
        Published("refit of Guo 2024", {"alpha": -0.0308, "beta": 0.5725}, f"arXiv:2404.19484; {SOURCE}"),
    ),
    validity=f"{LIMITS} It has no optimal split: every one is as good.",
)

FREE = Law(
    name="guo-free",
    title="Guo's law with a slope each for size and data: is the loss independent of the split?",
    citation=f"{PAPER}, freed of its claim",
    equation="BPC = alpha_N ln N_B + alpha_D ln D_T + beta",
    latex=r"\mathrm{BPC}(N, D) = \alpha_N \ln\frac{N}{10^9} + \alpha_D \ln\frac{D}{10^{12}} + \beta",
    inputs=("params", "tokens"),
    parameters=(
        _slope("alpha_N", "slope in log params", r"\alpha_N"),
        _slope("alpha_D", "slope in log tokens", r"\alpha_D"),
        _intercept(loss_free),
    ),
    loss=loss_free,
    published=(
        Published(
            "free refit of Guo 2024",
            {"alpha_N": -0.0312, "alpha_D": -0.0301, "beta": 0.573},
            f"arXiv:2404.19484; {SOURCE}",
            sd={"alpha_N": 0.0022, "alpha_D": 0.0029, "beta": 0.007},
            note="The difference of the slopes is -0.001 +- 0.004.",
        ),
    ),
    validity=f"{LIMITS} Linear, so its optimum is all size or all data.",
)

LAWS = (GUO, FREE)
