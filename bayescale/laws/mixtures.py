"""Shukor et al. 2025: size, data and the shares of a mixture of domains; a law is made for your domains.

``bs.register(mixture_law(["web", "code", "math"]))`` makes the law ``mixture-web-code-math`` over params, tokens and
the columns share_web, share_code and share_math.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Range, Values, without
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import BETWEEN_SIZES, SIZE, exponent, floor, term
from bayescale.lazy_jax import jnp


def share_columns(domains: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold the domains' shares of the training tokens; they sum to one in every run."""
    return tuple(f"share_{domain}" for domain in domains)


def mixture_law(domains: Sequence[str], *, joint: bool = False) -> Law:
    """The additive law of mixtures over named domains, or the joint one.

    Additive: L = E + 1 / sum_i C_i h_i^gamma_i + A N^-alpha + B D^-beta (Shukor et al. 2025). Joint: A and B depend on
    the mixture too, A_h = (sum_i CA_i h_i)^gammaA and B_h likewise, so that the best mixture changes with scale.

    Raises
    ------
    ValueError
        Fewer than two domains, or one twice.
    """
    if len(domains) < 2 or len(set(domains)) < len(domains):
        raise ValueError(f"a mixture has at least two domains, each named once: got {list(domains)}")
    shares = share_columns(domains)

    def loss(v: Values, x: Values) -> Any:
        a = _combined(v, x, "A") if joint else v["A"]
        b = _combined(v, x, "B") if joint else v["B"]
        return v["E"] + _mixed(v, x, domains) + a * x["params"] ** -v["alpha"] + b * x["tokens"] ** -v["beta"]

    def _combined(v: Values, x: Values, which: str) -> Any:
        total = sum(v[f"C{which}_{d}"] * x[share] for d, share in zip(domains, shares, strict=True))
        return total ** v[f"gamma{which}"]

    def at_mixture(v: Values, fixed: Values) -> Values:
        return {**v, "A": _combined(v, fixed, "A"), "B": _combined(v, fixed, "B")} if joint else v

    parameters = _limit(domains)
    for which, input, slope in (("A", "params", "alpha"), ("B", "tokens", "beta")):
        parameters.append(exponent(slope, rf"\{slope}", input))
        if joint:
            parameters.append(
                Parameter(
                    f"gamma{which}",
                    f"curvature of the {input} term's amplitude in the mixture",
                    "1",
                    "positive",
                    # 1 makes the amplitude the mean of the domains' own; far from it one domain decides it. No
                    # published table.
                    Range(0.5, 2.0),
                    rf"\gamma^{{{which}}}",
                )
            )
            parameters += _amplitudes(which, domains, input, slope)
        else:
            parameters.append(term(which, input, slope))
    amplitudes = (
        "A_h N^-alpha + B_h D^-beta, A_h = (sum_i CA_i h_i)^gammaA, B_h = (sum_i CB_i h_i)^gammaB"
        if joint
        else "A N^-alpha + B D^-beta"
    )
    return Law(
        name="-".join(("mixture-joint" if joint else "mixture", *domains)),
        title=f"Shukor 2025: {'joint' if joint else 'additive'} law of a mixture of {', '.join(domains)}",
        citation="Shukor et al. 2025, Scaling Laws for Optimal Data Mixtures, arXiv:2507.09404",
        equation=f"L = E + 1 / sum_i C_i h_i^gamma_i + {amplitudes}; h_i = {', '.join(shares)}",
        latex=r"L = E + \frac{1}{\sum_i C_i h_i^{\gamma_i}} + "
        + (
            r"\frac{A_h}{N^{\alpha}} + \frac{B_h}{D^{\beta}}"
            if joint
            else r"\frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}"
        ),
        inputs=("params", "tokens", *shares),
        parameters=tuple(parameters),
        loss=loss,
        optimum=optimum_at(at_mixture),
        may_be_zero=frozenset(shares),
        # Led by the mixture's part and the ratios, the rest bends too much for the bend's steps: ten times as many.
        leading=frozenset(),
        validity="The loss on one fixed evaluation set. Shares sum to one in every run and vary between runs, or the "
        "mixture's term repeats its prior."
        + (" The joint amplitudes' form is not confirmed against the paper." if joint else ""),
    )


_LIMIT, _PART = "E + M(h0)", "M(h0) / (E + M(h0))"
"""How the loss of ample size and data is written where it is sampled, and the mixture's part of it."""


STEEPEST = 50.0
"""Of exponents of shares: a domain of little worth may ask for more, which no float holds and no run tells from it."""


def _worth(v: Values, x: Values, domain: str) -> Any:
    return v[f"C_{domain}"] * x[f"share_{domain}"] ** v[f"gamma_{domain}"]


def _mixed(v: Values, x: Values, domains: Sequence[str]) -> Any:
    return 1 / sum(_worth(v, x, d) for d in domains)


def _limit(domains: Sequence[str]) -> list[Parameter]:
    """The parameters of what no scale removes.

    Measured are the whole of it at the usual mixture, and what more of a domain takes off it. How much of it is the
    mixture's, and what the domains are worth against each other, only the curvature between mixtures tells. So that is
    what is sampled, and no exponent has to follow a part that is nearly free.
    """
    first = domains[0]
    ratios = {
        d: f"C_{d} share_{d}0^gamma_{d} / (C_{first} share_{first}0^gamma_{first})" for d in domains[1:]
    }

    def of_first(part: Any, v: Values, x: Values) -> Any:
        worth = 1 / (part * v[_LIMIT]) / (1 + sum(v[ratio] for ratio in ratios.values()))
        return worth / _worth(without(v, f"C_{first}", 1.0), x, first)

    def gain(d: str) -> Centring:
        def to_natural(gain: Any, v: Values, x: Values) -> Any:
            mine = v[ratios[d]] if d in ratios else 1.0
            gamma = gain / (v[_PART] * v[_LIMIT] * mine) * (1 + sum(v[ratio] for ratio in ratios.values()))
            return jnp.minimum(gamma, STEEPEST)

        return Centring(
            symbol=f"gamma_{d} C_{d} share_{d}0^gamma_{d} M(h0)^2",
            meaning=f"loss that an e-fold more of {d} removes at the reference mixture",
            to_natural=to_natural,
            from_natural=lambda gamma, v, x: gamma * _worth(v, x, d) * _mixed(v, x, domains) ** 2,
        )

    def over_first(d: str) -> Centring:
        return Centring(
            symbol=ratios[d],
            meaning=f"worth of {d} over that of {first} at the usual shares, a ratio",
            to_natural=lambda ratio, v, x: (
                ratio * _worth(v, x, first) / _worth(without(v, f"C_{d}", 1.0), x, d)
            ),
            from_natural=lambda c, v, x: _worth(v, x, d) / _worth(v, x, first),
            unit="1",
        )

    part = Centring(
        symbol=_PART,
        meaning="the mixture's part of the loss that no scale removes, between 0 and 1",
        to_natural=of_first,
        from_natural=lambda c, v, x: _mixed(v, x, domains) / (v["E"] + _mixed(v, x, domains)),
        unit="1",
    )
    whole = Centring(
        symbol=_LIMIT,
        meaning="loss that no scale removes at the reference mixture",
        to_natural=lambda limit, v, x: limit * (1 - v[_PART]),
        from_natural=lambda floor, v, x: floor + _mixed(v, x, domains),
    )
    found = [replace(floor(meaning="loss that neither scale nor the mixture removes"), centring=whole)]
    for d in domains:
        # A domain may be worth ten times another; what is left to a good mixture is tenths of a nat of two.
        size = Range(0.02, 0.6) if d == first else Range(0.1, 10.0)
        found += [
            Parameter(
                f"gamma_{d}",
                f"how fast more of {d} helps",
                "1",
                "positive",
                # Twice as much of it: from what no run shows to tenths of a nat. No published table.
                Range(0.003, 0.4),
                rf"\gamma_{{{d}}}",
                BETWEEN_SIZES,
                gain(d),
            ),
            Parameter(
                f"C_{d}",
                f"value of {d}",
                "token/nats",
                "unit" if d == first else "positive",
                size,
                f"C_{{{d}}}",
                Range(0.05, 0.8),
                part if d == first else over_first(d),
            ),
        ]
    return found


def _amplitudes(which: str, domains: Sequence[str], input: str, slope: str) -> list[Parameter]:
    """The amplitudes of a term that depends on the mixture.

    Measured is the term at the usual mixture. What it would be with one domain alone no run has shown: how domains
    compare is sampled as a ratio, and the first domain's amplitude follows from the two.
    """
    first, outer = domains[0], f"gamma{which}"
    ratios = {d: f"(C{which}_{d} / C{which}_{first})^{outer}" for d in domains[1:]}

    def total(v: Values, x: Values) -> Any:
        """sum_i h_i C_i / C_first at the usual mixture."""
        others = sum(x[f"share_{d}"] * v[ratio] ** (1 / v[outer]) for d, ratio in ratios.items())
        return x[f"share_{first}"] + others

    def whole(c: Any, v: Values, x: Values) -> Any:
        inner = c * x[f"share_{first}"] + sum(v[f"C{which}_{d}"] * x[f"share_{d}"] for d in domains[1:])
        return inner ** v[outer] * x[input] ** -v[slope]

    def over_first(ratio: str) -> Centring:
        return Centring(
            symbol=ratio,
            meaning=f"the {input} term of that domain alone over that of {first} alone, a ratio",
            to_natural=lambda sampled, v, x: v[f"C{which}_{first}"] * sampled ** (1 / v[outer]),
            from_natural=lambda c, v, x: (c / v[f"C{which}_{first}"]) ** v[outer],
            unit="1",
        )

    at_mixture = Centring(
        symbol=f"{which}(h0) {input}0^-{slope}",
        meaning=f"size of the {input} term at the reference point and mixture",
        to_natural=lambda size, v, x: (size * x[input] ** v[slope]) ** (1 / v[outer]) / total(v, x),
        from_natural=whole,
    )
    return [
        Parameter(
            f"C{which}_{d}",
            f"amplitude of the {input} term of {d} alone, to the power 1/{outer}",
            f"(nats/token x {input}^{slope})^(1/{outer})",
            "positive",
            # The term as that of any joint law: see `terms.term`. Alone, one domain may cost five times another.
            SIZE if d == first else Range(0.2, 5.0),
            rf"C^{{{which}}}_{{{d}}}",
            Range(0.05, 0.8),
            at_mixture if d == first else over_first(ratios[d]),
        )
        for d in domains
    ]


#: Two unnamed domains, with the columns share_1 and share_2; for yours see `mixture_law`.
LAWS = (mixture_law(("1", "2")), mixture_law(("1", "2"), joint=True))
