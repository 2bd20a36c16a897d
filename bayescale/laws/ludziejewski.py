"""Ludziejewski et al. 2025: size, data and the number of experts, jointly."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Published, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.clark import SATURATION, saturated_experts
from bayescale.laws.terms import BETWEEN_EXPONENTS, EXPONENT, floor, shifted, sized
from bayescale.lazy_jax import jnp


def loss(values: Values, inputs: Values) -> Any:
    """L = a Ehat^-delta N^-(alpha + gamma ln Ehat) + b Ehat^-omega D^-(beta + zeta ln Ehat) + c.

    Ludziejewski et al. 2025, with every exponent written after a minus sign. That is the only reading of the
    published signs under which experts help in the range where they were measured: with Ehat^delta and Ehat^omega in
    the numerator, more experts would raise the size term of a model of 10^9 parameters threefold.
    """
    at = at_experts(values, inputs["experts"])
    return at["E"] + at["A"] * inputs["params"] ** -at["alpha"] + at["B"] * inputs["tokens"] ** -at["beta"]


def at_experts(values: Values, experts: Any) -> dict[str, Any]:
    """The same law at one number of experts, as the parameters of Hoffmann's (the law ``chinchilla``)."""
    routed = jnp.log(saturated_experts(values, experts))
    return {
        "E": values["c"],
        "A": values["a"] * jnp.exp(-values["delta"] * routed),
        "alpha": values["alpha"] + values["gamma"] * routed,
        "B": values["b"] * jnp.exp(-values["omega"] * routed),
        "beta": values["beta"] + values["zeta"] * routed,
    }


def _routed(values: Values, inputs: Values) -> Any:
    return jnp.log(saturated_experts(values, inputs["experts"]))


def _slope(name: str, latex: str, of: str, help: str) -> Parameter:
    # Published: -0.0098 and 0.0259.
    return Parameter(
        name,
        f"change of the exponent of {of} with ln Ehat",
        "1",
        "real",
        Range(-0.08, 0.08),
        latex,
        Range(0.001, 0.05),
    )


def _exponent(name: str, slope: str, latex: str, of: str) -> Parameter:
    return Parameter(
        name,
        f"exponent of {of} at Ehat = 1",
        "1",
        "positive",
        # As in other laws; here 0.15 to 0.25 over the measured numbers of experts.
        EXPONENT,
        latex,
        BETWEEN_EXPONENTS,
        shifted(
            name, f"{name} + {slope} ln Ehat0", f"exponent of {of}", lambda v, x: v[slope] * _routed(v, x)
        ),
    )


def _help(name: str, slope: str, input: str, latex: str) -> Parameter:
    return Parameter(
        name,
        f"exponent of Ehat in the {input} term at one of {input}",
        "1",
        "real",
        # The one published fit: 0.03 (size term, 10^9 params) and 0.06 (data term, 2 10^10 tokens).
        Range(-0.5, 0.5),
        latex,
        Range(0.01, 0.3),
        shifted(
            name,
            f"{name} + {slope} ln {input}0",
            f"exponent of Ehat in the {input} term",
            lambda v, x: v[slope] * jnp.log(x[input]),
        ),
    )


def _amplitude(name: str, help: str, exponent: str, slope: str, input: str) -> Parameter:
    return sized(
        name,
        f"amplitude of the {input} term",
        f"nats/token x {input}^{exponent}",
        f"{name} Ehat0^-{help} {input}0^-({exponent} + {slope} ln Ehat0)",
        f"size of the {input} term at the reference point",
        lambda v, x: jnp.exp(
            -v[help] * _routed(v, x) - (v[exponent] + v[slope] * _routed(v, x)) * jnp.log(x[input])
        ),
    )


LAW = Law(
    name="ludziejewski",
    title="Ludziejewski 2025: joint law of mixtures of experts",
    citation="Ludziejewski et al. 2025, Joint MoE Scaling Laws: Mixture of Experts Can Be Memory Efficient, "
    "arXiv:2502.05172",
    equation="L = a Ehat^-delta N^-(alpha + gamma ln Ehat) + b Ehat^-omega D^-(beta + zeta ln Ehat) + c, "
    "1/Ehat = 1/(E - 1 + (1/E_start - 1/E_max)^-1) + 1/E_max",
    latex=r"L(N, D, \hat{E}) = a \hat{E}^{-\delta} N^{-(\alpha + \gamma \ln \hat{E})}"
    r" + b \hat{E}^{-\omega} D^{-(\beta + \zeta \ln \hat{E})} + c",
    inputs=("params", "tokens", "experts"),
    parameters=(
        floor("c", "c"),
        _slope("gamma", r"\gamma", "size", "delta"),
        _exponent("alpha", "gamma", r"\alpha", "size"),
        _help("delta", "gamma", "params", r"\delta"),
        _amplitude("a", "delta", "alpha", "gamma", "params"),
        _slope("zeta", r"\zeta", "data", "omega"),
        _exponent("beta", "zeta", r"\beta", "data"),
        _help("omega", "zeta", "tokens", r"\omega"),
        _amplitude("b", "omega", "beta", "zeta", "tokens"),
        *SATURATION,
    ),
    loss=loss,
    published=(
        Published(
            "Ludziejewski 2025",
            {
                "a": 35.91,
                "alpha": 0.1889,
                "delta": 0.2285,
                "gamma": -0.0098,
                "b": 35.98,
                "beta": 0.1775,
                "omega": -0.5529,
                "zeta": 0.0259,
                "c": 1.3637,
                "E_start": 2.07,
                "E_max": 290.45,
            },
            "arXiv:2502.05172",
            note="Every exponent after a minus sign; the signs of delta and omega follow from what the paper says.",
        ),
    ),
    validity="Up to 2.7 B active and 5 B total parameters, up to 32 experts; N counts active parameters. The "
    "published fit says that experts hurt below 2 B tokens or above 10^10 active parameters, outside its range.",
    optimum=optimum_at(lambda values, fixed: at_experts(values, fixed["experts"])),
)
