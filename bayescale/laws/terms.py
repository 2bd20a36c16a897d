"""Parameters and centrings that many laws share, with the reasons for their default priors.

A default prior is weak: wide enough that every published fit lies well inside (`tests/laws/test_priors.py` checks it,
and the figures quoted here), and narrow enough that its losses are losses. Two tables say how far parameters are from
one domain to the next, `henighan.TABLE` (14 domains) and `mixed_modal.MODALITIES` (six, Aghajanyan 2023); what corpora
of one language make of it, `deepseek.SIZE_EXPONENTS`. A law that needs another prior gives it, and says why.

Ranges are 90 % of the prior unless they say otherwise, of what is sampled: of an amplitude or a scale, the size of its
term at the runs' geometric means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bayescale.laws.base import Centring, Parameter, Range, Values, amplitude
from bayescale.lazy_jax import jnp

FLOOR, EXPONENT, SIZE = Range(0.2, 4.0), Range(0.06, 1.0), Range(0.05, 3.0)
"""Default priors of laws with a floor; their reasons are in `floor`, `exponent` and `term`."""
WHOLE_LOSS, SLOPE = Range(0.5, 10.0), Range(0.02, 0.4)
"""Default priors of laws without one; their reasons are in `scaled` and `exponent`."""
FLOOR_SHARE, LOSS = Range(0.15, 0.85), Range(0.8, 8.0)
"""Of the floor's share of the loss at the reference point, and of that loss: text, code and small models alike."""
ONE_MODEL = Range(0.3, 6.0)
"""Of the loss of one model, varied in something else than scale: code at the frontier to a tiny model of text."""
BETWEEN_FLOORS, BETWEEN_EXPONENTS, BETWEEN_SIZES = Range(0.05, 1.0), Range(0.02, 0.4), Range(0.05, 0.8)
BETWEEN_LOSSES = Range(0.03, 0.8)
"""Default priors of the standard deviation between groups, of the logs of floors, exponents, terms and whole losses."""


REFERENCE_LOSS = "L(x0)"
"""How the loss at the reference point is written where it is sampled."""

Factor = Callable[[Values, Values], Any]
"""``(values, inputs) -> quantity``: a loss, or a term over its amplitude."""


def floor(
    name: str = "E",
    latex: str = "E",
    prior: Range = FLOOR,
    meaning: str = "loss that no scale removes",
    spread: Range = BETWEEN_FLOORS,
) -> Parameter:
    """The loss that nothing removes.

    Published floors of loss per token run from 0.14 (mathematics, Henighan) and 0.16 (code, Aghajanyan) to 4.1 (image
    tokens, Henighan); those of text that are not tied to zero, from 0.47 (Krajewski 2024) to 2.4 (Aghajanyan).
    Between Aghajanyan's six modalities the standard deviation of log E is 1.1, without code 0.1.
    """
    return Parameter(name, meaning, "nats/token", "positive", prior, latex, spread)


def exponent(
    name: str,
    latex: str,
    of: str,
    prior: Range = EXPONENT,
    spread: Range = BETWEEN_EXPONENTS,
    along: str = "",
) -> Parameter:
    """How fast a term falls with an input.

    With a floor: 0.11 (image and text) to 0.37 (code) over Aghajanyan's modalities, whose log alpha and log beta
    have standard deviations of 0.52 and 0.42; 0.115 for Krajewski's mixtures of experts; 0.34 to 0.37 on Hoffmann's
    runs, and up to 0.61 by the crudest estimator; 0.13 to 0.24 in size over Henighan's domains with a floor. The
    default has a median of 0.24 and a standard deviation of the log of 0.86.
    Without a floor (`SLOPE`): 0.037 (text given an image, Henighan) to 0.103 (Kaplan 2020), and steeper for small
    models, whose floor is far: 0.2 and more between 1e4 and 1e6 parameters.
    Between corpora of one language: DeepSeek's three have optimal sizes that grow with exponents of 0.450, 0.524 and
    0.578, which is a standard deviation of log(alpha/beta) of 0.26, so of about 0.18 for each; between modalities, 0.5.
    """
    return Parameter(name, f"exponent of {of}", "1", "positive", prior, latex, spread, along=along)


def term(name: str, input: str, exponent: str, latex: str | None = None, prior: Range = SIZE) -> Parameter:
    """The amplitude A in A x^-alpha, sampled as the term's size at the reference point.

    The terms of published laws, at the geometric mean of runs like theirs, are 0.25 to 2.2 nats (Hoffmann's and
    Besiroglu's 0.25 to 0.37, Muennighoff's 0.44 and 0.59, Krajewski's 1.1 and 2.2).
    """
    return Parameter(
        name,
        f"amplitude of the {input} term",
        f"nats/token x {input}^{exponent}",
        "positive",
        prior,
        latex or name,
        BETWEEN_SIZES,
        amplitude(name, input, exponent),
    )


def scaled(
    name: str,
    input: str,
    exponent: str,
    letter: str = "",
    latex: str | None = None,
    prior: Range = WHOLE_LOSS,
    meaning: str = "",
    unit: str = "",
    spread: Range = BETWEEN_LOSSES,
) -> Parameter:
    """The scale x_c in (x_c/x)^a, sampled as the term's size at the reference point.

    By default the term is all there is (`WHOLE_LOSS`): next-token losses run from about 0.5 (code) to 10 nats
    (untrained). Beside a floor or another term it is a part of the loss, and the law gives its prior.

    Parameters
    ----------
    letter : str
        How the input is written in the equation; `input` itself where absent.
    """
    return Parameter(
        name,
        meaning or f"scale of {input}",
        unit or input,
        "positive",
        prior,
        latex or name,
        spread,
        scale(name, input, exponent, letter),
    )


def sized(
    name: str,
    meaning: str,
    unit: str,
    symbol: str,
    size: str,
    factor: Factor,
    latex: str | None = None,
    prior: Range = SIZE,
    size_unit: str = "nats/token",
) -> Parameter:
    """An amplitude of any term that is proportional to it, sampled as the term's size at the reference point.

    Parameters
    ----------
    factor : callable
        ``(values, inputs) -> term / amplitude``.
    size : str
        What the sampled quantity is, in words.
    size_unit : str
        Its unit.
    """
    return Parameter(
        name,
        meaning,
        unit,
        "positive",
        prior,
        latex or name,
        BETWEEN_SIZES,
        Centring(
            symbol,
            size,
            to_natural=lambda x, values, reference: x / factor(values, reference),
            from_natural=lambda x, values, reference: x * factor(values, reference),
            unit=size_unit,
        ),
    )


FARTHEST = 650.0
"""Most e-folds between a scale and the runs: an exponent of a hundredth and less would ask for more than a float holds,
and no run tells the one from the other."""


def scale(symbol: str, input: str, exponent: str, sampled: str = "") -> Centring:
    """Centring of x_c in (x_c/x)^a: sampled as the term at the reference point, (x_c/x0)^a.

    A scale such as Kaplan's N_c = 8.8e13 lies decades away from any run and is known only through its exponent.
    The size of the term at the runs is measured.

    Parameters
    ----------
    symbol : str
        How the scale is written, such as ``N_c``.
    input : str
        Column of the runs table.
    exponent : str
        Name of the law's parameter a.
    sampled : str
        How the input is written in the equation; `input` itself where absent.

    Returns
    -------
    Centring
    """

    def to_natural(size: Any, values: Values, reference: Values) -> Any:
        e_folds = jnp.clip(jnp.log(size) / values[exponent], -FARTHEST, FARTHEST)
        return reference[input] * jnp.exp(e_folds)

    def from_natural(natural: Any, values: Values, reference: Values) -> Any:
        return jnp.exp(values[exponent] * (jnp.log(natural) - jnp.log(reference[input])))

    return Centring(
        symbol=f"({symbol}/{sampled or input}0)^{exponent}",
        meaning=f"size of the {input} term at the runs' geometric-mean {input}",
        to_natural=to_natural,
        from_natural=from_natural,
    )


def floor_share(
    loss: Factor,
    name: str = "E",
    latex: str = "E",
    prior: Range = FLOOR_SHARE,
    meaning: str = "loss that no scale removes",
) -> Parameter:
    """The floor, sampled as its share of the loss at the reference point, which another parameter is sampled as.

    Floor and reducible loss add up to what runs measure best of all. Sampled as the two, they have to follow a shell as
    thin as the noise, which bends; sampled as their sum and the floor's share of it, one is known and the other free.
    Hoffmann's floor is 0.63 and Besiroglu's 0.71 of the loss at their runs, Kaplan's none.

    Parameters
    ----------
    loss : callable
        ``(values, inputs) -> expected loss``, the law's.
    """
    return Parameter(
        name,
        meaning,
        "nats/token",
        "unit",
        prior,
        latex,
        BETWEEN_SIZES,
        Centring(
            symbol=f"{name} / {REFERENCE_LOSS}",
            meaning="the floor's share of the loss at the reference point, between 0 and 1",
            to_natural=lambda share, values, reference: share * values[REFERENCE_LOSS],
            from_natural=lambda natural, values, reference: natural / loss(values, reference),
            unit="1",
        ),
    )


def reference_loss(
    name: str,
    meaning: str,
    unit: str,
    loss: Factor,
    amplitude: Callable[[Any, Values, Values], Any],
    latex: str | None = None,
    prior: Range = LOSS,
    sampled: str = "loss at the reference point",
) -> Parameter:
    """An amplitude, sampled as the loss at the reference point; goes with `floor_share`.

    Parameters
    ----------
    loss : callable
        ``(values, inputs) -> expected loss``, the law's.
    amplitude : callable
        ``(loss, values, reference) -> amplitude`` that makes it so, by the other parameters.
    sampled : str
        Which loss it is, in words.
    """
    return Parameter(
        name,
        meaning,
        unit,
        "positive",
        prior,
        latex or name,
        BETWEEN_LOSSES,
        Centring(
            symbol=REFERENCE_LOSS,
            meaning=sampled,
            to_natural=amplitude,
            from_natural=lambda natural, values, reference: loss(values, reference),
        ),
    )


def above_floor(
    name: str, unit: str, factor: Factor, floor: str = "E", latex: str | None = None, prior: Range = LOSS
) -> Parameter:
    """The amplitude of all that is above a floor, sampled as the loss at the reference point.

    Parameters
    ----------
    factor : callable
        ``(values, inputs) -> reducible loss / amplitude``.
    """
    return reference_loss(
        name,
        "amplitude of the reducible loss",
        unit,
        lambda v, x: v[floor] + v[name] * factor(v, x),
        lambda loss, v, x: (loss - v[floor]) / factor(v, x),
        latex,
        prior,
    )


def relative(name: str, input: str) -> Centring:
    """Centring of a scale in units of an input: sampled as a multiple of the runs' geometric mean, s / x0."""
    return Centring(
        symbol=f"{name} / {input}0",
        meaning=f"{name} over the runs' geometric-mean {input}, a ratio",
        to_natural=lambda ratio, values, reference: ratio * reference[input],
        from_natural=lambda natural, values, reference: natural / reference[input],
        unit="1",
    )


def plateau(name: str, loss: Factor) -> Centring:
    """Centring of the loss without training: sampled as its distance above the loss at the reference point.

    Goes with `reference_loss`, which it needs by name.

    Parameters
    ----------
    loss : callable
        ``(values, inputs) -> expected loss``, the law's.
    """
    return Centring(
        symbol=f"{name} - {REFERENCE_LOSS}",
        meaning="distance of the plateau above the loss at the reference point",
        to_natural=lambda gap, values, reference: values[REFERENCE_LOSS] + gap,
        from_natural=lambda natural, values, reference: natural - loss(values, reference),
    )


def shifted(name: str, symbol: str, meaning: str, shift: Callable[[Values, Values], Any]) -> Centring:
    """Centring of a slope that depends on other inputs: sampled as what it is at the reference point."""
    return Centring(
        symbol=symbol,
        meaning=f"{meaning} at the reference point",
        to_natural=lambda slope, values, reference: slope - shift(values, reference),
        from_natural=lambda natural, values, reference: natural + shift(values, reference),
        unit="1",
    )
