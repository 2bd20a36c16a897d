"""The report's figures, each drawn twice: for a page, and for a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from bayescale.report import sentences
from bayescale.report.figures import (
    diagnostics,
    gaps,
    held_out,
    loss_compute,
    optimum,
    parameters,
    priors,
    residuals,
    style,
)
from bayescale.report.subject import Subject


@dataclass(frozen=True, eq=False)
class Plate:
    """A finished figure.

    Attributes
    ----------
    name : str
        Of its file.
    alt, caption : str
    wide, narrow : bytes
        SVG.
    png : bytes
        Of the wide one; empty unless asked for.
    """

    name: str
    alt: str
    caption: str
    wide: bytes
    narrow: bytes
    png: bytes = b""


@dataclass(frozen=True)
class _Kind:
    name: str
    draw: Callable[[Subject, float], Figure]
    alt: Callable[[Subject], str]
    caption: Callable[[Subject], str]
    applies: Callable[[Subject], bool] = lambda subject: True


KINDS = (
    _Kind("loss-compute", loss_compute.draw, sentences.loss_compute_alt, sentences.loss_compute_caption),
    _Kind(
        "held-out",
        held_out.draw,
        sentences.held_out_alt,
        sentences.held_out_caption,
        lambda subject: subject.checked is not None,
    ),
    _Kind(
        "gaps",
        gaps.draw,
        sentences.gaps_alt,
        sentences.gaps_caption,
        lambda subject: subject.gaps is not None,
    ),
    _Kind("parameters", parameters.draw, sentences.parameters_alt, sentences.parameters_caption),
    _Kind(
        "optimum",
        optimum.draw,
        sentences.optimum_alt,
        sentences.optimum_caption,
        lambda subject: any(f.params is not None for f in subject.frontiers.values()),
    ),
    _Kind("residuals", residuals.draw, sentences.residuals_alt, sentences.residuals_caption),
    _Kind("priors", priors.draw, sentences.priors_alt, sentences.priors_caption),
    _Kind("replicated", diagnostics.replicated, sentences.replicated_alt, sentences.replicated_caption),
    _Kind("pareto-k", diagnostics.pareto_k, sentences.pareto_k_alt, sentences.pareto_k_caption),
    _Kind("ranks", diagnostics.ranks, sentences.ranks_alt, sentences.ranks_caption),
    _Kind("energy", diagnostics.energy, sentences.energy_alt, sentences.energy_caption),
)


def plates(subject: Subject, png: bool = False) -> dict[str, Plate]:
    """Draw every figure that applies, by name."""
    found = {}
    with style.styled():
        for kind in KINDS:
            if kind.applies(subject):
                wide = kind.draw(subject, style.WIDE)
                found[kind.name] = Plate(
                    kind.name,
                    kind.alt(subject),
                    kind.caption(subject),
                    style.save(wide, "svg"),
                    style.save(kind.draw(subject, style.NARROW), "svg"),
                    style.save(wide, "png") if png else b"",
                )
    return found
