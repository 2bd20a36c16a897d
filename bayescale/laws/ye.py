"""Ye et al. 2024: the loss on one domain as a function of the training mixture alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.mixtures import share_columns
from bayescale.laws.terms import above_floor, floor_share
from bayescale.lazy_jax import jnp


def mixing_loss(c: Any, k: Any, t: Any, shares: Any) -> Any:
    """L_i = c_i + k_i exp(sum_j t_ij r_j) for every validation domain i (Ye et al. 2024).

    Parameters
    ----------
    c, k : array_like, shape (validation domains,)
    t : array_like, shape (validation domains, training domains)
    shares : array_like, shape (..., training domains)
        r, summing to one.

    Returns
    -------
    array, shape (..., validation domains)
    """
    return jnp.asarray(c) + jnp.asarray(k) * jnp.exp(jnp.asarray(shares) @ jnp.asarray(t).T)


def mixing_law(domains: Sequence[str]) -> Law:
    """The same for one validation domain, as a law over the columns share_<domain>.

    Shares sum to one, so that only differences between the t_j are known from runs; a common shift of them is k's,
    for which the loss at the reference mixture is sampled: that takes no part in it.

    Raises
    ------
    ValueError
        Fewer than two domains, or one twice.
    """
    if len(domains) < 2 or len(set(domains)) < len(domains):
        raise ValueError(f"a mixture has at least two domains, each named once: got {list(domains)}")
    shares = share_columns(domains)

    def factor(v: Values, x: Values) -> Any:
        return jnp.exp(sum(v[f"t_{d}"] * x[share] for d, share in zip(domains, shares, strict=True)))

    def at_mixture(v: Values, x: Values) -> Any:
        # Means of shares do not sum to one, and a common shift of the t_j would count by as much as they miss it by.
        return factor(v, {**x, **{share: x[share] / sum(x[s] for s in shares) for share in shares}})

    return Law(
        name="-".join(("mixing", *domains)),
        title=f"Ye 2024: data mixing law of {', '.join(domains)}",
        citation="Ye et al. 2024, Data Mixing Laws, arXiv:2403.16952",
        equation=f"L = c + k exp(sum_j t_j r_j); r_j = {', '.join(shares)}",
        latex=r"L(r) = c + k \exp\left(\sum_j t_j r_j\right)",
        inputs=shares,
        parameters=(
            floor_share(lambda v, x: v["c"] + v["k"] * at_mixture(v, x), "c", "c"),
            *(
                Parameter(
                    f"t_{domain}",
                    f"effect of the share of {domain} on the log of the reducible loss",
                    "1",
                    "real",
                    # A domain may halve the reducible loss or, unrelated to what is evaluated, double it. No table.
                    Range(-2.0, 2.0),
                    f"t_{{{domain}}}",
                    Range(0.05, 1.0),
                )
                for domain in domains
            ),
            above_floor("k", "nats/token", at_mixture, "c"),
        ),
        loss=lambda v, x: v["c"] + v["k"] * factor(v, x),
        may_be_zero=frozenset(shares),
        leading=frozenset({"c"}),
        validity="One size and one number of tokens; the loss on one validation domain. A common shift of all "
        "t_j is k's, so only their differences are known.",
    )


#: Two unnamed domains, with the columns share_1 and share_2; for yours see `mixing_law`.
LAW = mixing_law(("1", "2"))
