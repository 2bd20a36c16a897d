"""Clark et al. 2022: routed language models, size and number of experts."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values, without
from bayescale.laws.terms import shifted
from bayescale.lazy_jax import jnp


def saturated_experts(values: Values, experts: Any) -> Any:
    """Ehat: the number of experts, moved off one and saturating (Clark et al. 2022).

    1/Ehat = 1/(E - 1 + (1/E_start - 1/E_max)^-1) + 1/E_max: E_start at one expert, E_max at infinitely many.
    """
    start, most = values["E_start"], values["E_max"]
    return 1 / (1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most)


def _logs(values: Values, inputs: Values) -> tuple[Any, Any]:
    return jnp.log10(inputs["params"]), jnp.log10(saturated_experts(values, inputs["experts"]))


def loss(values: Values, inputs: Values) -> Any:
    """log10 L = a log10 N + b log10 Ehat + c log10 N log10 Ehat + d (Clark et al. 2022), base 10."""
    size, experts = _logs(values, inputs)
    return 10.0 ** (values["a"] * size + values["b"] * experts + values["c"] * size * experts + values["d"])


def effective_params(values: Values, params: Any, experts: Any) -> Any:
    """Effective parameter count: the size of the dense model with the same loss (Clark et al. 2022)."""
    size, routed = _logs(values, {"params": params, "experts": experts})
    dense = jnp.log10(values["E_start"])
    slope = values["a"] + values["c"] * dense
    return 10.0 ** (
        (values["a"] * size + values["b"] * (routed - dense) + values["c"] * size * routed) / slope
    )


def _log_loss_without_d(values: Values, reference: Values) -> Any:
    return jnp.log10(loss(without(values, "d"), reference))


SATURATION = (
    # Published: 1.8 to 4.2 (Clark), 2.07 (Ludziejewski 2025).
    Parameter("E_start", "Ehat of a dense model", "experts", "positive", Range(1.1, 10.0), "E_{start}"),
    # Published: 290 (Ludziejewski 2025) to 478.
    Parameter(
        "E_max", "where more experts stop helping", "experts", "positive", Range(60.0, 2000.0), "E_{max}"
    ),
)
"""What `saturated_experts` needs, for every law with it."""

RUNS = {"params": (1.5e7, 1.3e9), "experts": (1.0, 512.0)}
"""Clark's runs: dense size and experts."""

LAW = Law(
    name="clark",
    title="Clark 2022: routed models, an interaction of size and experts",
    citation="Clark et al. 2022, Unified Scaling Laws for Routed Language Models, arXiv:2202.01169",
    equation="log10 L = a log10 N + b log10 Ehat + c log10 N log10 Ehat + d, "
    "1/Ehat = 1/(E - 1 + (1/E_start - 1/E_max)^-1) + 1/E_max",
    latex=r"\log_{10} L = a \log_{10} N + b \log_{10} \hat{E} + c \log_{10} N \log_{10} \hat{E} + d, \quad "
    r"\frac{1}{\hat{E}} = \frac{1}{E - 1 + (1/E_{start} - 1/E_{max})^{-1}} + \frac{1}{E_{max}}",
    inputs=("params", "experts"),
    parameters=(
        Parameter(
            name="a",
            meaning="slope of log loss in log size at Ehat = 1",
            unit="1",
            support="real",
            # Three routers: -0.082 to -0.087 on C4; down to -0.22 on other evaluation sets of the released curves.
            prior=Range(-0.3, 0.0),
            latex="a",
            spread=Range(0.002, 0.1),
            centring=shifted(
                "a",
                "a + c log10 Ehat0",
                "slope of log loss in log size",
                lambda v, x: v["c"] * _logs(v, x)[1],
            ),
        ),
        Parameter(
            name="b",
            meaning="slope of log loss in log experts at N = 1",
            unit="1",
            support="real",
            # Three routers at a hundred million parameters: -0.03 to -0.04; nothing says that routing must help.
            prior=Range(-0.2, 0.05),
            latex="b",
            spread=Range(0.002, 0.1),
            centring=shifted(
                "b",
                "b + c log10 N0",
                "slope of log loss in log experts",
                lambda v, x: v["c"] * _logs(v, x)[0],
            ),
        ),
        Parameter(
            name="c",
            meaning="how much routing helps less when the model is larger",
            unit="1",
            support="real",
            # Three routers: 0.009 to 0.013; up to 0.02 on other evaluation sets.
            prior=Range(-0.03, 0.05),
            latex="c",
            spread=Range(0.001, 0.03),
        ),
        Parameter(
            name="d",
            meaning="log10 of the loss at N = 1, Ehat = 1",
            unit="log10(nats/token)",
            support="positive",
            # Losses per token of runs that anyone tabulates; the link is on the loss at the reference point.
            prior=Range(0.5, 8.0),
            latex="d",
            spread=Range(0.02, 0.5),
            centring=Centring(
                symbol="L0",
                meaning="loss at the runs' geometric-mean size and experts",
                to_natural=lambda x, v, reference: jnp.log10(x) - _log_loss_without_d(v, reference),
                from_natural=lambda d, v, reference: 10.0 ** (d + _log_loss_without_d(v, reference)),
            ),
        ),
        *SATURATION,
    ),
    loss=loss,
    published=(
        Published(
            "S-Base",
            {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "E_start": 1.847, "E_max": 314.5},
            "arXiv:2202.01169",
            note="Rounded: rmse 0.004 in log10 L on the released curves, against 0.003 for the refit.",
            runs=RUNS,
        ),
        Published(
            "RL-R",
            {"a": -0.083, "b": -0.126, "c": 0.012, "d": 1.111, "E_start": 1.880, "E_max": 470.0},
            "arXiv:2202.01169",
            note="Rounded: rmse 0.008 in log10 L on the released curves, against 0.003 for the refit.",
            runs=RUNS,
        ),
        Published(
            "Hash",
            {"a": -0.087, "b": -0.136, "c": 0.012, "d": 1.157, "E_start": 4.175, "E_max": 477.7},
            "arXiv:2202.01169",
            note="Rounded: rmse 0.006 in log10 L on the released curves, against 0.003 for the refit.",
            runs=RUNS,
        ),
        Published(
            "S-Base, refitted",
            {
                "a": -0.0832554,
                "b": -0.1155181,
                "c": 0.0098645,
                "d": 1.1131424,
                "E_start": 1.847,
                "E_max": 314.5,
            },
            "this project, on the 53 released runs on the validation set that have one expert a token in every second "
            "layer, with Clark's E_start and E_max; least squares in log10 L, rmse 0.0033",
        ),
        Published(
            "RL-R, refitted",
            {
                "a": -0.0838960,
                "b": -0.1288875,
                "c": 0.0118654,
                "d": 1.1171601,
                "E_start": 1.880,
                "E_max": 470.0,
            },
            "this project, likewise, 54 runs, rmse 0.0033",
        ),
        Published(
            "Hash, refitted",
            {
                "a": -0.0876111,
                "b": -0.1381869,
                "c": 0.0126914,
                "d": 1.1608121,
                "E_start": 4.175,
                "E_max": 477.7,
            },
            "this project, likewise, 51 runs, rmse 0.0031",
        ),
    ),
    validity="130 B tokens for every run, so data is not in it; N is the dense size, that is the active parameters; "
    "15 M to 1.3 B of them, up to 512 experts; a power law without a floor; one expert per token, every other layer.",
)
