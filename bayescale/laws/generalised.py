"""A joint law that contains Hoffmann's and Kaplan's: a power mean of what size and what data leave.

With E = 0 and p = b it is Kaplan's joint law, at p = 1 Hoffmann's. For large p it tends to the multiplicative law with
exponents rho a and (1 - rho) b, and for p near zero to the larger of the two terms.
"""

from __future__ import annotations

from typing import Any

from bayescale.laws.base import NOTHING, Centring, Law, Parameter, Published, Range, Values, logit_name
from bayescale.laws.chinchilla import LAW as CHINCHILLA
from bayescale.laws.terms import BETWEEN_LOSSES, BETWEEN_SIZES, exponent
from bayescale.lazy_jax import jax, jnp

PARAMS_UNIT, TOKENS_UNIT = 1e9, 2e10
"""Where K and rho are quoted, so that published values of different tables compare. They are sampled at the table's own
reference point. Where p is small and the table far from here, rho is one to a float: its logit is carried beside it."""

EDGE = 1e-16
"""Of a share given without its logit: nearer to one than this a float knows none."""

FARTHEST = 300.0
"""Most e-folds that an optimum lies from the units: an exponent of a thousandth asks for more than a float holds."""

LOGIT = logit_name("rho")


def _logit(share: Any) -> Any:
    share = jnp.clip(share, 1e-300, 1 - EDGE)
    return jnp.log(share) - jnp.log1p(-share)


def _logit_rho(values: Values) -> Any:
    """Return the logit of rho: as it is carried, or of rho itself."""
    return values[LOGIT] if LOGIT in values else _logit(values["rho"])


def _logs(values: Values, inputs: Values) -> tuple[Any, Any]:
    """Logs of the two terms of the bracket."""
    logit = _logit_rho(values)
    size = -jax.nn.softplus(-logit) - values["a"] / values["p"] * jnp.log(inputs["params"] / PARAMS_UNIT)
    data = -jax.nn.softplus(logit) - values["b"] / values["p"] * jnp.log(inputs["tokens"] / TOKENS_UNIT)
    return size, data


def _bracket(values: Values, inputs: Values) -> Any:
    return jnp.exp(values["p"] * jnp.logaddexp(*_logs(values, inputs)))


def loss(values: Values, inputs: Values) -> Any:
    """L = E + K (rho (N/10^9)^(-a/p) + (1 - rho) (D/2 10^10)^(-b/p))^p."""
    return values["E"] + values["K"] * _bracket(values, inputs)


def optimum(
    values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
) -> tuple[Any, Any]:
    """Compute-optimal params and tokens under C = k N D.

    The outer power is monotone, so this is Hoffmann's closed form for the bracket: at n = N/N1, d = D/D1,
    n^((a+b)/p) = (a rho / (b (1 - rho))) (C / (k N1 D1))^(b/p), worked out in logs.
    """
    a, b, p = (values[name] for name in ("a", "b", "p"))
    log_product = jnp.log(flops / (flops_per_param_token * PARAMS_UNIT * TOKENS_UNIT))
    log_size = (p * (jnp.log(a / b) + _logit_rho(values)) + b * log_product) / (a + b)
    log_size = jnp.clip(log_size, -FARTHEST, FARTHEST)
    return PARAMS_UNIT * jnp.exp(log_size), TOKENS_UNIT * jnp.exp(log_product - log_size)


def _shift(values: Values, reference: Values) -> Any:
    """What the logit of the size's share gains on the way from the reference point to the units."""
    size = values["a"] * jnp.log(reference["params"] / PARAMS_UNIT)
    data = values["b"] * jnp.log(reference["tokens"] / TOKENS_UNIT)
    return (size - data) / values["p"]


def from_chinchilla(values: Values) -> dict[str, float]:
    """The same surface as Hoffmann's law (``chinchilla``) with these values: p = 1."""
    size = values["A"] * PARAMS_UNIT ** -values["alpha"]
    data = values["B"] * TOKENS_UNIT ** -values["beta"]
    return {
        "E": values["E"],
        "K": size + data,
        "rho": size / (size + data),
        "a": values["alpha"],
        "b": values["beta"],
        "p": 1.0,
    }


LAW = Law(
    name="generalised",
    title="Generalised joint law: Hoffmann's at p = 1, Kaplan's at E = 0 and p = b",
    citation="This project; Kaplan et al. 2020 (arXiv:2001.08361, eq. 1.5) and Hoffmann et al. 2022 (arXiv:2203.15556, "
    "eq. 2) are cases of it, Droppo & Elibol 2021 (arXiv:2106.09488) and Videau et al. 2026 relatives",
    equation="L = E + K (rho (N/1e9)^(-a/p) + (1 - rho) (D/2e10)^(-b/p))^p",
    latex=r"L(N, D) = E + K \left(\rho \left(\frac{N}{10^9}\right)^{-a/p}"
    r" + (1 - \rho) \left(\frac{D}{2 \cdot 10^{10}}\right)^{-b/p}\right)^{p}",
    inputs=("params", "tokens"),
    parameters=(
        Parameter(
            "E",
            "loss that no scale removes",
            "nats/token",
            "unit",
            # Hoffmann's floor is 0.63 and Besiroglu's 0.71 of the loss at their runs, Kaplan's none. A floor and the
            # loss above it add up to what the runs measure best of all, so the share is sampled and not the floor.
            Range(0.15, 0.85),
            "E",
            BETWEEN_SIZES,
            Centring(
                symbol="E / L0",
                meaning="the floor's share of the loss at the reference point, between 0 and 1",
                to_natural=lambda share, v, reference: share * v["L0"],
                from_natural=lambda natural, v, reference: (
                    natural / (natural + v["K"] * _bracket(v, reference))
                ),
                unit="1",
            ),
        ),
        Parameter(
            "p",
            "how size and data combine: 1 adds them, small lets the larger count alone, large multiplies",
            "1",
            "positive",
            # Kaplan's joint law has 0.095, Hoffmann's 1; beyond 3 the surface hardly changes any more.
            Range(0.1, 4.0),
            "p",
            Range(0.03, 0.5),
        ),
        # 0.076 and 0.103 in Kaplan's joint law, without a floor.
        exponent("a", "a", "size where size is the bottleneck", along="params"),
        exponent("b", "b", "data where data is the bottleneck", along="tokens"),
        Parameter(
            "rho",
            "the size's share of the bracket at 10^9 params and 2 10^10 tokens",
            "1",
            "unit",
            # Runs are chosen so that both matter; the published fits have 0.4 to 0.6 at their own runs.
            Range(0.1, 0.9),
            r"\rho",
            BETWEEN_SIZES,
            Centring(
                symbol="rho0",
                meaning="the size's share of the bracket at the reference point, between 0 and 1",
                to_natural=lambda share, v, reference: jax.nn.sigmoid(_logit(share) + _shift(v, reference)),
                from_natural=lambda share, v, reference: jax.nn.sigmoid(_logit_rho(v) - _shift(v, reference)),
                unit="1",
                to_logit=lambda share, v, reference: _logit(share) + _shift(v, reference),
            ),
        ),
        Parameter(
            "K",
            "reducible loss at 10^9 params and 2 10^10 tokens",
            "nats/token",
            "positive",
            # Of text, code and small models alike; an untrained model of a thousand tokens has 7 nats.
            Range(0.8, 8.0),
            "K",
            BETWEEN_LOSSES,
            Centring(
                symbol="L0",
                meaning="loss at the reference point",
                to_natural=lambda loss, v, reference: (loss - v["E"]) / _bracket(v, reference),
                from_natural=lambda natural, v, reference: v["E"] + natural * _bracket(v, reference),
            ),
        ),
    ),
    loss=loss,
    published=tuple(
        Published(
            source.label, from_chinchilla(source.values), source.citation, note="Hoffmann's law, at p = 1."
        )
        for source in CHINCHILLA.published
    ),
    validity="No repeated data, schedules decayed to their horizon. p is known only where size and data vary "
    "apart from each other.",
    optimum=optimum,
    leading=frozenset({"E", "p", "rho"}),
)
