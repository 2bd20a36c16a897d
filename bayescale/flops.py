"""What compute costs: the one rule C = k(N) N D between FLOPs, params and tokens.

k is six for a dense model whose every parameter is counted (Kaplan et al. 2020, sec. 2.1): two FLOPs for each parameter
and token forward, twice that backward. Tables count otherwise: FLOPs without the embedding over params with it make k
rise with size towards six, attention makes it fall towards six. So k is learned from the table where it moves with size
(`learn_rule`), and one median is used where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from bayescale.numerals import count, significant

FLOPS_PER_PARAM_TOKEN = 6.0
"""k of a dense model."""

SAME = 0.01
"""Share that k may change by over all sizes and still count as one: a plan's cost is not known to a hundredth."""

SURE = 0.01
"""Level of the F-test for k moving with size: scatter of k alone is taken for a trend in one table of a hundred."""

FEWEST = 3
"""Sizes that a trend takes."""

PREFERRED = 4.0
"""Times the power law's squared error that a form that tends to six may have: beyond the runs it alone is sane."""

SCATTER = 0.05
"""Root-mean-square scatter of k about the rule above which the rule says so."""

STEEPEST, FLATTEST = -0.95, 0.95
"""Of k's power of the size, and of what is uncounted or extra: a larger model has to cost more for each token."""

NEWTON = 12
"""Steps to the counted params: quadratic, so that these reach what a float holds."""

STEPS = 80
"""Halvings of a bracket of log params: a relative 1e-16 of hundred e-folds."""


def dense_flops(params: Any, tokens: Any) -> Any:
    """Return 6 N D: the training FLOPs of a dense model."""
    return FLOPS_PER_PARAM_TOKEN * params * tokens


class Form(Enum):
    """How k depends on size.

    ``UNCOUNTED``: params that FLOPs do not count, as an embedding; k rises towards six. ``EXTRA``: FLOPs beside those
    of the params, as attention's; k falls towards six. Either grows as a power of the counted params. ``POWER``: k
    itself is a power of the size.
    """

    CONSTANT = "constant"
    UNCOUNTED = "uncounted params"
    EXTRA = "extra FLOPs"
    POWER = "power of the size"


@dataclass(frozen=True)
class FlopRule:
    """C = k(N) N D.

    Attributes
    ----------
    typical : float
        Median k of the runs; k itself where it is constant.
    form : Form
    level, slope : float
        ``POWER``: log k = level + slope log(N / middle). Else log(e / middle) = level + slope log(B / middle), of the B
        params that count and the e that are uncounted, or extra.
    middle : float
        Geometric mean of the runs' sizes.
    smallest, largest : float
        Range of sizes that it was learned from. Below it k stays as at its end, and beyond it too by ``POWER``.
    scatter : float
        Root-mean-square of log k about the rule.
    factor : float
        Of k throughout (`times`).
    """

    typical: float = FLOPS_PER_PARAM_TOKEN
    form: Form = Form.CONSTANT
    level: float = 0.0
    slope: float = 0.0
    middle: float = 1.0
    smallest: float = 0.0
    largest: float = np.inf
    scatter: float = 0.0
    factor: float = 1.0

    def per_param_token(self, params: Any) -> Any:
        """Return k at sizes of any shape."""
        if self.form is Form.CONSTANT:
            return self.factor * self.typical
        top = self.largest if self.form is Form.POWER else np.inf
        x = np.log(np.clip(np.asarray(params, dtype=float), self.smallest, top) / self.middle)
        return self.factor * np.exp(_log_k(self.form, self.level, self.slope, x))

    def flops(self, params: Any, tokens: Any) -> Any:
        """Return the FLOPs of training params on tokens; broadcasts."""
        return self.per_param_token(params) * params * tokens

    def tokens(self, params: Any, flops: Any) -> Any:
        """Return the tokens on which FLOPs train params; broadcasts."""
        return flops / (self.per_param_token(params) * params)

    def size_at(self, ratio: Any, flops: Any) -> np.ndarray:
        """Return the params that FLOPs train on `ratio` tokens for each; broadcasts."""
        product = np.asarray(flops, dtype=float) / np.asarray(ratio, dtype=float)
        if self.form is Form.CONSTANT:
            return np.asarray(np.sqrt(product / self.per_param_token(1.0)))
        middle = 0.5 * np.log(product / self.typical)
        low, high = middle - 50, middle + 50
        for _ in range(STEPS):
            middle = (low + high) / 2
            dear = self.per_param_token(np.exp(middle)) * np.exp(2 * middle) > product
            low, high = np.where(dear, low, middle), np.where(dear, middle, high)
        return np.asarray(np.exp((low + high) / 2))

    def times(self, factor: float) -> FlopRule:
        """Return the rule of runs whose every FLOP counts as so many."""
        return replace(self, factor=self.factor * factor)

    @property
    def moves(self) -> bool:
        """If k changes with size."""
        return self.form is not Form.CONSTANT

    def __str__(self) -> str:
        if not self.moves:
            return f"C = {self.factor * self.typical:.3g} N D"
        ends = (
            f"{significant(float(self.per_param_token(size)), 3)} at {count(size)} params"
            for size in (self.smallest, self.largest)
        )
        beyond = "stays as it is beyond" if self.form is Form.POWER else "tends to 6 beyond"
        about = (
            f"; the runs scatter by {100 * self.scatter:.2g} % about that" if self.scatter > SCATTER else ""
        )
        return f"C = k(N) N D, k learned from the runs: {', '.join(ends)}, and {beyond}{about}"


def as_rule(k: FlopRule | float) -> FlopRule:
    """Return a rule as it is, and a number as the constant k."""
    return k if isinstance(k, FlopRule) else FlopRule(float(k))


def learn_rule(params: np.ndarray, tokens: np.ndarray, flops: np.ndarray) -> FlopRule:
    """Learn the rule of a table that counts its own FLOPs.

    Parameters
    ----------
    params, tokens, flops : ndarray, shape (runs,)
        Rows where one is not a positive number are left out.

    Returns
    -------
    FlopRule
        Constant where k does not move with size, or fewer than three sizes could show it.
    """
    # Most of what imports this module learns nothing.
    from scipy.stats import f as f_distribution

    rows = np.column_stack([params, tokens, flops]).astype(float)
    rows = rows[(np.isfinite(rows) & (rows > 0)).all(axis=1)]
    if not len(rows):
        return FlopRule()
    params, tokens, flops = rows.T
    log_k = np.log(flops) - np.log(params) - np.log(tokens)
    constant = FlopRule(float(np.median(np.exp(log_k))), scatter=float(log_k.std()))
    if np.ptp(log_k) <= np.log1p(SAME) or len(np.unique(params)) < FEWEST:
        return constant
    middle = float(np.exp(np.log(params).mean()))
    x = np.log(params / middle)
    about = replace(constant, middle=middle, smallest=float(params.min()), largest=float(params.max()))
    slope, level = np.polyfit(x, log_k, 1)
    # Steeper, more tokens would be left for a larger model.
    best = _fitted(about, Form.POWER, float(level), max(float(slope), STEEPEST), x, log_k)
    sane = _towards_six(about, x, log_k)
    if sane is not None and sane.scatter**2 <= PREFERRED * best.scatter**2 + 1e-9:
        best = sane
    moved = abs(np.log(best.per_param_token(best.largest) / best.per_param_token(best.smallest)))
    spare = len(log_k) - 2
    if spare < 1 or moved <= np.log1p(SAME):
        return constant
    gained = constant.scatter**2 / max(best.scatter**2, 1e-12) - 1
    return best if gained * spare > f_distribution.ppf(1 - SURE, 1, spare) else constant


def _log_k(form: Form, level: float, slope: float, x: np.ndarray) -> np.ndarray:
    """Log of k at log sizes x about the middle."""
    if form is Form.POWER:
        return np.asarray(level + slope * x)
    six = np.log(FLOPS_PER_PARAM_TOKEN)
    if form is Form.EXTRA:
        return np.asarray(six + np.log1p(np.exp(level + (slope - 1) * x)))
    # B + e = N for log B: convex and increasing, so that Newton's steps from above come down to it.
    counted = x
    for _ in range(NEWTON):
        rest = np.exp(level + (slope - 1) * counted)
        counted = counted - (counted + np.log1p(rest) - x) / ((1 + slope * rest) / (1 + rest))
    return np.asarray(six + counted - x)


def _towards_six(about: FlopRule, x: np.ndarray, log_k: np.ndarray) -> FlopRule | None:
    """The rule that tends to six; None where k lies on both sides of six, or leaves it."""
    from scipy.optimize import least_squares

    share = np.exp(log_k) / FLOPS_PER_PARAM_TOKEN
    form = Form.EXTRA if (share > 1).all() else Form.UNCOUNTED if (share < 1).all() else None
    if form is None:
        return None
    counted = x if form is Form.EXTRA else x + np.log(share)
    slope, level = np.polyfit(counted, x + np.log(np.abs(share - 1)), 1)
    if not slope < 1:
        return None

    def missed(at: np.ndarray) -> np.ndarray:
        return _log_k(form, at[0], at[1], x) - log_k

    start = [level, float(np.clip(slope, 0.01, FLATTEST - 0.01))]
    found = least_squares(missed, start, bounds=([-np.inf, 0.0], [np.inf, FLATTEST])).x
    return _fitted(about, form, float(found[0]), float(found[1]), x, log_k)


def _fitted(
    about: FlopRule, form: Form, level: float, slope: float, x: np.ndarray, log_k: np.ndarray
) -> FlopRule:
    missed = log_k - _log_k(form, level, slope, x)
    return replace(about, form=form, level=level, slope=slope, scatter=float(np.sqrt((missed**2).mean())))
