"""Shukor et al. 2025: size, data and the shares of a mixture of domains; a law is made for your domains.

``bs.register(mixture_law(["web", "code", "math"]))`` makes the law ``mixture-web-code-math`` over params, tokens and
the columns share_web, share_code and share_math.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayescale.laws.base import Centring, Law, Parameter, Range, Values
from bayescale.laws.chinchilla import optimum_at
from bayescale.laws.terms import exponent, floor, term


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
        mixed = sum(
            v[f"C_{d}"] * x[share] ** v[f"gamma_{d}"] for d, share in zip(domains, shares, strict=True)
        )
        a = _combined(v, x, "A") if joint else v["A"]
        b = _combined(v, x, "B") if joint else v["B"]
        return v["E"] + 1 / mixed + a * x["params"] ** -v["alpha"] + b * x["tokens"] ** -v["beta"]

    def _combined(v: Values, x: Values, which: str) -> Any:
        total = sum(v[f"C{which}_{d}"] * x[share] for d, share in zip(domains, shares, strict=True))
        return total ** v[f"gamma{which}"]

    def at_mixture(v: Values, fixed: Values) -> Values:
        return {**v, "A": _combined(v, fixed, "A"), "B": _combined(v, fixed, "B")} if joint else v

    parameters = [floor()]
    for domain, share in zip(domains, shares, strict=True):
        parameters += [
            Parameter(
                f"gamma_{domain}",
                f"how fast more of {domain} helps",
                "1",
                "positive",
                # Diminishing returns: below one. No published table.
                Range(0.05, 1.5),
                rf"\gamma_{{{domain}}}",
            ),
            Parameter(
                f"C_{domain}",
                f"value of {domain}",
                "token/nats",
                "positive",
                # What is left to a good mixture: tenths of a nat; a domain alone may cost several.
                Range(0.03, 5.0),
                f"C_{{{domain}}}",
                Range(0.05, 0.8),
                _alone(domain, share),
            ),
        ]
    for which, input, slope in (("A", "params", "alpha"), ("B", "tokens", "beta")):
        parameters.append(exponent(slope, rf"\{slope}", input))
        if joint:
            parameters.append(
                Parameter(
                    f"gamma{which}",
                    f"curvature of the {input} term's amplitude in the mixture",
                    "1",
                    "positive",
                    # 1 makes the amplitude the mean of the domains' own. No published table.
                    Range(0.2, 3.0),
                    rf"\gamma^{{{which}}}",
                )
            )
            parameters += [_domain_amplitude(which, domain, input, slope) for domain in domains]
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
        validity="The loss on one fixed evaluation set. Shares sum to one in every run and vary between runs, or the "
        "mixture's term repeats its prior."
        + (" The joint amplitudes' form is not confirmed against the paper." if joint else ""),
    )


def _alone(domain: str, share: str) -> Centring:
    return Centring(
        symbol=f"1 / (C_{domain} {share}0^gamma_{domain})",
        meaning=f"mixture term if {domain} were alone in it, at its usual share",
        to_natural=lambda size, v, reference: 1 / (size * reference[share] ** v[f"gamma_{domain}"]),
        from_natural=lambda c, v, reference: 1 / (c * reference[share] ** v[f"gamma_{domain}"]),
    )


def _domain_amplitude(which: str, domain: str, input: str, slope: str) -> Parameter:
    outer = f"gamma{which}"
    return Parameter(
        f"C{which}_{domain}",
        f"amplitude of the {input} term of {domain} alone, to the power 1/{outer}",
        f"(nats/token x {input}^{slope})^(1/{outer})",
        "positive",
        # As a term of any joint law: see `terms.term`.
        Range(0.05, 3.0),
        rf"C^{{{which}}}_{{{domain}}}",
        Range(0.05, 0.8),
        Centring(
            symbol=f"C{which}_{domain}^{outer} {input}0^-{slope}",
            meaning=f"size of the {input} term at the reference point, trained on {domain} alone",
            to_natural=lambda size, v, reference: (size * reference[input] ** v[slope]) ** (1 / v[outer]),
            from_natural=lambda c, v, reference: c ** v[outer] * reference[input] ** -v[slope],
        ),
    )


#: Two unnamed domains, with the columns share_1 and share_2; for yours see `mixture_law`.
LAWS = (mixture_law(("1", "2")), mixture_law(("1", "2"), joint=True))
