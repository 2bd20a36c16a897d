"""The one vector that is sampled: which of its coordinates are what.

The vector z holds, in this order: a standardised population mean for each parameter and a standardised coefficient for
each of its covariates (standard normal a priori), the free coordinates of every factor's effects (on the link scale)
and of the law's misfit, the standardised log of every spread (the standard deviation between a factor's groups, the
size of the misfit along an axis), the standardised logs of the noise parameters (`noise_names`), and where the noise
differs by group its effects in units of their spread, and the standardised logs of these spreads; and the standardised
Fisher's z of the partial correlations of effects that are correlated (`bayescale.models.correlation`). In which
coordinates it is sampled is `bayescale.inference.whitening`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayescale.laws import Law
from bayescale.models.correlation import pairs
from bayescale.models.design import Design

Array = Any


@dataclass(frozen=True, eq=False)
class Layout:
    """What the density has to know at compile time; equal layouts share one compilation."""

    law: Law
    blocks: tuple[tuple[int, int], ...]
    """Of each factor's effects: index of its parameter, and number of free coordinates."""
    misfit: tuple[int, ...] = ()
    """Number of coordinates of the law's misfit along each axis."""
    clusters: tuple[tuple[int, ...], ...] = ()
    """Linear coordinates that only rows of one cluster of cells tell of, by cluster, as many in each."""
    noise: tuple[str, ...] = ("sigma", "nu")
    """The noise parameters, all positive (`noise_names`)."""
    coefficients: tuple[int, ...] = ()
    """Of each covariate's coefficient: index of its parameter, or of an input after them."""
    noisy: tuple[int, ...] = ()
    """Of each factor's effects on sigma: number of free coordinates."""
    tied: tuple[tuple[int, ...], ...] = ()
    """Sets of blocks whose effects are correlated."""
    moved: tuple[str, ...] = ()
    """Inputs of the law that covariates move: they follow its parameters in the map."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the map gives of every place, in its order: the law's parameters, then the inputs that are moved."""
        return (*self.law.parameter_names, *self.moved)

    @property
    def _key(self) -> tuple[Any, ...]:
        return (
            *(self.blocks, self.misfit, self.clusters, self.noise),
            *(self.coefficients, self.noisy, self.tied, self.moved),
        )

    def __hash__(self) -> int:
        return hash((id(self.law), self._key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.law is other.law and self._key == other._key

    @property
    def common(self) -> int:
        """How many coordinates all groups have in common: means and coefficients."""
        return len(self.law.parameters) + len(self.coefficients)

    @property
    def linear(self) -> int:
        """How many coordinates the parameters on their link scale, and the misfit, are linear in."""
        return self.common + sum(self.groups)

    @property
    def mapped(self) -> int:
        """How many of them the parameters are linear in."""
        return self.linear - sum(self.misfit)

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the sets of coordinates that share a spread: every factor's effects, every axis's misfit."""
        return (*(free for _, free in self.blocks), *self.misfit)

    @property
    def size(self) -> int:
        return self.linear + len(self.groups) + self.noises + sum(map(pairs, self.tied))

    @property
    def noises(self) -> int:
        """How many coordinates the noise has."""
        return len(self.noise) + sum(self.noisy) + len(self.noisy)


class Parts(NamedTuple):
    """A vector z, taken apart; leading dimensions are kept."""

    means: Array
    coefficients: Array
    effects: tuple[Array, ...]
    misfit: tuple[Array, ...]
    spreads: Array
    noise: Array
    correlations: Array


def layout_of(design: Design) -> Layout:
    names = (*design.law.parameter_names, *design.moved)
    blocks = tuple((names.index(e.parameter), e.free) for e in design.effects)
    return Layout(
        design.law,
        blocks,
        tuple(m.free for m in design.misfit),
        _clusters(design, blocks),
        noise_names(design),
        tuple(names.index(c.parameter) for c in design.coefficients),
        tuple(e.free for e in design.noise_effects),
        tuple(bundle.members for bundle in design.bundles),
        design.moved,
    )


def _clusters(design: Design, blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    """The misfit's coordinates by cells that share runs, smaller clusters put together to the size of the largest."""
    start = len(design.law.parameters) + len(design.coefficients) + sum(free for _, free in blocks)
    found: list[np.ndarray] = []
    for axis in design.misfit:
        if axis.cells > 1:
            each = start + np.arange(axis.free).reshape(axis.cells, axis.knots)
            found += [each[cells].ravel() for cells in _tied(design)]
        start += axis.free
    largest = max((len(cluster) for cluster in found), default=0)
    bins: list[list[int]] = []
    for cluster in sorted(found, key=len, reverse=True):
        open_bin = next((b for b in bins if len(b) + len(cluster) <= largest), None)
        if open_bin is None:
            bins.append(open_bin := [])
        open_bin += cluster.tolist()
    # What fills no bin is left among the coordinates that cells share: correct, and a little dearer.
    return tuple(tuple(b) for b in bins if len(b) == largest)


def _tied(design: Design) -> list[np.ndarray]:
    """Cells by the runs that have rows in several of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (len(design.cells), int(design.run.max()) + 1)
    member = coo_array((np.ones(len(design.run)), (design.cell, design.run)), shape=shape)
    count, label = connected_components(member @ member.T, directed=False)
    return [np.flatnonzero(label == i) for i in range(count)]


def noise_names(design: Design) -> tuple[str, ...]:
    """``sigma_decade`` where compute is known and varies, ``sigma_run`` where runs give several rows."""
    return ("sigma", "nu", *["sigma_decade"] * design.graded, *["sigma_run"] * design.several)


def split(z: Array, layout: Layout) -> Parts:
    """A vector, or an array of them along the last axis, taken apart."""
    start = layout.common
    groups = []
    for free in layout.groups:
        groups.append(z[..., start : start + free])
        start += free
    end = layout.linear + len(layout.groups)
    count = len(layout.blocks)
    means, slopes = z[..., : len(layout.law.parameters)], z[..., len(layout.law.parameters) : layout.common]
    spreads, noise = z[..., layout.linear : end], z[..., end : end + layout.noises]
    correlations = z[..., end + layout.noises :]
    return Parts(means, slopes, tuple(groups[:count]), tuple(groups[count:]), spreads, noise, correlations)
