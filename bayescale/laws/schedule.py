"""Tissue et al. 2024: loss along a learning-rate schedule."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Law, Range, Values
from bayescale.laws.terms import exponent, floor, sized, term
from bayescale.lazy_jax import jax, jnp

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
