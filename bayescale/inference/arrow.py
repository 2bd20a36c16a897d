"""Cholesky roots of precisions in the shape of an arrow: small blocks that meet only in what they share.

The precision of a hierarchy with deviations of every cell's own is

    Q = [[B, A'], [A, C]],   B block diagonal,

and its root [[b, 0], [a', c]] with b the blocks' roots, a = b^-1 A' and c the root of C - a' a: linear in the number of
blocks, where a dense root is cubic. Nothing of the size of Q is formed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = Any


class Arrow(NamedTuple):
    """An arrow-shaped matrix, or the root of one.

    Attributes
    ----------
    blocks : Array, shape (blocks, each, each)
    across : Array, shape (blocks, each, shared)
    rest : Array, shape (shared, shared)
    """

    blocks: Array
    across: Array
    rest: Array

    @property
    def local(self) -> int:
        """How many coordinates the blocks have."""
        return int(self.blocks.shape[0] * self.blocks.shape[1])

    def leading(self, size: int) -> Arrow:
        """The root of the first coordinates alone."""
        shared = size - self.local
        return Arrow(self.blocks, self.across[..., :shared], self.rest[:shared, :shared])

    def parts(self, vector: Array) -> tuple[Array, Array]:
        """A vector's part in the blocks, shape (blocks, each), and in the rest."""
        return vector[: self.local].reshape(self.blocks.shape[:2]), vector[self.local :]


def arrow_of(matrix: Array, clusters: int, each: int) -> Arrow:
    """The arrow that a dense matrix is, its first ``clusters * each`` coordinates in blocks."""
    local = clusters * each
    at = jnp.arange(local).reshape(clusters, each)
    blocks = matrix[at[:, :, None], at[:, None, :]]
    across = matrix[:local, local:]
    return Arrow(blocks, across.reshape(clusters, each, across.shape[1]), matrix[local:, local:])


def cholesky(matrix: Arrow) -> Arrow:
    """The lower root L, Q = L L'."""
    if not matrix.local:
        return matrix._replace(rest=jnp.linalg.cholesky(matrix.rest))
    blocks = jnp.linalg.cholesky(matrix.blocks)
    across = jax.scipy.linalg.solve_triangular(blocks, matrix.across, lower=True)
    flat = across.reshape(matrix.local, -1)
    return Arrow(blocks, across, jnp.linalg.cholesky(matrix.rest - flat.T @ flat))


def log_determinant(root: Arrow) -> Array:
    """log |L|."""
    own = jnp.sum(jnp.log(jnp.diagonal(root.blocks, axis1=1, axis2=2)))
    return own + jnp.sum(jnp.log(jnp.diagonal(root.rest)))


def solve(root: Arrow, vector: Array) -> Array:
    """L^-1 v."""
    own, rest = root.parts(vector)
    own = _each(root.blocks, own, 0)
    rest = rest - jnp.einsum("ijk,ij->k", root.across, own)
    return jnp.concatenate([own.ravel(), jax.scipy.linalg.solve_triangular(root.rest, rest, lower=True)])


def solve_transposed(root: Arrow, vector: Array) -> Array:
    """L'^-1 v."""
    own, rest = root.parts(vector)
    rest = jax.scipy.linalg.solve_triangular(root.rest, rest, lower=True, trans=1)
    own = _each(root.blocks, own - root.across @ rest, 1)
    return jnp.concatenate([own.ravel(), rest])


def times_transposed(root: Arrow, vector: Array) -> Array:
    """L' v."""
    own, rest = root.parts(vector)
    mine = jnp.einsum("ikj,ik->ij", root.blocks, own) + root.across @ rest
    return jnp.concatenate([mine.ravel(), root.rest.T @ rest])


def _each(blocks: Array, own: Array, trans: int) -> Array:
    if not own.size:
        return own
    return jax.scipy.linalg.solve_triangular(blocks, own[..., None], lower=True, trans=trans)[..., 0]
