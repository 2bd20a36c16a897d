"""One line of the table: a published figure, ours, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A comparison.

    Attributes
    ----------
    quantity, published, ours, agreement : str
        As they are printed; `published` carries its standard deviation and source, `ours` its own.
    agrees : bool or None
        None where the row shows something and claims nothing.
    health : str
        Verdict of the gate on the fit; ``-`` where nothing was sampled.
    """

    quantity: str
    published: str
    ours: str
    agreement: str
    agrees: bool | None
    health: str = "-"

    @classmethod
    def failed(cls, quantity: str, published: str, reason: str, claims: bool = True) -> Row:
        """Of a fit that the gate did not pass: no figure."""
        agreement = f"the fit did not pass: {reason}"
        return cls(quantity, published, "no figure", agreement, False if claims else None, "not PASS")


@dataclass(frozen=True)
class Section:
    """The rows of one source, and what there is to say about them."""

    title: str
    intro: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def row(self, quantity: str) -> Row:
        return next(r for r in self.rows if r.quantity == quantity)


def ratio_row(quantity: str, published: float, ours: float, within: float, source: str, health: str) -> Row:
    """Two standard deviations, and whether ours is within a share of the published one."""
    agrees = abs(ours / published - 1) <= within
    return Row(
        quantity,
        f"{published:.4g} ({source})",
        f"{ours:.4g}",
        f"{ours / published - 1:+.0%}" + ("" if agrees else f", not within {within:.0%}"),
        agrees,
        health,
    )


def number_row(quantity: str, published: float, ours: float, tolerance: float, source: str) -> Row:
    """A figure that follows from equations alone."""
    off = abs(ours - published)
    figure = ".17g" if tolerance < 1e-6 else ".4g"
    return Row(
        quantity,
        f"{published:{figure}} ({source})",
        f"{ours:{figure}}",
        f"off by {off:.2g}, {tolerance:.2g} allowed",
        off <= tolerance,
    )
