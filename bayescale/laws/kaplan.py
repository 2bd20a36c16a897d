"""Kaplan et al. 2020: pure power laws of size, data, compute and steps, without a floor.

The paper has three sets of constants that must not be mixed: the one-dimensional fits (a_N = .076, N_c = 8.8e13;
a_D = .095, D_c = 5.4e13; eqs. 1.1 and 1.2), the joint fit in size and data (a_D = .103, N_c = 6.4e13, D_c = 1.8e13;
Table 2) and the fit to learning curves (a_N = .077, N_c = 6.5e13; Table 3). Each is published on its own law here.

N counts parameters without embeddings and D tokens of WebText2. The scales depend on the tokenizer; only the exponents
carry over. What follows from the laws (critical batch size, stopping, cost of a wrong size) is in
`bayescale.laws.rules.kaplan`.
"""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import NOTHING, Law, Published, Range, Values
from bayescale.laws.kaplan_joint import scales
from bayescale.laws.rules.kaplan import PF_DAY
from bayescale.laws.terms import BETWEEN_LOSSES, ONE_MODEL, SLOPE, exponent, floor, scaled, term
from bayescale.lazy_jax import jnp

PAPER = "Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv:2001.08361"
SIZES, DATA = (768.0, 1.5e9), (2.2e7, 2.3e10)
"""The paper's runs: non-embedding params, and tokens of the training set."""
NO_FLOOR = "No irreducible loss, so it must break at some scale"


def loss_of_params(values: Values, inputs: Values) -> Any:
    """L(N) = (N_c/N)^a_N (Kaplan et al. 2020, eq. 1.1)."""
    return (values["N_c"] / inputs["params"]) ** values["a_N"]


def loss_of_tokens(values: Values, inputs: Values) -> Any:
    """L(D) = (D_c/D)^a_D, large models stopped early (Kaplan et al. 2020, eq. 1.2)."""
    return (values["D_c"] / inputs["tokens"]) ** values["a_D"]


def loss_of_compute(values: Values, inputs: Values) -> Any:
    """L(C) = (C_c/C)^a_C, the frontier of runs at one batch size (Kaplan et al. 2020, section 3.3)."""
    return (values["C_c"] / inputs["flops"]) ** values["a_C"]


def loss_of_minimum_compute(values: Values, inputs: Values) -> Any:
    """L(C_min) = (C_c/C_min)^a_C, the frontier at batches far below critical (Kaplan et al. 2020, eq. 1.3)."""
    return (values["C_c"] / inputs["flops_min"]) ** values["a_C"]


def loss_joint(values: Values, inputs: Values) -> Any:
    """L(N, D) = [(N_c/N)^(a_N/a_D) + D_c/D]^a_D (Kaplan et al. 2020, eq. 1.5)."""
    size = values["a_N"] / values["a_D"] * jnp.log(values["N_c"] / inputs["params"])
    return jnp.exp(values["a_D"] * jnp.logaddexp(size, jnp.log(values["D_c"] / inputs["tokens"])))


def optimum_joint(
    values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
) -> tuple[Any, Any]:
    """Compute-optimal params and tokens of the joint law under C = k N D.

    The bracket is additive, with exponents p = a_N/a_D and 1, so that Hoffmann's closed form applies to it:
    N* = (p N_c^p / D_c)^(1/(p+1)) (C/k)^(1/(p+1)), an exponent of .575 with the published values. It is not the
    paper's own allocation (N ~ C_min^0.73), which comes from the learning curves L(N, S_min).
    """
    power = values["a_N"] / values["a_D"]
    product = flops / flops_per_param_token
    # In logs: a size of 1e118, which small exponents ask for, to a power is beyond what a float holds.
    log_params = jnp.log(power) + power * jnp.log(values["N_c"]) - jnp.log(values["D_c"]) + jnp.log(product)
    params = jnp.exp(log_params / (power + 1))
    return params, product / params


def loss_of_steps(values: Values, inputs: Values) -> Any:
    """L(N, S_min) = (N_c/N)^a_N + (S_c/S_min)^a_S (Kaplan et al. 2020, eq. 1.6)."""
    return (values["N_c"] / inputs["params"]) ** values["a_N"] + (values["S_c"] / inputs["steps"]) ** values[
        "a_S"
    ]


def loss_of_position(values: Values, inputs: Values) -> Any:
    """L(T) = E + A T^-a for the T-th token of a context (Kaplan et al. 2020, appendix D.5)."""
    return values["E"] + values["A"] * inputs["position"] ** -values["a"]


N = Law(
    name="kaplan-n",
    title="Kaplan 2020: loss against size, trained to convergence",
    citation=f"{PAPER}, eq. 1.1",
    equation="L = (N_c/N)^a_N",
    latex=r"L(N) = \left(\frac{N_c}{N}\right)^{\alpha_N}",
    inputs=("params",),
    parameters=(
        scaled("N_c", "params", "a_N", "N", "N_c", meaning="scale of size", unit="non-embedding params"),
        exponent("a_N", r"\alpha_N", "size", SLOPE),
    ),
    loss=loss_of_params,
    published=(
        Published(
            "Kaplan 2020, L(N)",
            {"N_c": 8.8e13, "a_N": 0.076},
            "arXiv:2001.08361, eq. 1.1",
            runs={"params": SIZES},
        ),
    ),
    validity=f"{NO_FLOOR}; data and training not limiting; N without embeddings (768 to 1.5e9 in the paper).",
)

D = Law(
    name="kaplan-d",
    title="Kaplan 2020: loss against data, large models stopped early",
    citation=f"{PAPER}, eq. 1.2",
    equation="L = (D_c/D)^a_D",
    latex=r"L(D) = \left(\frac{D_c}{D}\right)^{\alpha_D}",
    inputs=("tokens",),
    parameters=(
        scaled("D_c", "tokens", "a_D", "D", "D_c", meaning="scale of data", unit="tokens"),
        exponent("a_D", r"\alpha_D", "data", SLOPE),
    ),
    loss=loss_of_tokens,
    published=(
        Published(
            "Kaplan 2020, L(D)",
            {"D_c": 5.4e13, "a_D": 0.095},
            "arXiv:2001.08361, eq. 1.2",
            runs={"tokens": DATA},
        ),
    ),
    validity=f"{NO_FLOOR}; size not limiting; D is the size of a training set that is repeated until early stopping.",
)

C = Law(
    name="kaplan-c",
    title="Kaplan 2020: loss against compute at one batch size",
    citation=f"{PAPER}, section 3.3",
    equation="L = (C_c/C)^a_C",
    latex=r"L(C) = \left(\frac{C_c}{C}\right)^{\alpha_C}",
    inputs=("flops",),
    parameters=(
        scaled("C_c", "flops", "a_C", "C", "C_c", meaning="scale of compute", unit="FLOPs"),
        exponent("a_C", r"\alpha_C", "compute", SLOPE),
    ),
    loss=loss_of_compute,
    published=(
        Published(
            "Kaplan 2020, L(C)",
            {"C_c": 1.6e7 * PF_DAY, "a_C": 0.057},
            "arXiv:2001.08361, section 3.3",
            note="1.6e7 PF-days of 8.64e19 FLOPs, at a batch of 2^19 tokens.",
        ),
    ),
    validity=f"{NO_FLOOR}; only runs on the frontier; C = 6 N B S without embeddings at a fixed batch size.",
)

C_MIN = Law(
    name="kaplan-cmin",
    title="Kaplan 2020: loss against the least compute that reaches it",
    citation=f"{PAPER}, eq. 1.3",
    equation="L = (C_c/C_min)^a_C",
    latex=r"L(C_{\min}) = \left(\frac{C_c^{\min}}{C_{\min}}\right)^{\alpha_C^{\min}}",
    inputs=("flops_min",),
    parameters=(
        scaled("C_c", "flops_min", "a_C", "C_min", r"C_c^{\min}", meaning="scale of compute", unit="FLOPs"),
        exponent("a_C", r"\alpha_C^{\min}", "compute", SLOPE),
    ),
    loss=loss_of_minimum_compute,
    published=(
        Published(
            "Kaplan 2020, L(C_min)",
            {"C_c": 3.1e8 * PF_DAY, "a_C": 0.050},
            "arXiv:2001.08361, eq. 1.3",
            note="3.1e8 PF-days; the label in the paper's Figure 1 has 2.3e8, which is 1.5 % of the loss.",
        ),
    ),
    validity=f"{NO_FLOOR}; flops_min from measured C and batch by `rules.kaplan.minimum_compute`.",
)

_N_C, _D_C = scales(loss_joint, lambda values, inputs: inputs["tokens"], "D0")

JOINT = Law(
    name="kaplan",
    title="Kaplan 2020: size and data jointly, stopped early",
    citation=f"{PAPER}, eq. 1.5",
    equation="L = [(N_c/N)^(a_N/a_D) + D_c/D]^a_D",
    latex=r"L(N, D) = \left[\left(\frac{N_c}{N}\right)^{\alpha_N/\alpha_D} + \frac{D_c}{D}\right]^{\alpha_D}",
    inputs=("params", "tokens"),
    parameters=(
        _N_C,
        exponent("a_N", r"\alpha_N", "size", SLOPE),
        _D_C,
        exponent("a_D", r"\alpha_D", "data", SLOPE),
    ),
    loss=loss_joint,
    published=(
        Published(
            "Kaplan 2020, L(N, D)",
            {"N_c": 6.4e13, "a_N": 0.076, "D_c": 1.8e13, "a_D": 0.103},
            "arXiv:2001.08361, Table 2",
            runs={"params": SIZES, "tokens": DATA},
        ),
    ),
    validity=f"{NO_FLOOR}; D is the size of a training set that is repeated until early stopping; not additive.",
    optimum=optimum_joint,
)

STEPS = Law(
    name="kaplan-steps",
    title="Kaplan 2020: learning curves by size",
    citation=f"{PAPER}, eq. 1.6",
    equation="L = (N_c/N)^a_N + (S_c/S_min)^a_S",
    latex=r"L(N, S_{\min}) = \left(\frac{N_c}{N}\right)^{\alpha_N} + \left(\frac{S_c}{S_{\min}}\right)^{\alpha_S}",
    inputs=("params", "steps"),
    parameters=(
        scaled("N_c", "params", "a_N", "N", "N_c", meaning="scale of size", unit="non-embedding params"),
        exponent("a_N", r"\alpha_N", "size", SLOPE),
        # Published: .3 nats at 1e4 steps; a short run is still above its converged loss by nats.
        scaled(
            "S_c", "steps", "a_S", "S_min", "S_c", Range(0.01, 4.0), meaning="scale of steps", unit="steps"
        ),
        # Published: .76. Theory has 1/3 (2606.25008) to 1; curves of small models between .3 and 1.
        exponent("a_S", r"\alpha_S", "steps", Range(0.2, 1.5)),
    ),
    loss=loss_of_steps,
    published=(
        Published(
            "Kaplan 2020, L(N, S_min)",
            {"N_c": 6.5e13, "a_N": 0.077, "S_c": 2.1e3, "a_S": 0.76},
            "arXiv:2001.08361, Table 3",
            runs={"params": SIZES},
        ),
    ),
    validity=(
        f"{NO_FLOOR}; infinite data, after warm-up; steps are S_min, at batches far above critical: "
        "`rules.kaplan.minimum_steps` converts others."
    ),
)

POSITION = Law(
    name="kaplan-position",
    title="Kaplan 2020: loss against the position in the context",
    citation=f"{PAPER}, appendix D.5",
    equation="L = E + A T^-a",
    latex=r"L(T) = E + \frac{A}{T^{a}}",
    inputs=("position",),
    parameters=(
        floor(meaning="loss far into the context", prior=ONE_MODEL, spread=BETWEEN_LOSSES),
        # At a typical position what is left to gain from more context is a part of the loss.
        term("A", "position", "a", prior=Range(0.02, 3.0)),
        # Context-length exponents are .45 and .51 in Xiong 2023; larger models have larger ones.
        exponent("a", "a", "position", Range(0.1, 1.5)),
    ),
    loss=loss_of_position,
    validity="One model at a time, first position left out; the exponent grows with the size of the model.",
)

LAWS = (N, D, C, C_MIN, JOINT, STEPS, POSITION)
