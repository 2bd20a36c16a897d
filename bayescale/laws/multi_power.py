"""Luo et al. 2025: the multi-power law, loss along any learning-rate schedule.

As a law to fit it has the decays that runs are made with, each from a peak to an end rate, linear or along a cosine:
what a schedule is then fits into columns. `multi_power_loss` takes a schedule step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, Values
from bayescale.laws.terms import exponent, floor, sized, term
from bayescale.lazy_jax import jax, jnp

CITATION = (
    "Luo et al. 2025, A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules, "
    "arXiv:2503.12811"
)

NODES, WEIGHTS = ((x + c) / 2 for x, c in zip(np.polynomial.legendre.leggauss(24), (1.0, 0.0), strict=True))
"""Of a quadrature over a decay: within 1e-5 of the sum over its steps where these are hundreds."""


def multi_power_loss(
    values: Values, learning_rates: Any, *, warmup_area: float = 0.0, at: Any | None = None
) -> Any:
    """Loss along any schedule by the multi-power law (Luo et al. 2025, eq. 1).

    L(t) = L0 + A (S1(t) + S_W)^-alpha - B sum_(k<=t) (eta_(k-1) - eta_k) G(eta_k^-gamma S_k(t)),
    G(x) = 1 - (C x + 1)^-beta, S_k(t) = sum_(k<=i<=t) eta_i.

    Parameters
    ----------
    values : mapping
        L0, A, alpha, B, C, beta, gamma, such as those of `MULTI_POWER`.
    learning_rates : array_like, shape (steps,)
        After warm-up.
    warmup_area : float
        S_W, the sum of the learning rates of the warm-up.
    at : int or array_like of int, optional
        Steps, counted from zero, whose loss is wanted; the last where absent.
    """
    rates = jnp.asarray(learning_rates, float)
    area = jnp.cumsum(rates)
    before = area - rates
    falls = -jnp.diff(rates, prepend=rates[:1])
    scale = jnp.maximum(rates, jnp.finfo(rates.dtype).tiny) ** -values["gamma"]
    steps = jnp.arange(len(rates))

    def one(t: Any) -> Any:
        since = jnp.where(steps <= t, jnp.maximum(area[t] - before, 0.0), 0.0)
        # A rate of zero at the end has no area yet: the product is zero, not zero times infinity.
        reached = 1 - (values["C"] * jnp.where(since > 0, scale * since, 0.0) + 1) ** -values["beta"]
        gained = jnp.sum(jnp.where(steps <= t, falls * reached, 0.0))
        return values["L0"] + values["A"] * (area[t] + warmup_area) ** -values["alpha"] - values["B"] * gained

    wanted = jnp.asarray(len(rates) - 1 if at is None else at)
    return jax.vmap(one)(wanted) if wanted.ndim else one(wanted)


def _linear(left: Any) -> tuple[Any, Any, Any]:
    """Of a linear decay, with this share of it left: height above its end, area under that, and the height's slope."""
    return left, left**2 / 2, jnp.ones_like(left)


def _cosine(left: Any) -> tuple[Any, Any, Any]:
    angle = jnp.pi * left
    height = (1 - jnp.cos(angle)) / 2
    return height, (left - jnp.sin(angle) / jnp.pi) / 2, jnp.pi / 2 * jnp.sin(angle)


def _gain(values: Values, inputs: Values, shape: Callable[[Any], tuple[Any, Any, Any]]) -> Any:
    """Integral of G over the fall of the learning rate: what annealing removes, over B."""
    # One axis more, the last, for the nodes: inputs and values broadcast against each other as they did.
    rate, end, steps = (jnp.asarray(inputs[c])[..., None] for c in ("learning_rate", "lr_end", "decay_steps"))
    C, beta, gamma = (jnp.asarray(values[name])[..., None] for name in ("C", "beta", "gamma"))
    height, area, slope = shape(jnp.asarray(NODES))
    since = steps * (end * NODES + (rate - end) * area)
    reached = 1 - (C * (end + (rate - end) * height) ** -gamma * since + 1) ** -beta
    return jnp.sum(WEIGHTS * slope * (rate - end) * reached, axis=-1)


#: Published values, by model size.
MULTI_POWER = tuple(
    Published(
        label,
        {"L0": L0, "A": A, "alpha": alpha, "B": B, "C": C, "beta": beta, "gamma": gamma},
        CITATION,
    )
    for label, L0, A, alpha, B, C, beta, gamma in (
        ("25M", 3.040, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641),
        ("100M", 2.651, 0.601, 0.453, 437.9, 2.132, 0.598, 0.655),
        ("400M", 2.375, 0.654, 0.429, 523.4, 2.025, 0.594, 0.635),
    )
)


def _law(name: str, decay: str, shape: Callable[[Any], tuple[Any, Any, Any]]) -> Law:
    return Law(
        name=name,
        title=f"Luo 2025: the multi-power law, for a {decay} decay of the learning rate",
        citation=CITATION,
        equation="L = L0 + A S1^-alpha - B int G(eta^-gamma S(eta)) d eta from lr_end to learning_rate, "
        f"G(x) = 1 - (C x + 1)^-beta, S(eta) = area left of a {decay} decay; S1 = lr_area, warm-up included",
        latex=r"L = L_0 + A S_1^{-\alpha} - B \int_{\eta_{end}}^{\eta_{peak}} G(\eta^{-\gamma} S(\eta)) \, d\eta,"
        r"\quad G(x) = 1 - (C x + 1)^{-\beta}",
        inputs=("lr_area", "learning_rate", "lr_end", "decay_steps"),
        parameters=(
            floor("L0", "L_0"),
            term("A", "lr_area", "alpha"),
            # Published: 0.43 to 0.51.
            exponent("alpha", r"\alpha", "the learning rates' sum", Range(0.1, 1.5)),
            sized(
                "B",
                "gain of annealing",
                "nats/token per learning rate",
                "B int G",
                "loss that annealing has removed at the reference point",
                lambda v, x: _gain(v, x, shape),
                # What a decay to zero removes: hundredths to a few tenths of a nat.
                prior=Range(0.005, 0.5),
            ),
            Parameter(
                "C",
                "how soon a fall of the rate pays",
                "learning rate^(gamma - 1)",
                "positive",
                # Published, for decays of thousands of steps: 100 to 500, so that nearly all of the gain has come.
                Range(2.0, 2000.0),
                "C",
                centring=Centring(
                    "C eta0^(1 - gamma) T0 / 2",
                    "C x of a fall at the reference point's peak, whose decay is still to come: a ratio",
                    to_natural=lambda size, v, x: size / _ahead(v, x),
                    from_natural=lambda natural, v, x: natural * _ahead(v, x),
                    unit="1",
                ),
            ),
            # Published: 0.58 to 0.60, and 0.64 to 0.66.
            exponent("beta", r"\beta", "the gain's approach to all of it", Range(0.15, 2.0)),
            exponent("gamma", r"\gamma", "the rate in how soon a fall pays", Range(0.15, 1.6)),
        ),
        loss=lambda v, x: v["L0"] + v["A"] * x["lr_area"] ** -v["alpha"] - v["B"] * _gain(v, x, shape),
        published=MULTI_POWER,
        # A constant rate has no decay, and many decays end at zero.
        may_be_zero=frozenset({"lr_end", "decay_steps"}),
        validity="One model, one batch size, measured where the decay ends; rates held at their peak until it begins"
        " (`laws.multi_power.multi_power_loss` takes any schedule). C, beta and gamma need decays of different length.",
    )


def _ahead(values: Values, inputs: Values) -> Any:
    return inputs["learning_rate"] ** (1 - values["gamma"]) * inputs["decay_steps"] / 2


LAWS = (
    _law("multi-power", "linear", _linear),
    _law("multi-power-cosine", "cosine", _cosine),
)
