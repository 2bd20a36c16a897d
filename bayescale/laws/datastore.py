"""Retrieval: the size of the datastore that a model reads from, in two forms, neither of them published as a fit."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.chinchilla import by_whole_loss, optimum_at
from bayescale.laws.chinchilla import loss as hoffmann
from bayescale.laws.terms import exponent, relative, sized, term
from bayescale.lazy_jax import jnp

CONTRIEVER_PARAMS = 177e6
"""Parameters of the retriever of Shao et al. 2024."""


def training_flops(
    params: Any, tokens: Any, datastore_tokens: Any, retriever_params: float = CONTRIEVER_PARAMS
) -> Any:
    """C = 6 N_LM D_pretrain + 2 N_retriever D_datastore (Shao et al. 2024): the datastore costs one forward pass."""
    return 6.0 * params * tokens + 2.0 * retriever_params * datastore_tokens


def log_loss(values: Values, inputs: Values) -> Any:
    """L = E + A N^-alpha + B D^-beta - k ln(1 + S/S0)."""
    return hoffmann(values, inputs) - values["k"] * jnp.log1p(inputs["datastore_tokens"] / values["S0"])


def power_loss(values: Values, inputs: Values) -> Any:
    """L = E + A N^-alpha + B D^-beta + C S^-s."""
    return hoffmann(values, inputs) + values["C"] * inputs["datastore_tokens"] ** -values["s"]


_CITATION = (
    "This project, for the setting of Shao et al. 2024, Scaling Retrieval-Based Language Models with a Trillion-Token "
    "Datastore, arXiv:2407.12854, which gives no closed form"
)
_MODEL = by_whole_loss("loss at the reference point without a datastore")
_LIMITS = (
    "Falls in S, as it does only where the retriever keeps bad matches out; the datastore is identified by "
)
_LIMITS += "sub-sampling it for one and the same model."

LAWS = (
    Law(
        name="datastore-log",
        title="Retrieval: gain by the logarithm of the datastore's size",
        citation=_CITATION,
        equation="L = E + A N^-alpha + B D^-beta - k ln(1 + S/S0), S = datastore_tokens",
        latex=r"L(N, D, S) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}} - k \ln(1 + S / S_0)",
        inputs=("params", "tokens", "datastore_tokens"),
        parameters=(
            *_MODEL,
            Parameter(
                "S0",
                "datastore that begins to help",
                "tokens",
                "positive",
                # From far below the datastores measured, where the gain is a straight line, to their middle.
                Range(1e-4, 3.0),
                "S_0",
                centring=relative("S0", "datastore_tokens"),
            ),
            sized(
                "k",
                "gain per e-fold of the datastore",
                "nats/token",
                "k ln(1 + S_ref/S0)",
                "loss that retrieval has removed at the reference point",
                lambda v, x: jnp.log1p(x["datastore_tokens"] / v["S0"]),
                # Llama-2 7B with 1.4 T tokens: ln(4.09/3.50) = 0.16 on RedPajama, ln(7.18/6.57) = 0.09 on S2ORC.
                prior=Range(0.01, 0.5),
            ),
        ),
        loss=log_loss,
        optimum=optimum_at(lambda values, fixed: values),
        may_be_zero=frozenset({"datastore_tokens"}),
        validity=f"{_LIMITS} Unbounded below: not for datastores far beyond the measured ones.",
    ),
    Law(
        name="datastore-power",
        title="Retrieval: power law in the datastore's size",
        citation=_CITATION,
        equation="L = E + A N^-alpha + B D^-beta + C S^-s, S = datastore_tokens",
        latex=r"L(N, D, S) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}} + \frac{C}{S^{s}}",
        inputs=("params", "tokens", "datastore_tokens"),
        parameters=(
            *_MODEL,
            # A term like the gain above; its exponent is not published.
            term("C", "datastore_tokens", "s", prior=Range(0.01, 2.0)),
            exponent("s", "s", "the datastore", Range(0.02, 1.0)),
        ),
        loss=power_loss,
        optimum=optimum_at(lambda values, fixed: values),
        validity=f"{_LIMITS} Not for models without a datastore.",
    ),
)
