"""Kumar et al. 2024: training and serving at low precision."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Published, Range, Values
from bayescale.laws.chinchilla import by_whole_loss, optimum_at
from bayescale.laws.chinchilla import loss as hoffmann
from bayescale.laws.terms import exponent, floor, sized, term
from bayescale.lazy_jax import jnp

PRECISIONS = {"w": "precision_weights", "a": "precision_activations", "kv": "precision_kv"}
"""Columns: bits of the weights, activations and KV cache in training."""

SMALLEST_FACTOR = 1e-3
"""Below gamma n bits the fitted factor is negative: there is no model. It stops here, so that losses stay finite."""


def precision_factor(values: Values, part: str, bits: Any) -> Any:
    """The share of parameters that a precision leaves effective: 1 - exp(-P / gamma + n).

    The offset n is part of the published fits; its sign follows from the KV cache, which must collapse at 3 to 4 bits.
    """
    factor = -jnp.expm1(values[f"n_{part}"] - bits / values[f"gamma_{part}"])
    return jnp.maximum(factor, SMALLEST_FACTOR)


def effective_params(values: Values, inputs: Values) -> Any:
    """N_eff = N prod_(w, a, kv) (1 - exp(-P / gamma + n)) (Kumar et al. 2024, with the fits' offsets)."""
    size = inputs["params"]
    for part, column in PRECISIONS.items():
        size = size * precision_factor(values, part, inputs[column])
    return size


def loss(values: Values, inputs: Values) -> Any:
    """L = A N_eff^-alpha + B D^-beta + E."""
    return (
        values["A"] * effective_params(values, inputs) ** -values["alpha"]
        + values["B"] * inputs["tokens"] ** -values["beta"]
        + values["E"]
    )


def _as_hoffmann(values: Values, fixed: Values) -> Values:
    """At fixed precisions N_eff is a multiple of N, and its factor goes into the amplitude."""
    share = effective_params(values, {**fixed, "params": 1.0})
    return {**values, "A": values["A"] * share ** -values["alpha"]}


def _degradation_factor(values: Values, inputs: Values) -> Any:
    return (
        inputs["tokens"] ** values["gamma_D"]
        * inputs["params"] ** -values["gamma_N"]
        * jnp.exp(-inputs["precision_post"] / values["gamma_post"])
    )


def degradation(values: Values, inputs: Values) -> Any:
    """Loss added by quantising after training: C_T D^gamma_D N^-gamma_N exp(-P_post / gamma_post)."""
    return values["C_T"] * _degradation_factor(values, inputs)


def served_loss(values: Values, inputs: Values) -> Any:
    """L = A N_eff^-alpha + B D^-beta + E + dPTQ, the loss after quantising to P_post bits."""
    return loss(values, inputs) + degradation(values, inputs)


def rounded_loss(values: Values, inputs: Values) -> Any:
    """L = A N^-alpha + B D^-beta + E + dPTQ, of models trained at full precision and then rounded to P_post bits."""
    return hoffmann(values, inputs) + degradation(values, inputs)


def training_flops(params: Any, tokens: Any, bits: Any) -> Any:
    """Cost in FLOPs at 16 bits: C = (6/16) N D P."""
    return 6 / 16 * params * tokens * bits


def _sensitivity(part: str, what: str) -> tuple[Parameter, Parameter]:
    return (
        Parameter(
            f"gamma_{part}",
            f"bits of the {what} for each factor e of lost parameters",
            "bits",
            "positive",
            # Published: 0.96 (KV cache), 2.2 (activations), 2.7 (weights).
            Range(0.3, 6.0),
            rf"\gamma_{{{part}}}",
        ),
        Parameter(
            f"n_{part}",
            f"offset of the {what}: at gamma n bits nothing is left",
            "1",
            "real",
            # Published: 0.30 (weights), 1.4 (activations), 2.4 (KV cache).
            Range(-1.0, 4.0),
            f"n_{{{part}}}",
            Range(0.02, 0.5),
        ),
    )


_TRAINING = {
    "A": 4299.0,
    "alpha": 0.4965,
    "B": 18060.0,
    "beta": 0.4965,
    "E": 2.7648,
    "gamma_w": 2.6745,
    "n_w": 0.3037,
    "gamma_a": 2.2102,
    "n_a": 1.4072,
    "gamma_kv": 0.9578,
    "n_kv": 2.4185,
}
_SERVING = {"C_T": 0.0598, "gamma_D": 0.5068, "gamma_N": 0.3439, "gamma_post": 0.5907}
_CITATION = "Kumar et al. 2024, Scaling Laws for Precision, arXiv:2411.04330"
_NOTE = "alpha and beta were fitted as one. Params and tokens in units of one give sensible losses; rounded."

_PARAMETERS = (
    floor(),
    *_sensitivity("w", "weights"),
    *_sensitivity("a", "activations"),
    *_sensitivity("kv", "KV cache"),
    exponent("alpha", r"\alpha", "effective size"),
    sized(
        "A",
        "amplitude of the size term",
        "nats/token x params^alpha",
        "A N_eff0^-alpha",
        "size of the size term at the reference point",
        lambda v, x: effective_params(v, x) ** -v["alpha"],
    ),
    exponent("beta", r"\beta", "data"),
    term("B", "tokens", "beta"),
)

_SERVED = (
    # One published value each, 0.51, 0.34 and 0.59; wide around them.
    exponent("gamma_D", r"\gamma_D", "data in the degradation", Range(0.1, 1.5)),
    exponent("gamma_N", r"\gamma_N", "size in the degradation", Range(0.1, 1.5)),
    Parameter(
        "gamma_post",
        "bits served for each factor e of degradation",
        "bits",
        "positive",
        Range(0.2, 2.0),
        r"\gamma_{\mathrm{post}}",
    ),
    sized(
        "C_T",
        "amplitude of the degradation by quantising after training",
        "nats/token",
        "C_T D0^gamma_D N0^-gamma_N exp(-4 / gamma_post)",
        "loss added by quantising to 4 bits at the reference size and data",
        lambda v, x: _degradation_factor(v, {**x, "precision_post": 4.0}),
        "C_T",
        # Four bits are where it shows, whatever the runs' mean; published: 0.01 at 10^8, 5 10^9 tokens.
        Range(0.0005, 0.5),
    ),
)

LAWS = (
    Law(
        name="kumar",
        title="Kumar 2024: training at low precision",
        citation=_CITATION,
        equation="L = A N_eff^-alpha + B D^-beta + E, N_eff = N prod_(w, a, kv) (1 - exp(-P / gamma + n))",
        latex=r"L = A N_{\mathrm{eff}}^{-\alpha} + B D^{-\beta} + E, \quad"
        r" N_{\mathrm{eff}} = N \prod_{i \in \{w, a, kv\}} \left(1 - e^{-P_i / \gamma_i + n_i}\right)",
        inputs=("params", "tokens", *PRECISIONS.values()),
        parameters=_PARAMETERS,
        loss=loss,
        published=(Published("Kumar 2024, training", _TRAINING, "arXiv:2411.04330, table 2", note=_NOTE),),
        validity="30 M to 220 M parameters, up to 26 B tokens. Below gamma n bits of any part there is no model: as "
        "published, 0.8 for weights, 3.1 for activations, 2.3 for the KV cache.",
        optimum=optimum_at(_as_hoffmann),
    ),
    Law(
        name="kumar-post",
        title="Kumar 2024: training at low precision, then quantising further",
        citation=_CITATION,
        equation="L = A N_eff^-alpha + B D^-beta + E + C_T D^gamma_D N^-gamma_N exp(-P_post / gamma_post), "
        "N_eff = N prod_(w, a, kv) (1 - exp(-P / gamma + n))",
        latex=r"L = A N_{\mathrm{eff}}^{-\alpha} + B D^{-\beta} + E"
        r" + C_T \frac{D^{\gamma_D}}{N^{\gamma_N}} e^{-P_{\mathrm{post}} / \gamma_{\mathrm{post}}}",
        inputs=("params", "tokens", *PRECISIONS.values(), "precision_post"),
        parameters=(
            *_PARAMETERS,
            *_SERVED,
        ),
        loss=served_loss,
        published=(
            Published(
                "Kumar 2024, training and serving",
                _TRAINING | _SERVING,
                "arXiv:2411.04330, table 2",
                note=_NOTE,
            ),
        ),
        validity="As for the law kumar. Without the published correction for models that were trained at low "
        "precision, which degrade less when quantised. More data can raise the served loss.",
    ),
    Law(
        name="kumar-rounded",
        title="Kumar 2024: rounding after training, of models trained at full precision",
        citation=_CITATION,
        equation="L = A N^-alpha + B D^-beta + E + C_T D^gamma_D N^-gamma_N exp(-P_post / gamma_post)",
        latex=r"L = \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}} + E"
        r" + C_T \frac{D^{\gamma_D}}{N^{\gamma_N}} e^{-P_{\mathrm{post}} / \gamma_{\mathrm{post}}}",
        inputs=("params", "tokens", "precision_post"),
        parameters=(
            *by_whole_loss("loss at the reference point, not rounded"),
            *_SERVED,
        ),
        loss=rounded_loss,
        validity="Models trained at 16 bits and more, rounded without calibration; precision_post is 16 or more where "
        "nothing was rounded. More data can raise the rounded loss.",
    ),
)
