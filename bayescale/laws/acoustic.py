"""Droppo & Elibol 2021: the joint form for acoustic models, Kaplan's with a floor and a free outer exponent."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import NOTHING, Law, Parameter, Range, Values
from bayescale.laws.terms import BETWEEN_EXPONENTS, BETWEEN_SIZES, exponent, floor, scaled
from bayescale.lazy_jax import jnp


def loss(values: Values, inputs: Values) -> Any:
    """L = [L_inf^(1/alpha) + (N_C/N)^(alpha_N/alpha) + (D_C/D)^(alpha_D/alpha)]^alpha (Droppo & Elibol 2021).

    Kaplan's joint law where L_inf = 0 and alpha = alpha_D; additive where alpha = 1.
    """
    alpha = values["alpha"]
    terms = jnp.stack(
        jnp.broadcast_arrays(
            jnp.log(values["L_inf"]) / alpha,
            values["alpha_N"] / alpha * jnp.log(values["N_C"] / inputs["params"]),
            values["alpha_D"] / alpha * jnp.log(values["D_C"] / inputs["tokens"]),
        )
    )
    return jnp.exp(alpha * jnp.logaddexp(jnp.logaddexp(terms[0], terms[1]), terms[2]))


def optimum(
    values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
) -> tuple[Any, Any]:
    """Compute-optimal params and tokens: the bracket is additive, so that Hoffmann's closed form applies to it."""
    p, q = values["alpha_N"] / values["alpha"], values["alpha_D"] / values["alpha"]
    log_balance = jnp.log(p / q) + p * jnp.log(values["N_C"]) - q * jnp.log(values["D_C"])
    log_product = jnp.log(flops / flops_per_param_token)
    log_params = (log_balance + q * log_product) / (p + q)
    return jnp.exp(log_params), jnp.exp(log_product - log_params)


ALONE, FREE = Range(0.05, 8.0), Range(0.03, 0.8)

LAW = Law(
    name="acoustic",
    title="Droppo & Elibol 2021: joint law with a floor, for acoustic models",
    citation="Droppo & Elibol 2021, Scaling Laws for Acoustic Models, arXiv:2106.09488",
    equation="L = [L_inf^(1/alpha) + (N_C/N)^(alpha_N/alpha) + (D_C/D)^(alpha_D/alpha)]^alpha",
    latex=(
        r"L(N, D) = \left[L_\infty^{1/\alpha} + \left(\frac{N_C}{N}\right)^{\alpha_N/\alpha}"
        r" + \left(\frac{D_C}{D}\right)^{\alpha_D/\alpha}\right]^{\alpha}"
    ),
    inputs=("params", "tokens"),
    parameters=(
        floor("L_inf", r"L_\infty"),
        # Alone, without the other two: from a part of the loss (alpha = 1) to all of it (small alpha).
        scaled("N_C", "params", "alpha_N", "N", prior=ALONE, meaning="scale of size", spread=BETWEEN_SIZES),
        # .07 without a floor (Kaplan 2020) to .37 with one (Aghajanyan 2023).
        exponent("alpha_N", r"\alpha_N", "size where size alone limits", FREE),
        scaled("D_C", "tokens", "alpha_D", "D", prior=ALONE, meaning="scale of data", spread=BETWEEN_SIZES),
        # .095 without a floor (Kaplan 2020) to .6 with one.
        exponent("alpha_D", r"\alpha_D", "data where data alone limits", FREE),
        Parameter(
            name="alpha",
            meaning="how the limits combine: 1 adds them, small values let the largest rule",
            unit="1",
            support="positive",
            # Kaplan's joint law has .1, Hoffmann's sum is 1.
            prior=Range(0.05, 2.0),
            latex=r"\alpha",
            spread=BETWEEN_EXPONENTS,
        ),
    ),
    loss=loss,
    validity="The paper's coefficients are not reproduced here; alpha needs runs where both limits bind at once.",
    optimum=optimum,
)
