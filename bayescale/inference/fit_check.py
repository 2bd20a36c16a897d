"""The check of fit: can the fitted model be what made the runs?

Sampling can be perfect and the model wrong. Heavy-tailed noise then takes up what the law and its pooling cannot say:
whole cells, or all runs of a size, lie on one side of the fit. The residuals of the fitted runs tell. Each is the log
of measured over expected loss in units of its noise, at the posterior median.

- By group (cell, size, budget, tokens per param): do groups differ by more than their runs do? Kruskal and Wallis's
  test on ranks, which neither the fitted scale of the noise nor its tails can blunt; and Wilcoxon's of each group
  against the others, for one that lies apart among many. One value a run and group.
- Along inputs: do neighbours resemble each other? Bartels' rank version of von Neumann's ratio, within cells.
- The misfit that the model grants its law inside the runs: is it beyond what its prior grants?
- The noise itself: its scale and tails against those of runs that differ by their seed alone.

Fitted parameters take out a part of such differences, so every p value is at least what it would be of the true noise:
false alarms are rarer than nominal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import kruskal, mannwhitneyu, norm, rankdata

from bayescale.inference.health import Check, Verdict
from bayescale.inference.quantities import fitted_loss, fitted_misfit
from bayescale.models.arrays import data_of
from bayescale.models.density import log_spreads, noise_of_draws
from bayescale.models.design import Design
from bayescale.models.layout import layout_of, split
from bayescale.models.noise import row_scale

DRAWS = 200
"""Posterior draws that the median residual is taken over."""

RARE, IMPOSSIBLE = 1e-3, 1e-6
"""p values of REVIEW and FAIL. Six such checks of a right model together raise a false alarm in one fit of 160."""

MANY = 3.0
"""Times that a group lies off the fit, in units of its runs' own scatter, from which on it can fail."""

MATERIAL = 0.01
"""Share of the loss that a group lies off the fit from which on it can fail: a fifth of compute (Kaplan et al. 2020:
1 % of loss is 22 % of compute)."""

WRONG_SIDE = 3.0
"""Standard errors from which on a group is named."""

NOISY, CURVED = 0.05, 0.01
"""Noise of log loss above which runs differ by more than their seed (published seed noise: .0005 to .02), if the model
does not state more (the upper end of its prior's 90 %); and the p value along inputs at which such noise is a curve
that the law misses."""

NO_VARIANCE = 1.5
"""Degrees of freedom, at the 95 % quantile of the posterior, below which the noise describes two kinds of runs. Below
two a Student-t has no variance."""

UNUSUAL, ABSURD = 2.33, 3.1
"""Prior standard deviations of the log of the misfit's size, at its posterior median: one law in a hundred, and in a
thousand, misses its runs by more."""

OUTLYING, SEVERAL, SHARE = 4.0, 3, 0.1
"""Units of noise beyond which a row is an outlier; and how many, and what share of the rows, are more than odd runs,
which the noise is heavy-tailed for and `bayescale.forecast.odd` names."""

EXACT = 100
"""Runs up to which p values of one group against the others are exact."""

FEWEST = 2
"""Runs of a group that is compared with others."""

BINS = 0.1
"""Decades within which sizes, budgets or ratios are one."""

WIDE = 0.3
"""Decades that one bin spans at most: values without gaps, as sizes of IsoFLOP designs, are cut into such parts."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals of the fitted rows.

    Attributes
    ----------
    log : ndarray, shape (rows,)
        Log of measured over expected loss, posterior median.
    standard : ndarray, shape (rows,)
        The same in units of the row's noise.
    scale : ndarray, shape (rows,)
        Scale of the noise of a row's log loss, with that of its run.
    sigma, nu : ndarray, shape (draws,)
        Scale at the typical row, and degrees of freedom.
    """

    log: np.ndarray
    standard: np.ndarray
    scale: np.ndarray
    sigma: np.ndarray
    nu: np.ndarray


def check_fit(design: Design, z: np.ndarray) -> tuple[Check, ...]:
    """Check the residuals of the fitted runs.

    Parameters
    ----------
    design : Design
    z : ndarray, shape (chains, draws, size)
        Raw draws of the posterior.

    Returns
    -------
    tuple of Check
        By cell, size, budget and ratio where there are several with runs to compare, along inputs, and of the noise.
        Values are p values, of the noise its scale.
    """
    found = residuals(design, z)
    checks = [
        _by_group(name, design, found, group)
        for name, group in _groupings(design)
        if len(np.unique(group)) > 1
    ]
    along, curve = _along_inputs(design, found)
    misfit = _misfit(design, thinned(z), found) if design.misfit else None
    made = (*checks, along, misfit, _noise(design, found, curve))
    return tuple(replace(check, about="fit") for check in made if check is not None)


def thinned(z: np.ndarray) -> np.ndarray:
    """Return some of raw draws (chains, draws, size), shape (draws, size)."""
    flat = z.reshape(-1, z.shape[-1])
    return flat[:: max(1, len(flat) // DRAWS)]


def residuals(design: Design, z: np.ndarray) -> Residuals:
    """Return the residuals of the fitted rows, of raw draws (chains, draws, size)."""
    flat = thinned(z)
    log = np.log(design.loss) - np.median(np.log(fitted_loss(design, flat)), axis=0)
    noise = noise_of_draws(flat, layout_of(design), data_of(design))
    scales = row_scale(noise, design.decades, design.loss_se / design.loss)
    if "sigma_run" in noise:
        scales = np.hypot(scales, noise["sigma_run"])
    scale = np.median(scales, axis=0)
    return Residuals(log, log / scale, scale, np.median(scales, axis=1), np.asarray(noise["nu"]).ravel())


def _groupings(design: Design) -> Iterator[tuple[str, np.ndarray]]:
    yield "fit by cell", design.cell
    if "params" in design.inputs and (design.inputs["params"] > 0).all():
        yield "fit by size", _binned(design.inputs["params"])
    yield "fit by budget", _binned(10**design.decades)
    if {"params", "tokens"} <= design.inputs.keys() and (design.inputs["params"] > 0).all():
        with_tokens = design.inputs["tokens"] > 0
        if with_tokens.all():
            yield "fit by ratio", _binned(design.inputs["tokens"] / design.inputs["params"])


def _binned(x: np.ndarray) -> np.ndarray:
    """Number values in order, those of one bin alike: cut at gaps of more than `BINS`, and into parts of `WIDE`."""
    order = np.argsort(x, kind="stable")
    at = np.log10(x[order])
    gaps = np.concatenate([[0], np.cumsum(np.diff(at) > BINS)])
    ends = pd.Series(at).groupby(gaps).agg(["min", "max"])
    low, span = ends["min"].to_numpy()[gaps], np.ptp(ends.to_numpy(), axis=1)[gaps]
    parts = np.maximum(np.ceil(span / WIDE - 1e-9), 1)
    part = np.minimum(np.floor((at - low) / np.where(span > 0, span, 1) * parts + 1e-9), parts - 1)
    out = np.empty(len(x), int)
    out[order] = np.unique(np.column_stack([gaps, part]), axis=0, return_inverse=True)[1].ravel()
    return out


def _units(design: Design, values: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """One value a run and group: rows of one run are no independent witnesses of their group."""
    rows = pd.DataFrame({"run": design.run, "group": group, "value": values})
    units = rows.groupby(["run", "group"], as_index=False)["value"].mean()
    if len(units) > units["run"].nunique():
        # A run with values in several groups is its own control: what is off in all of them is the run's.
        several = units.groupby("run")["value"].transform("size") > 1
        centred = units["value"] - units.groupby("run")["value"].transform("mean")
        units["value"] = centred.where(several, units["value"])
    size = units.groupby("group")["value"].transform("size")
    return units[size >= FEWEST]


def _by_group(name: str, design: Design, found: Residuals, group: np.ndarray) -> Check | None:
    units = _units(design, found.standard, group)
    if units["group"].nunique() < 2:
        return None
    values, groups = units["value"].to_numpy(), units["group"].to_numpy()
    p = min(1.0, 2 * min(kruskal_wallis(values, groups), one_apart(values, groups)))
    each = units.groupby("group")["value"].agg(["median", "size"])
    left = units["value"] - units.groupby("group")["value"].transform("median")
    within = max(1.4826 * float(np.median(np.abs(left))), 1e-12)
    off = each["median"] / within
    verdict: Verdict = "PASS"
    if p < RARE:
        typical = float(np.median(found.scale))
        material = off.abs() * within * typical > MATERIAL
        verdict = "FAIL" if p < IMPOSSIBLE and bool((material & (off.abs() > MANY)).any()) else "REVIEW"
    named = off[(off * np.sqrt(each["size"])).abs() > WRONG_SIDE].abs().sort_values(ascending=False).index[:4]
    said = [_lies(name, design, found, group, int(one)) for one in named] or [
        _lies(name, design, found, group, int(off.abs().idxmax()))
    ]
    return Check(
        name, verdict, p, f"p at least {RARE:g}", said[0], f"{'; '.join(said)}. {_remedy(name, design)}"
    )


def _lies(name: str, design: Design, found: Residuals, group: np.ndarray, one: int) -> str:
    """Say how far a group lies off the fit: ``web:code 8.1 % above the fit``."""
    rows = np.flatnonzero(group == one)
    by = np.exp(np.median(found.log[rows])) - 1
    if name == "fit by cell":
        who = design.cell_labels[one]
    elif name == "fit by size":
        who = f"{np.median(design.inputs['params'][rows]):.3g} params"
    elif name == "fit by budget":
        who = f"{design.typical_flops * 10 ** np.median(design.decades[rows]):.3g} FLOPs"
    else:
        who = (
            f"{np.median(design.inputs['tokens'][rows] / design.inputs['params'][rows]):.3g} tokens per param"
        )
    share = float((np.sign(found.log[rows]) == np.sign(by)).mean())
    every = ", every row" if share == 1 and len(rows) > 2 else ""
    return f"{who} {100 * abs(by):.2g} % {'above' if by > 0 else 'below'} the fit{every}"


def _remedy(name: str, design: Design) -> str:
    if name != "fit by cell":
        return "The law has another shape than the runs there. Fit another law, or fewer scales."
    columns = list(design.cells.columns)
    have = {effects.factor for effects in design.effects}
    missing = [f for f in ((a, b) for i, a in enumerate(columns) for b in columns[i + 1 :]) if f not in have]
    if missing:
        a, b = missing[0]
        return f"Let {a} and {b} interact: add (1|{a}:{b}) to the formulas of the floor and the amplitudes."
    return "These groups differ in more than the pooling allows. Pool more parameters by group, or fit groups apart."


def kruskal_wallis(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the p value of Kruskal and Wallis's test that all groups have one distribution."""
    if np.ptp(values) == 0:
        return 1.0
    return float(kruskal(*(values[groups == one] for one in np.unique(groups))).pvalue)


def one_apart(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the p value that no group lies apart from all others: the least of Wilcoxon's, times the groups.

    Kruskal and Wallis's test asks whether all groups differ, and one that lies apart among many hardly moves it.
    """
    labels = np.unique(groups)
    # Exact where few runs would make the normal approximation's smallest p value too large.
    method = "exact" if len(values) <= EXACT else "asymptotic"
    found = [
        mannwhitneyu(values[groups == one], values[groups != one], method=method).pvalue for one in labels
    ]
    return min(1.0, len(labels) * float(np.min(found)))


def _along_inputs(design: Design, found: Residuals) -> tuple[Check | None, float]:
    """Whether neighbours along an input resemble each other, and the p value of it."""
    p, where = 1.0, ""
    tried = 0
    rows = pd.DataFrame({"run": design.run, "cell": design.cell, "value": found.standard})
    known = {name: np.log(x) for name, x in design.inputs.items() if (x > 0).all()}
    for axis, x in (known | {"flops": design.decades}).items():
        if np.ptp(x) < BINS:
            continue
        units = (
            rows.assign(x=x)
            .groupby(["run", "cell"], as_index=False)
            .agg(value=("value", "mean"), x=("x", "mean"))
        )
        ordered = units.sort_values(["cell", "x"], kind="stable")
        one = bartels(ordered["value"].to_numpy(), ordered["cell"].to_numpy())
        tried += np.isfinite(one)
        if one < p:
            p, where = one, axis
    if not tried:
        return None, 1.0
    p = min(1.0, p * tried)
    verdict: Verdict = "REVIEW" if p < RARE else "PASS"
    size = 100 * float(np.median(np.abs(found.log)) * 1.4826)
    advice = (
        f"Residuals of {size:.2g} % follow a curve along {where}: neighbours lie on one side of the fit. "
        "Fit another law, or turn on [misfit] in the model file."
    )
    return Check("fit along inputs", verdict, p, f"p at least {RARE:g}", where, advice), p


def bartels(values: np.ndarray, groups: np.ndarray) -> float:
    """Return the one-sided p value that neighbours are alike, by Bartels' (1982) rank ratio within groups.

    NaN where fewer than eight pairs of neighbours are there. Differences between groups do not count: ranks are
    within groups, and the sums over groups are compared with their exact mean and approximate variance.
    """
    total, mean, variance, pairs = 0.0, 0.0, 0.0, 0
    for group in np.unique(groups):
        ranks = rankdata(values[groups == group])
        n = len(ranks)
        if n < 4:
            continue
        # Sum of squared rank differences over (n^3 - n) / 12: mean 2, variance 4 (n-2)(5n^2-2n-9) / (5n(n+1)(n-1)^2).
        weight = n - 1
        total += weight * float((np.diff(ranks) ** 2).sum() / ((n**3 - n) / 12))
        mean += weight * 2.0
        variance += weight**2 * 4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2)
        pairs += n - 1
    return float(norm.cdf((total - mean) / np.sqrt(variance))) if pairs >= 8 else float("nan")


def _misfit(design: Design, z: np.ndarray, found: Residuals) -> Check:
    """Whether the law misses the runs by more than the model's prior grants it."""
    layout, data = layout_of(design), data_of(design)
    standard = split(z, layout).spreads
    own = len(layout.blocks)
    size = np.median(standard[:, own:], axis=0)
    worst = int(size.argmax())
    value, axis = float(size[worst]), design.misfit[worst].axis
    decade = 100 * float(np.exp(np.median(np.asarray(log_spreads(standard, data))[:, own + worst])))
    missed = np.exp(np.median(fitted_misfit(design, z), axis=0)) - 1
    each = pd.Series(missed).groupby(design.cell).agg(lambda x: x.iloc[int(np.abs(x).to_numpy().argmax())])
    named = each.abs().sort_values(ascending=False).index[:4]
    said = ", ".join(f"{design.cell_labels[i]} {100 * each[i]:+.2g} %" for i in named)
    # Tails that heavy beside it take up what even so much misfit cannot.
    both = value > UNUSUAL and _heavy(found)
    verdict: Verdict = "FAIL" if value > ABSURD or both else "REVIEW" if value > UNUSUAL else "PASS"
    advice = (
        f"One decade below the top of the runs, the law is off by {decade:.2g} % along {axis}; at most: {said}. "
        + _remedy("fit by cell", design)
    )
    return Check("misfit", verdict, value, f"at most {UNUSUAL:g} prior standard deviations", axis, advice)


def _heavy(found: Residuals) -> bool:
    far = int((np.abs(found.standard) > OUTLYING).sum())
    return bool(np.quantile(found.nu, 0.95) < NO_VARIANCE) and far >= max(
        SEVERAL, SHARE * len(found.standard)
    )


def _noise(design: Design, found: Residuals, curve: float) -> Check:
    """Whether scale and tails of the noise are those of runs that differ by their seed alone."""
    scale = float(np.median(found.sigma))
    # Who states a wider prior of the noise says that runs do scatter so.
    mean, sd = design.model.noise.sigma.normal("positive")
    limit = max(NOISY, float(np.exp(mean + norm.ppf(0.95) * sd)))
    verdict: Verdict = "PASS"
    said = ""
    if _heavy(found):
        verdict = "REVIEW"
        said = (
            f"The tails of the noise have {np.median(found.nu):.2g} degrees of freedom: a tenth of the runs or "
            "more lie far off the law. See which by bayescale check FIT.nc."
        )
    if scale > limit * (1 + 1e-9):
        verdict = "FAIL" if curve < CURVED else "REVIEW"
        said = (
            f"The law misses the runs by {100 * scale:.2g} % in a curve; fit another law."
            if curve < CURVED
            else f"Runs scatter by {100 * scale:.2g} % about the law. Runs that differ by their seed differ by 2 % at "
            "most: look for settings that differ between them, and group by these."
        )
    return Check("noise", verdict, scale, f"at most {limit:.3g} of the loss", "", said)
