"""The law-free check of a frontier: the minima of IsoFLOP curves, without a law of the loss.

Hoffmann et al. (2022, section 3.2, approach 2) put a parabola through the losses of each budget against log params and
call its vertex N*(C). That needs no law, so it can contradict one. Three things make it a check instead of a second
opinion:

- *Bands.* log loss is regressed on log params by least squares with an intercept and a slope for each curve and one
  curvature (with a trend over compute) for each group. With Gaussian noise of unknown scale and flat priors the
  posterior is exact (normal given the scale, scaled inverse chi-squared), and its draws cost milliseconds: there is
  nothing here that NUTS would do better. Curves of four sizes have too few points for a curvature of their own. Rows
  count by the weights that Student-t noise gives them in the fit, so that an odd run sways neither reading.
- *The method's own bias.* A parabola's vertex is off where the two sides of a curve differ (0.3 % for sizes within a
  factor of 2 of the optimum, 4 % within 16, with Hoffmann's exponents) and so is a shared curvature. Each posterior
  draw of the law predicts the losses at the very same runs; the same regression on those predictions says where the
  method *would* put the minimum if the law were true. The two vertices are compared, not a vertex and an optimum.
- *One answer a table.* With many curves some intervals miss by chance. What is judged is the mean of the log ratios
  over all curves and their trend with compute, which is the difference of the exponents of N*(C).

The runs speak twice, through the law and through the curves, so that the two err together. A true law is the efficient
reading, and the variance of the difference is then the difference of the variances (Hausman 1978, Econometrica 46,
section 2): that is the band of a ratio here. Taking the two for independent would make it several times too wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.allocation import AllocationError, optimum
from bayescale.errors import UserError
from bayescale.flops import FlopRule
from bayescale.forecast.expected import Predictor, expected_loss
from bayescale.forecast.noise import noise_scale
from bayescale.laws.rules.isoflop import SAME_BUDGET, budgets
from bayescale.numerals import interval, significant
from bayescale.posterior import PosteriorData

WIDEST = 0.2
"""FLOPs of one curve that differ by more than this are a chain of budgets and not one."""
SPARE = 3
"""Degrees of freedom that have to be left for the noise."""
BENDS = 0.975
"""Probability of an upward bend below which a curve has no minimum to speak of."""
LEAST = 0.2
"""Share of the curves' variance that the difference keeps at least: what both read alike is not known to be zero, and
two variances from draws are not exact."""
FALSE_ALARM = 0.05
"""How often, at most, a true law is said to disagree."""
MATERIAL = 0.05
"""A size this much apart, as a share, costs next to no loss: less is agreement, however sure."""
DESIGN = "train four or more sizes, from a quarter to four times the expected optimum, at each of three or more budgets"


class NoIsoFlopError(UserError):
    """A fit whose frontier cannot be checked this way; the message is one line that says why and what design would."""


@dataclass(frozen=True, eq=False)
class IsoFlopCheck:
    """Minima of IsoFLOP curves beside the law's frontier.

    Attributes
    ----------
    table : DataFrame
        A row a curve: ``cell`` (number), ``group`` (label), ``flops``, ``param_tokens`` (N D), ``runs``,
        ``sizes_low`` and ``sizes_high``; ``params`` (the curve's
        minimum, freed of the method's bias given the law) and ``law_params`` (the law's optimum), each median with
        ``_q0.05`` and ``_q0.95``; ``bias`` (the method's, as a factor less one); ``ratio`` of the two with
        ``ratio_q0.025`` and ``ratio_q0.975``; ``status``, ``ok`` or why the curve is left out.
    shift : ndarray, shape (draws,)
        Log of (N* of the curves / N* of the law), the mean over curves.
    tilt : ndarray or None, shape (draws,)
        Exponent of N*(C) of the curves less the law's; None where there are not two budgets.
    ahead : ndarray or None, shape (draws,)
        `shift` carried along the trend to ten times the compute of the dearest curve.
    degree : int
    correlated : bool
        Whether rows share runs, which makes the bands too narrow.
    """

    table: pd.DataFrame
    shift: np.ndarray
    tilt: np.ndarray | None
    ahead: np.ndarray | None
    degree: int
    correlated: bool = False

    @property
    def used(self) -> pd.DataFrame:
        """The curves that count."""
        return self.table[self.table["status"] == "ok"]

    @property
    def disagrees(self) -> bool:
        """Whether curves and law are apart by more than their bands and by enough to matter: in place, or in trend, by
        what it comes to over a decade of compute."""
        parts = [self.shift] if self.tilt is None else [self.shift, np.log(10) * self.tilt]
        return any(
            _excludes_zero(x, FALSE_ALARM / len(parts)) and abs(np.median(x)) > np.log1p(MATERIAL)
            for x in parts
        )

    @property
    def sentence(self) -> str:
        """What the check says."""
        number = len(self.used)
        curves = f"{number} IsoFLOP curve{'' if number == 1 else 's'}"
        low, middle, high = np.exp(np.quantile(self.shift, (0.025, 0.5, 0.975)))
        factor = f"{significant(middle, 3)} times the law's [95 %: {interval(low, high, 3)}]"
        said = f"The optimal size at the minima of {curves} is {factor}"
        if self.tilt is not None:
            low, middle, high = np.quantile(self.tilt, (0.025, 0.5, 0.975))
            said += f", with an exponent {_signed(middle)} apart [{_signed(low)} to {_signed(high)}]"
        if not self.disagrees:
            return f"The law-free check agrees. {said}."
        caution = (
            " Rows of one run err together, which these bands do not count: they are too narrow."
            if self.correlated
            else ""
        )
        further = ""
        if self.ahead is not None:
            low, middle, high = np.exp(np.quantile(self.ahead, (0.025, 0.5, 0.975)))
            further = (
                f" Carried on to ten times the compute of the dearest curve, its size is {significant(middle, 3)} "
                f"times the law's [{interval(low, high, 3)}]."
            )
        return (
            f"The law-free check disagrees: {said[:1].lower()}{said[1:]}.{further} "
            f"See how another law does before that size is trusted.{caution}"
        )

    def __str__(self) -> str:
        shown = self.table[["group", "flops", "runs", "params", "law_params", "bias", "ratio"]].copy()
        shown["95 %"] = [
            f"{low:.2f} to {high:.2f}"
            for low, high in zip(self.table["ratio_q0.025"], self.table["ratio_q0.975"], strict=True)
        ]
        shown["status"] = self.table["status"]
        for name in ("flops", "params", "law_params"):
            shown[name] = shown[name].map("{:.3g}".format)
        shown["bias"] = shown["bias"].map("{:+.1%}".format)
        shown["ratio"] = shown["ratio"].map("{:.2f}".format)
        return f"{shown.to_string(index=False)}\n{self.sentence}"

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "curves": self.table.to_dict("records"),
            "log_ratio": np.quantile(self.shift, (0.025, 0.5, 0.975)).tolist(),
            "exponent_difference": None
            if self.tilt is None
            else np.quantile(self.tilt, (0.025, 0.5, 0.975)).tolist(),
            "log_ratio_ten_times_ahead": None
            if self.ahead is None
            else np.quantile(self.ahead, (0.025, 0.5, 0.975)).tolist(),
            "disagrees": self.disagrees,
            "sentence": self.sentence,
        }


def isoflop_check(
    posterior: PosteriorData,
    degree: int = 2,
    tolerance: float = SAME_BUDGET,
    seed: int = 0,
    fitted: np.ndarray | None = None,
) -> IsoFlopCheck:
    """Compare the frontier of a posterior with the minima of the fitted runs' IsoFLOP curves.

    Parameters
    ----------
    posterior : PosteriorData
        Of a law of params and tokens.
    degree : {2, 3}
        Of the polynomial in log params. The cubic follows the asymmetry of a curve itself and leaves less to the
        correction, at the price of wider bands.
    tolerance : float
        Runs of a group whose FLOPs lie within this of the next are of one curve.
    seed : int
    fitted : ndarray, optional
        Draws of the expected loss of the fitted runs, shape (draws, runs), where they are at hand.

    Returns
    -------
    IsoFlopCheck

    Raises
    ------
    NoIsoFlopError
        The runs have no IsoFLOP curves, they have no minimum, or the law has no frontier.
    """
    if degree not in (2, 3):
        raise ValueError(f"the polynomial is of degree 2 or 3: got {degree}")
    runs, cell = posterior.runs, posterior.design.cell
    if not {"params", "tokens"} <= set(runs):
        raise NoIsoFlopError("No law-free check of the frontier: the runs have no params and tokens.")
    curves = _curves(posterior, degree, tolerance)
    if not curves:
        raise NoIsoFlopError(
            "No law-free check of the frontier: the runs have no IsoFLOP curves, which are "
            f"{degree + 1} or more sizes at nearly equal FLOPs. To allow it, {DESIGN}."
        )
    loss = np.log(expected_loss(posterior, runs)[0] if fitted is None else fitted)
    regression = _Regression(runs, curves, cell, degree, _weights(posterior, loss))
    if regression.spare < SPARE:
        raise NoIsoFlopError(
            f"No law-free check of the frontier: {len(regression.rows)} runs on {len(curves)} IsoFLOP "
            f"curve{'' if len(curves) == 1 else 's'} leave nothing to tell noise from shape. To allow it, {DESIGN}."
        )
    rng = np.random.default_rng([seed, 3])
    measured = regression.posterior(np.log(runs["loss"].to_numpy(float)), loss.mean(axis=0), len(loss), rng)
    place, bend = regression.vertices(measured)
    law_place, _ = regression.vertices(regression.least_squares(loss))
    best = _law_optimum(posterior, regression)
    return _check(posterior, regression, place, bend, law_place, best)


@dataclass(frozen=True, eq=False)
class _Curve:
    rows: np.ndarray
    flops: float
    product: float
    """N D, so that C / (N D) is the curve's own: tables count FLOPs differently from group to group."""
    centre: float
    """Mean log params: where the curve's x is zero."""


def _curves(posterior: PosteriorData, degree: int, tolerance: float) -> list[_Curve]:
    """Runs of one group at nearly equal FLOPs, with enough sizes, cheapest first within a group."""
    runs, cell = posterior.runs, posterior.design.cell
    flops = posterior.flops_of(runs)
    log_params, log_tokens = (np.log(runs[c].to_numpy(float)) for c in ("params", "tokens"))
    found = []
    for group in range(cell.max() + 1):
        mine = np.flatnonzero(cell == group)
        number = budgets(flops[mine], tolerance)
        for i in range(number.max() + 1):
            rows = mine[number == i]
            sizes = budgets(np.exp(log_params[rows]), tolerance).max() + 1
            if sizes > degree and np.ptp(np.log(flops[rows])) <= np.log1p(WIDEST):
                found.append(
                    _Curve(
                        rows=rows,
                        flops=float(np.exp(np.log(flops[rows]).mean())),
                        product=float(np.exp((log_params + log_tokens)[rows].mean())),
                        centre=float(log_params[rows].mean()),
                    )
                )
    return found


class _Regression:
    """log loss on powers of log params: a level and a slope a curve; curvature, and more, shared in a group."""

    def __init__(
        self, runs: pd.DataFrame, curves: list[_Curve], cell: np.ndarray, degree: int, weight: np.ndarray
    ) -> None:
        self.curves, self.degree = curves, degree
        self.rows = np.concatenate([c.rows for c in curves])
        of = np.repeat(np.arange(len(curves)), [len(c.rows) for c in curves])
        x = np.log(runs["params"].to_numpy(float))[self.rows] - np.array([c.centre for c in curves])[of]
        self.group = np.array([cell[c.rows[0]] for c in curves])
        groups = np.unique(self.group)
        compute = np.log([c.flops for c in curves])
        self.compute = compute - compute.mean()
        one = (of[:, None] == np.arange(len(curves))).astype(float)
        mine = (self.group[of][:, None] == groups).astype(float)
        # What a curve's bend is made of, from the shared columns: its group's, and the trend over compute.
        bend = (self.group[:, None] == groups).astype(float)
        columns = [one, one * x[:, None], mine * x[:, None] ** 2]
        # A trend through two budgets would only follow their noise.
        if budgets(np.exp(compute)).max() > 1:
            columns.append((self.compute[of] * x**2)[:, None])
            bend = np.column_stack([bend, self.compute])
        self.bend = bend
        if degree == 3:
            columns.append((x**3)[:, None])
        self.design = np.hstack(columns)
        self.root = np.sqrt(weight[self.rows] / weight[self.rows].mean())
        self.inverse = np.linalg.pinv(self.root[:, None] * self.design) * self.root
        self.spare = len(self.rows) - int(np.linalg.matrix_rank(self.design))
        self.reach = [(float(x[of == i].min()), float(x[of == i].max())) for i in range(len(curves))]

    def least_squares(self, log_loss: np.ndarray) -> np.ndarray:
        """Coefficients for log losses of all runs, shape (draws, runs), to (draws, columns)."""
        return log_loss[..., self.rows] @ self.inverse.T

    def posterior(
        self, log_loss: np.ndarray, law: np.ndarray, draws: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Exact draws of the coefficients under flat priors (Gelman et al. 2013, section 14.2).

        The noise is what is left beside the law and a polynomial together: what is left beside the polynomial alone
        holds its misfit to a curve that is none.
        """
        middle = self.least_squares(log_loss)
        beside = (log_loss - law)[self.rows]
        residual = self.root * (beside - self.design @ (self.inverse @ beside))
        scale = np.sqrt(residual @ residual / rng.chisquare(self.spare, draws))
        # For e with the variances 1 / weight, inverse @ e has the covariance (X'WX)^-1.
        noise = rng.normal(size=(draws, len(self.rows))) / self.root
        return middle + scale[:, None] * (noise @ self.inverse.T)

    def vertices(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each curve is least, in log params, and how it bends at its centre; shape (draws, curves)."""
        n = len(self.curves)
        slope = coefficients[:, n : 2 * n]
        shared = coefficients[:, 2 * n :]
        quadratic = shared[:, : self.bend.shape[1]] @ self.bend.T
        cubic = shared[:, -1:] if self.degree == 3 else 0.0
        # The root of slope + 2 quadratic x + 3 cubic x^2 with the upward bend, free of cancellation at cubic = 0. A
        # cubic that bends too fast to have one is taken where its slope is least.
        under = np.sqrt(np.maximum(quadratic**2 - 3 * cubic * slope, 0.0))
        bent = quadratic + under
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(quadratic > 0, -slope / bent, np.nan)
        return x + np.array([c.centre for c in self.curves]), quadratic


def _weights(posterior: PosteriorData, log_loss: np.ndarray) -> np.ndarray:
    """What each row counts in the fit: Student-t noise is normal noise whose precision has this mean, given the row."""
    design = posterior.design
    variance = noise_scale(posterior, posterior.runs, design.loss_se / design.loss) ** 2
    nu = posterior.draws("nu")[:, None]
    square = (np.log(design.loss) - log_loss) ** 2 / variance
    return ((nu + 1) / (nu + square) / variance).mean(axis=0)


def _law_optimum(posterior: PosteriorData, regression: _Regression) -> np.ndarray:
    """log N* of the law at each curve's budget, shape (draws, curves)."""
    groups = posterior.design.groups
    cells = Predictor(posterior).parameters(groups)
    out = []
    for curve, group in zip(regression.curves, regression.group, strict=True):
        values = {name: x[:, group] for name, x in cells.values.items()}
        try:
            params, _ = optimum(cells.law, values, curve.flops, _rule_of(posterior, curve))
        except AllocationError as error:
            raise NoIsoFlopError(f"No law-free check of the frontier: {error}.") from None
        out.append(np.broadcast_to(np.log(params), len(posterior.z)))
    return np.stack(out, axis=1)


def _rule_of(posterior: PosteriorData, curve: _Curve) -> FlopRule:
    """Return what compute costs along a curve: the fit's rule, by as much as the curve's own runs are off it."""
    runs = posterior.runs.iloc[curve.rows]
    by_rule = posterior.flop_rule.flops(runs["params"].to_numpy(float), runs["tokens"].to_numpy(float))
    return posterior.flop_rule.times(float(np.exp(np.mean(np.log(posterior.flops_of(runs) / by_rule)))))


def _check(
    posterior: PosteriorData,
    regression: _Regression,
    place: np.ndarray,
    bend: np.ndarray,
    law_place: np.ndarray,
    best: np.ndarray,
) -> IsoFlopCheck:
    labels, rows = posterior.design.cell_labels, []
    for i, curve in enumerate(regression.curves):
        bias = law_place[:, i] - best[:, i]
        low, high = regression.reach[i]
        status = _status(place[:, i], bend[:, i], law_place[:, i], curve.centre + low, curve.centre + high)
        row: dict[str, Any] = {
            "cell": int(regression.group[i]),
            "group": labels[regression.group[i]],
            "flops": curve.flops,
            "param_tokens": curve.product,
            "runs": len(curve.rows),
            "sizes_low": float(np.exp(curve.centre + low)),
            "sizes_high": float(np.exp(curve.centre + high)),
        }
        for name, x in (("params", place[:, i] - bias), ("law_params", best[:, i])):
            quantiles = np.exp(np.nanquantile(x, (0.5, 0.05, 0.95))) if _some(x) else np.full(3, np.nan)
            row[name], row[f"{name}_q0.05"], row[f"{name}_q0.95"] = map(float, quantiles)
        row["bias"] = float(np.expm1(np.nanmedian(bias))) if _some(bias) else np.nan
        ratio = np.full(3, np.nan)
        if _some(place[:, i]) and _some(law_place[:, i]):
            ratio = np.exp(np.nanquantile(_apart(place[:, i], law_place[:, i]), (0.5, 0.025, 0.975)))
        row["ratio"], row["ratio_q0.025"], row["ratio_q0.975"] = map(float, ratio)
        rows.append({**row, "status": status})
    table = pd.DataFrame(rows)
    ok = np.flatnonzero((table["status"] == "ok").to_numpy())
    if not len(ok):
        reasons = "; ".join(table["status"].drop_duplicates())
        raise NoIsoFlopError(
            f"No law-free check of the frontier: no IsoFLOP curve has a minimum to read off ({reasons}). "
            f"To allow it, {DESIGN}."
        )
    return IsoFlopCheck(
        table,
        *_line(place[:, ok], law_place[:, ok], regression.compute[ok]),
        regression.degree,
        posterior.design.several,
    )


def _some(x: np.ndarray) -> bool:
    return bool(np.isfinite(x).mean() > 0.5)


def _status(place: np.ndarray, bend: np.ndarray, law_place: np.ndarray, low: float, high: float) -> str:
    if (bend > 0).mean() < BENDS or not _some(law_place):
        return "the losses do not bend upwards"
    # Out of reach for both: what is compared would be two extrapolations.
    if not any(low <= np.nanmedian(x) <= high for x in (place, law_place)):
        return "the minimum lies outside the sizes tried"
    return "ok"


def _apart(curves: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Draws of how far the curves' reading is from the law's, with the variance of one less that of the other."""
    share = 1 - (_spread(law) / _spread(curves)) ** 2
    middle = np.nanmean(curves)
    return middle - np.nanmean(law) + np.sqrt(max(share, LEAST)) * (curves - middle)


def _spread(draws: np.ndarray) -> float:
    low, high = np.nanquantile(draws, (0.16, 0.84))
    return max(float(high - low) / 2, 1e-12)


def _line(
    place: np.ndarray, law_place: np.ndarray, compute: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """How far apart the two are on average over the curves, in their trend with log compute, and a decade ahead."""
    # A draw without a minimum stands where the others do in the middle: there are few, by the status above.
    place, law_place = (np.where(np.isfinite(x), x, np.nanmedian(x, axis=0)) for x in (place, law_place))
    weight = np.array([_spread(x) for x in place.T]) ** -2.0
    weight /= weight.sum()
    centred = compute - weight @ compute
    shift = _apart(place @ weight, law_place @ weight)
    if budgets(np.exp(compute)).max() < 1:
        return shift, None, None
    trend = weight * centred / (weight @ centred**2)
    ahead = weight + trend * (centred.max() + np.log(10))
    return shift, _apart(place @ trend, law_place @ trend), _apart(place @ ahead, law_place @ ahead)


def _excludes_zero(draws: np.ndarray, share: float) -> bool:
    low, high = np.quantile(draws, (share / 2, 1 - share / 2))
    return bool(low > 0 or high < 0)


def _signed(x: float) -> str:
    return f"{x:+.3f}".replace("-", "−")
