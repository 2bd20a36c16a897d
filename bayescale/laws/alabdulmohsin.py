"""Alabdulmohsin et al. 2022: M1 to M4, four learning curves in one input, the last between two plateaus."""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Range, Values
from bayescale.laws.terms import above_floor, exponent, floor, floor_share, plateau, reference_loss, term
from bayescale.lazy_jax import jax, jnp

NEWTON_STEPS = 12
"""The equation of M4 in logits is convex or concave and nearly linear: Newton's steps from its asymptote settle to
rounding in at most eight for exponents between 0.01 and 100. They are unrolled, so derivatives of any order follow."""


def solve_share(log_odds: Any, alpha: Any) -> Any:
    """The share u in (0, 1) for which u / (1 - u)^alpha is given, by its log.

    With u = sigmoid(v), log(u / (1 - u)^alpha) = v + (alpha - 1) softplus(v), which grows with slope 1 on the left and
    alpha on the right.
    """
    v = jnp.where(log_odds < 0, log_odds, log_odds / alpha)
    for _ in range(NEWTON_STEPS):
        excess = v + (alpha - 1) * jax.nn.softplus(v) - log_odds
        v = v - excess / (1 + (alpha - 1) * jax.nn.sigmoid(v))
    return jax.nn.sigmoid(v)


_CITATION = (
    "Alabdulmohsin et al. 2022, Revisiting Neural Scaling Laws in Language and Vision, arXiv:2209.06640"
)
_ONE_INPUT = "One input, the others constant or large. "


def _named(name: str, input: str) -> str:
    return name if input == "tokens" else f"{name}-{input}"


def m1(input: str = "tokens") -> Law:
    """M1, the bare power law, in any positive column; c is the paper's with its sign turned."""
    return Law(
        name=_named("m1", input),
        title="Alabdulmohsin 2022, M1: power law to zero",
        citation=_CITATION,
        equation=f"L = beta x^-c, x = {input}",
        latex=r"L(x) = \beta x^{-c}",
        inputs=(input,),
        # Nothing else makes the loss: its whole size is the term.
        parameters=(term("beta", input, "c", r"\beta", Range(0.3, 8.0)), exponent("c", "c", input, _SLOW)),
        loss=lambda v, x: v["beta"] * x[input] ** -v["c"],
        validity=_ONE_INPUT + "Falls to zero; a baseline.",
    )


# Bare power laws of language fall with exponents from 0.05 (Kaplan 2020).
_SLOW = Range(0.02, 1.0)


def m2(input: str = "tokens") -> Law:
    """M2, the power law with a floor, in any positive column; E is the paper's eps_inf."""
    return Law(
        name=_named("m2", input),
        title="Alabdulmohsin 2022, M2: power law to a floor",
        citation=_CITATION,
        equation=f"L = E + beta x^-c, x = {input}",
        latex=r"L(x) = E + \beta x^{-c}",
        inputs=(input,),
        parameters=(
            floor(prior=Range(0.02, 4.0)),
            term("beta", input, "c", r"\beta"),
            exponent("c", "c", input),
        ),
        loss=lambda v, x: v["E"] + v["beta"] * x[input] ** -v["c"],
        validity=_ONE_INPUT + "No plateau at small scale.",
    )


def m3(input: str = "tokens") -> Law:
    """M3, a power law that flattens early, in any positive column; E is the paper's eps_inf."""

    def factor(v: Values, x: Values) -> Any:
        return (1 / x[input] + v["gamma"]) ** v["c"]

    def loss(v: Values, x: Values) -> Any:
        return v["E"] + v["beta"] * factor(v, x)

    return Law(
        name=_named("m3", input),
        title="Alabdulmohsin 2022, M3: power law that saturates",
        citation=_CITATION,
        equation=f"L = E + beta (1/x + gamma)^c, x = {input}",
        latex=r"L(x) = E + \beta (x^{-1} + \gamma)^{c}",
        inputs=(input,),
        # With c leading the steps of the bend do not arrive beyond where the curve flattens.
        leading=frozenset(),
        parameters=(
            # The floor of a metric that can reach zero may be small.
            floor_share(loss, prior=Range(0.05, 0.9)),
            Parameter(
                "gamma",
                "inverse of the input at which the gain ends",
                f"1/{input}",
                "positive",
                # From an end inside the runs to one that they do not see.
                Range(0.001, 3.0),
                r"\gamma",
                centring=Centring(
                    symbol=f"gamma {input}0",
                    meaning=f"the runs' geometric-mean {input} over that at which the gain ends, a ratio",
                    to_natural=lambda ratio, values, reference: ratio / reference[input],
                    from_natural=lambda natural, values, reference: natural * reference[input],
                    unit="1",
                ),
            ),
            exponent("c", "c", input),
            above_floor("beta", f"nats/token x {input}^c", factor, latex=r"\beta", prior=Range(0.2, 8.0)),
        ),
        loss=loss,
        validity=_ONE_INPUT + "E and gamma trade off: both end the gain, and E + beta gamma^c is the limit.",
    )


def m4(input: str = "tokens") -> Law:
    """M4, from a plateau of chance E_0 to a floor E, in any positive column."""

    def loss(v: Values, x: Values) -> Any:
        span = v["E_0"] - v["E"]
        log_odds = jnp.log(v["beta"]) - v["c"] * jnp.log(x[input]) + (v["alpha"] - 1) * jnp.log(span)
        return v["E"] + span * solve_share(log_odds, v["alpha"])

    gap = plateau("E_0", loss)

    def amplitude(loss: Any, v: Values, x: Values) -> Any:
        # (L - E) / (E_0 - L)^alpha = beta x^-c, and the distance to the plateau is what is sampled of it.
        return (loss - v["E"]) * v[gap.symbol] ** -v["alpha"] * x[input] ** v["c"]

    return Law(
        name=_named("m4", input),
        title="Alabdulmohsin 2022, M4: from a plateau to a floor",
        citation=_CITATION,
        equation=f"(L - E) / (E_0 - L)^alpha = beta x^-c, x = {input}",
        latex=r"\frac{L - E}{(E_0 - L)^{\alpha}} = \beta x^{-c}",
        inputs=(input,),
        parameters=(
            # The floor of a metric that can reach zero may be small.
            floor_share(loss, prior=Range(0.05, 0.9)),
            Parameter(
                "E_0",
                "loss without training",
                "nats/token",
                "positive",
                # ln of the number of outcomes: 5.5 for bytes, 11 for a usual vocabulary, less a loss; half of it seen.
                Range(0.2, 11.0),
                "E_0",
                Range(0.05, 0.5),
                gap,
            ),
            Parameter(
                "alpha",
                "how the curve leaves the upper plateau",
                "1",
                "positive",
                # 0 is M2, 1 a logistic curve in ln x.
                Range(0.1, 5.0),
                r"\alpha",
            ),
            exponent("c", "c", input),
            reference_loss(
                "beta",
                "amplitude",
                f"nats^(1 - alpha) x {input}^c",
                loss,
                amplitude,
                r"\beta",
                Range(0.2, 8.0),
            ),
        ),
        loss=loss,
        # With alpha and c leading, and floor and plateau sampled apart, it was not done in five CPU-minutes.
        leading=frozenset(),
        validity=_ONE_INPUT + "Where the runs see no upper plateau, alpha and E_0 repeat their priors.",
    )


LAWS = (m1(), m2(), m3(), m4())
