"""One draw of the random features: its spectrum, and the expected risk of SGD for it in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import eigh

from bayescale.theory.problem import Problem


@dataclass(frozen=True, eq=False)
class Features:
    """A feature matrix W, as far as the risk depends on it.

    The risk depends on W through K^ = D^1/2 W W^T D^1/2, D = diag(j^-2alpha), alone (Paquette et al. 2024, section 2):
    its eigenvalues, and the target's energy along its eigenvectors.

    Attributes
    ----------
    problem : Problem
    eigenvalues : ndarray, shape (d,)
        Ascending; what is left of the v are zero.
    energies : ndarray, shape (d,)
        rho_i = <w_i, D^1/2 b>^2.
    signs : ndarray, shape (d,)
        Of <w_i, D^1/2 b>.
    basis : ndarray, shape (d, d)
        Eigenvectors of W^T D W in columns: from the eigenbasis to the coordinates of theta.
    floor : float
        F_0 = |D^1/2 b|^2 - sum rho_i, the risk of the best theta.
    """

    problem: Problem
    eigenvalues: np.ndarray
    energies: np.ndarray
    signs: np.ndarray
    basis: np.ndarray
    floor: float

    @classmethod
    def draw(cls, problem: Problem, seed: int = 0) -> Features:
        """Draw W with independent normal entries of variance 1/d; costs v d^2."""
        problem = problem.with_finite_v()
        d, v = int(problem.d), int(problem.dimension)
        weights = np.random.default_rng(seed).normal(size=(v, d)) / np.sqrt(d)
        return cls.of(problem, weights)

    @classmethod
    def of(cls, problem: Problem, weights: np.ndarray) -> Features:
        """From a given W, shape (v, d)."""
        v = len(weights)
        j = np.arange(1.0, v + 1)
        t, target = j ** (-2 * problem.alpha), j**-problem.beta
        values, basis = eigh(weights.T @ (t[:, None] * weights))
        along = basis.T @ (weights.T @ (t * target)) / np.sqrt(values)
        floor = float((t * target**2).sum() - (along**2).sum())
        return cls(problem, values, along**2, np.sign(along), basis, max(floor, 0.0))

    @property
    def shrinkage(self) -> np.ndarray:
        """q(l) = 1 - 2 gamma B l + gamma^2 B (B+1) l^2 of each eigenvalue, shape (d,)."""
        gamma, batch, x = self.problem.gamma, self.problem.batch, self.eigenvalues
        return 1 - 2 * gamma * batch * x + gamma**2 * batch * (batch + 1) * x**2

    def forcing(self, r: Any) -> np.ndarray:
        """F(r) = F_0 + sum_i rho_i q(l_i)^r, the risk without SGD's own noise, shape of `r`."""
        return self.floor + _powers(self.shrinkage, r) @ self.energies

    def kernel(self, r: Any) -> np.ndarray:
        """K(r) = gamma^2 B sum_i l_i^2 q(l_i)^r, shape of `r`."""
        weight = self.problem.gamma**2 * self.problem.batch * self.eigenvalues**2
        return _powers(self.shrinkage, r) @ weight

    @property
    def norm(self) -> float:
        """sum_r K(r) = gamma/2 sum_i l_i / (1 - gamma (B+1) l_i / 2); infinite where a mode alone diverges."""
        gamma, batch, x = self.problem.gamma, self.problem.batch, self.eigenvalues
        room = 1 - gamma * (batch + 1) * x / 2
        return float("inf") if room.min() <= 0 else float(gamma / 2 * (x / room).sum())

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvalues of the whole system, and the two vectors along its eigenvectors."""
        s = self.problem.gamma * np.sqrt(self.problem.batch) * self.eigenvalues
        rates, vectors = eigh(np.diag(self.shrinkage) + np.outer(s, s))
        return rates, vectors.T @ s, vectors.T @ (self.energies / s)

    @property
    def growth(self) -> float:
        """The largest factor a step by which a part of the risk changes in the long run: above one SGD diverges."""
        return float(self._modes[0].max())

    def risk(self, r: Any) -> np.ndarray:
        """E P(theta_r) for this W, over SGD's samples, shape of `r`.

        The Volterra equation P = F + K * P is the linear system rho' = q rho + gamma^2 B l^2 (sum rho + F_0); scaled
        by s = gamma sqrt(B) l it is symmetric, G = diag(q) + s s^T, and its eigenvectors give every r in closed form.
        """
        rates, s, y = self._modes
        left = _powers(rates, r)
        # (1 - L^r) / (1 - L), exact where L is next to one.
        with np.errstate(divide="ignore", invalid="ignore"):
            geometric = np.where(
                rates == 1, np.asarray(r, float)[..., None], (1 - left) / np.where(rates == 1, 1, 1 - rates)
            )
            near = -np.expm1(np.asarray(r, float)[..., None] * np.log(rates)) / (1 - rates)
        geometric = np.where(np.abs(rates - 1) < 1e-3, np.where(rates == 1, geometric, near), geometric)
        return self.floor + left @ (s * y) + geometric @ (s**2) * self.floor


def _powers(base: np.ndarray, r: Any) -> np.ndarray:
    """base^r, shape of `r` and then of `base`."""
    with np.errstate(over="ignore"):
        return np.power(base, np.asarray(r, float)[..., None])
