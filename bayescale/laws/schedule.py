"""Loss along a learning-rate schedule: Tissue et al. 2024, and the multi-power law of Luo et al. 2025."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from bayescale.laws.base import Law, Published, Range, Values
from bayescale.laws.terms import exponent, floor, sized, term

DECAY = 0.999
"""lambda, how slowly the model forgets that the learning rate has fallen; Tissue's range is 0.99 to 0.999."""


def schedule_areas(learning_rates: Any, decay: float = DECAY) -> tuple[Any, Any]:
    """S1 and S2 after every step of a schedule (Tissue et al. 2024): columns for the law ``tissue``.

    S1 = sum_i eta_i, S2 = sum_i m_i, m_i = lambda m_(i-1) + (eta_(i-1) - eta_i), m_0 = 0.

    Parameters
    ----------
    learning_rates : array_like, shape (steps,)
        After warm-up; a rise counts as negative annealing.
    decay : float
        lambda.

    Returns
    -------
    tuple of array
        ``lr_area`` and ``lr_annealing`` after each step; for a run's last measurement take the last.
    """
    rates = jnp.asarray(learning_rates, float)

    def step(momentum: Any, fall: Any) -> tuple[Any, Any]:
        momentum = decay * momentum + fall
        return momentum, momentum

    _, momentum = jax.lax.scan(step, jnp.zeros(()), -jnp.diff(rates, prepend=rates[:1]))
    return jnp.cumsum(rates), jnp.cumsum(momentum)


def loss(values: Values, inputs: Values) -> Any:
    """L = L0 + A S1^-alpha - C S2 (Tissue et al. 2024)."""
    return (
        values["L0"]
        + values["A"] * inputs["lr_area"] ** -values["alpha"]
        - values["C"] * inputs["lr_annealing"]
    )


def multi_power_loss(
    values: Values, learning_rates: Any, *, warmup_area: float = 0.0, at: Any | None = None
) -> Any:
    """Loss along any schedule by the multi-power law (Luo et al. 2025, arXiv:2503.12811).

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


def _multi_power(
    label: str, L0: float, A: float, alpha: float, B: float, C: float, beta: float, gamma: float
) -> Published:
    values = {"L0": L0, "A": A, "alpha": alpha, "B": B, "C": C, "beta": beta, "gamma": gamma}
    return Published(
        label,
        values,
        "Luo et al. 2025, A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules, "
        "arXiv:2503.12811",
    )


#: Published values of the multi-power law, by model size.
MULTI_POWER = (
    _multi_power("25M", 3.040, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641),
    _multi_power("100M", 2.651, 0.601, 0.453, 437.9, 2.132, 0.598, 0.655),
    _multi_power("400M", 2.375, 0.654, 0.429, 523.4, 2.025, 0.594, 0.635),
)

LAW = Law(
    name="tissue",
    title="Tissue 2024: loss with learning-rate annealing",
    citation="Tissue, Wang & Wang 2024, Scaling Law with Learning Rate Annealing, arXiv:2408.11029",
    equation="L = L0 + A S1^-alpha - C S2; S1 = lr_area, S2 = lr_annealing (laws.schedule.schedule_areas)",
    latex=r"L = L_0 + A S_1^{-\alpha} - C S_2, \quad S_1 = \sum_i \eta_i, \quad S_2 = \sum_i m_i, \quad"
    r" m_i = \lambda m_{i-1} + \eta_{i-1} - \eta_i",
    inputs=("lr_area", "lr_annealing"),
    parameters=(
        floor("L0", "L_0"),
        term("A", "lr_area", "alpha"),
        # The multi-power law, whose first term is the same, has 0.43 to 0.51.
        exponent("alpha", r"\alpha", "the learning rates' sum", Range(0.1, 1.5)),
        sized(
            "C",
            "gain of annealing",
            "nats/token per learning rate",
            "C S2_0",
            "loss that annealing has removed at the reference point",
            lambda v, x: x["lr_annealing"],
            # What a decay to zero removes: hundredths to a few tenths of a nat.
            prior=Range(0.005, 0.5),
        ),
    ),
    loss=loss,
    # A constant learning rate has had no annealing.
    may_be_zero=frozenset({"lr_annealing"}),
    validity="One model, one batch size, one peak rate; the last steps of a decay to zero are seen too "
    "well. lambda is fixed when the columns are made.",
)
