"""Muennighoff et al. 2023: repeated tokens and excess parameters are worth less and less."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from bayescale.laws.base import Law, Parameter, Published, Range, Values
from bayescale.laws.chinchilla import LAW as CHINCHILLA
from bayescale.lazy_jax import jnp


def effective_tokens(values: Values, inputs: Values) -> Any:
    """D' = U_D + U_D R_D* (1 - exp(-R_D/R_D*)), R_D = D/U_D - 1 repetitions (Muennighoff et al. 2023)."""
    unique = jnp.minimum(inputs["unique_tokens"], inputs["tokens"])
    repeats = inputs["tokens"] / unique - 1
    return unique * (1 - values["R_D"] * jnp.expm1(-repeats / values["R_D"]))


def params_for(values: Values, unique_tokens: Any) -> Any:
    """Params that are compute-optimal for unique tokens: G (G U_D)^(beta/alpha), G as in Hoffmann, eq. 4."""
    alpha, beta = values["alpha"], values["beta"]
    log_balance = (jnp.log(alpha * values["A"]) - jnp.log(beta * values["B"])) / (alpha + beta)
    return jnp.exp(log_balance + beta / alpha * (log_balance + jnp.log(unique_tokens)))


def effective_params(values: Values, inputs: Values) -> Any:
    """N' = U_N + U_N R_N* (1 - exp(-R_N/R_N*)), U_N = min(N, `params_for`) (Muennighoff et al. 2023)."""
    unique_tokens = jnp.minimum(inputs["unique_tokens"], inputs["tokens"])
    base = jnp.minimum(inputs["params"], params_for(values, unique_tokens))
    excess = inputs["params"] / base - 1
    return base * (1 - values["R_N"] * jnp.expm1(-excess / values["R_N"]))


def loss(values: Values, inputs: Values) -> Any:
    """L = E + A/N'^alpha + B/D'^beta (Muennighoff et al. 2023), nats per token."""
    return (
        values["E"]
        + values["A"] * effective_params(values, inputs) ** -values["alpha"]
        + values["B"] * effective_tokens(values, inputs) ** -values["beta"]
    )


LAW = Law(
    name="muennighoff",
    title="Muennighoff 2023: repeated data",
    citation="Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv:2305.16264",
    equation="L = E + A N'^-alpha + B D'^-beta, D' = U [1 + R_D (1 - exp(-(D/U - 1)/R_D))], N' likewise",
    latex=(
        r"L(N, D, U) = E + \frac{A}{N'^{\alpha}} + \frac{B}{D'^{\beta}},\quad "
        r"D' = U + U R_D^* \left(1 - e^{-(D/U - 1)/R_D^*}\right),\quad "
        r"N' = U_N + U_N R_N^* \left(1 - e^{-(N/U_N - 1)/R_N^*}\right)"
    ),
    inputs=("params", "tokens", "unique_tokens"),
    parameters=(
        # With fresh data only this is Hoffmann's law: the same five, with the same priors. What repeated data are worth
        # depends on the exponents, so that runs of one size tell them too.
        *(replace(p, along="") for p in CHINCHILLA.parameters),
        Parameter(
            name="R_D",
            meaning="repetitions after which repeated tokens have lost 1 - 1/e of their worth",
            unit="epochs",
            support="positive",
            # Published: 15.4. Weight decay and regularisation move it by factors (2503.07879, 2509.14786).
            prior=Range(2.0, 60.0),
            latex="R_D^*",
            spread=Range(0.05, 0.8),
        ),
        Parameter(
            name="R_N",
            meaning="excess of params, over those the unique tokens call for, that has lost 1 - 1/e of its worth",
            unit="1",
            support="positive",
            # Published: 5.3.
            prior=Range(1.0, 40.0),
            latex="R_N^*",
            spread=Range(0.05, 0.8),
        ),
    ),
    loss=loss,
    published=(
        Published(
            label="Muennighoff 2023",
            values={
                "E": math.exp(0.6254804),
                "A": math.exp(6.255414),
                "alpha": 0.3526596,
                "B": math.exp(7.3049974),
                "beta": 0.3526596,
                "R_D": 15.387756,
                "R_N": 5.309743,
            },
            citation="arXiv:2305.16264, released code",
            note="alpha and beta are tied in the published fit.",
        ),
    ),
    validity="Loss never rises with repetition, so no overfitting: not for hundreds of epochs without regularisation.",
)
