"""Hoffmann et al.'s digitised runs: Besiroglu et al.'s five parameters and their errors, with and without outliers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

import bayescale as bs
from bayescale.laws import Range
from benchmarks.published.fits import Summary, fitted
from benchmarks.published.huber import NAMES, bootstrap_weights, huber_fit
from benchmarks.published.row import Row, Section, ratio_row
from benchmarks.published.tables import table

NEEDS = ("hoffmann_2022_digitised",)
SOURCE = "Besiroglu 2024"
PUBLISHED = bs.law("chinchilla").published[1]
OUTLIERS = 5
HUBER_RESAMPLES, NUTS_RESAMPLES, SIMULATIONS = 1000, 30, 200
DEFAULT = bs.Model.load("chinchilla")
# A nu of a thousand is a normal distribution; the range is narrow because the runs would pull a wide one to 3.
GAUSSIAN = DEFAULT.model_copy(
    update={
        "name": "chinchilla, Gaussian noise",
        "noise": DEFAULT.noise.model_copy(update={"nu": Range(999.0, 1001.0)}),
    }
)
INTERVALS = {
    "E": (1.769, 1.871),
    "A": (285.0, 744.0),
    "B": (1042.0, 5810.0),
    "alpha": (0.317, 0.373),
    "beta": (0.331, 0.415),
}
"""Besiroglu et al.'s 95 % bootstrap intervals."""
# Half the default length: thirty of these are fitted, each with its own gate.
SHORT = bs.Settings(warmup=500, draws=500)


def runs(keep_outliers: bool = False) -> pd.DataFrame:
    """The digitised runs in the order of their ids, without the five highest losses unless told otherwise."""
    every = table("hoffmann_2022_digitised").sort_values("loss", kind="stable")
    kept = every if keep_outliers else every.iloc[:-OUTLIERS]
    return kept.sort_values("run_id").reset_index(drop=True)


def bagged(kept: pd.DataFrame, resamples: int = NUTS_RESAMPLES) -> list[Summary]:
    """Posteriors of bootstrap resamples of the runs (BayesBag: Huggins and Miller 2019, arXiv:1912.07104)."""
    counts = bootstrap_weights(len(kept), resamples, seed=1).astype(int)
    out = []
    for i, count in enumerate(counts):
        # A run drawn twice stands for two runs: without ids they are not taken for two rows of one.
        again = kept.loc[np.repeat(kept.index, count)].drop(columns="run_id").reset_index(drop=True)
        out.append(fitted(f"resample {i + 1} of {resamples}", again, DEFAULT, settings=SHORT, seed=i))
    return out


def bagged_moments(posteriors: list[Summary], name: str) -> tuple[float, float, float]:
    """Mean, sd of the bagged posterior, and the sd of the posterior means alone."""
    means = np.array([p.mean[name] for p in posteriors])
    within = np.mean([p.sd[name] ** 2 for p in posteriors])
    return float(means.mean()), float(np.sqrt(within + means.var(ddof=1))), float(means.std(ddof=1))


def bagged_interval(posteriors: list[Summary], name: str) -> tuple[float, float]:
    """The central 95 % of the bagged posterior."""
    low, high = np.quantile(np.concatenate([p.draws[name] for p in posteriors]), (0.025, 0.975))
    return float(low), float(high)


def interval_row(name: str, ours: tuple[float, float], health: str) -> Row:
    """Two intervals, by their widths: of the logarithm for the amplitudes, whose errors are skewed."""
    scale = np.log if name in ("A", "B") else np.asarray
    published = INTERVALS[name]
    ratio = float(np.diff(scale(ours))[0] / np.diff(scale(published))[0])
    agrees = abs(ratio - 1) <= 0.3
    return Row(
        f"95 % interval of {name}: bagged posterior",
        f"{published[0]:.4g} to {published[1]:.4g} ({SOURCE})",
        f"{ours[0]:.4g} to {ours[1]:.4g}",
        f"width {'in ln ' if name in 'AB' else ''}{ratio - 1:+.0%}" + ("" if agrees else ", not within 30%"),
        agrees,
        health,
    )


def by_size(kept: pd.DataFrame) -> pd.DataFrame:
    """The runs, those of one model size declared to share an effect, as the rows of one run do."""
    return kept.assign(run_id=[f"size {i}" for i in size_groups(kept["params"].to_numpy(float))])


def size_groups(params: np.ndarray) -> np.ndarray:
    """Number of each run's model size: digitised sizes repeat to a fraction of a per cent, models differ by more."""
    x = np.log(params)
    order = np.argsort(x, kind="stable")
    group = np.empty(len(x), dtype=int)
    group[order] = np.cumsum(np.diff(x[order], prepend=x[order][0]) > 0.02)
    return group


def residuals(kept: pd.DataFrame, values: dict[str, float]) -> pd.DataFrame:
    """Log residuals of the runs, their leverage on the five parameters, and the model size they belong to."""
    inputs = {n: kept[n].to_numpy(float) for n in ("params", "tokens")}
    residual = np.log(kept["loss"].to_numpy()) - np.log(np.asarray(DEFAULT.definition.loss(values, inputs)))
    x, y = np.log(inputs["params"]), np.log(inputs["tokens"])
    size, data = values["A"] * np.exp(-values["alpha"] * x), values["B"] * np.exp(-values["beta"] * y)
    gradient = np.stack([np.ones_like(x), size, data, x * size, y * data], axis=1)
    gradient /= (values["E"] + size + data)[:, None]
    orthonormal = np.linalg.qr(gradient)[0]
    group = size_groups(inputs["params"])
    return pd.DataFrame({"residual": residual, "leverage": (orthonormal**2).sum(axis=1), "size": group})


def section() -> Section:
    kept, every = runs(), runs(keep_outliers=True)
    ours = fitted("Hoffmann, 240 runs, Student-t", kept, DEFAULT)
    gauss = fitted("Hoffmann, 240 runs, Gaussian", kept, GAUSSIAN)
    sized = fitted("Hoffmann, 240 runs, sizes share an effect", by_size(kept), DEFAULT)
    ours_all = fitted("Hoffmann, 245 runs, Student-t", every, DEFAULT)
    gauss_all = fitted("Hoffmann, 245 runs, Gaussian", every, GAUSSIAN)
    huber, huber_all = (dict(zip(NAMES, huber_fit(t)[0], strict=True)) for t in (kept, every))
    huber_boot = huber_fit(kept, bootstrap_weights(len(kept), HUBER_RESAMPLES)).std(axis=0, ddof=1)
    resampled = [s for s in bagged(kept) if s.passed]
    if not ours.passed:
        return Section("Hoffmann 2022", "", (Row.failed("all", SOURCE, ours.failures),))

    rng = np.random.default_rng(2)
    inputs = {n: kept[n].to_numpy(float) for n in ("params", "tokens")}
    centre = np.log(np.asarray(DEFAULT.definition.loss(ours.mean, inputs)))
    noise = ours.mean["sigma"] * rng.standard_t(ours.mean["nu"], size=(SIMULATIONS, len(kept)))
    huber_iid = huber_fit(kept, log_losses=centre + noise, steps=150).std(axis=0, ddof=1)

    rows = []
    for name in NAMES:
        value, error = PUBLISHED.values[name], PUBLISHED.sd[name]
        off = (ours.mean[name] - value) / error
        rows.append(
            Row(
                f"{name}, 240 runs",
                f"{value:.4g} ± {error:.3g} ({SOURCE})",
                ours.text(name),
                f"{off:+.2f} published errors",
                abs(off) <= 1,
                ours.verdict,
            )
        )
    for i, name in enumerate(NAMES):
        rows.append(
            ratio_row(
                f"error of {name}: Huber fit, bootstrap", PUBLISHED.sd[name], huber_boot[i], 0.3, SOURCE, "-"
            )
        )
    for name in NAMES:
        rows.append(
            ratio_row(
                f"error of {name}: posterior sd", PUBLISHED.sd[name], ours.sd[name], 0.3, SOURCE, ours.verdict
            )
        )
    for name in NAMES:
        spread = bagged_moments(resampled, name)[1]
        gate = f"{len(resampled)} of {NUTS_RESAMPLES} PASS"
        rows.append(
            ratio_row(f"error of {name}: bagged posterior", PUBLISHED.sd[name], spread, 0.3, SOURCE, gate)
        )
    for name in NAMES:
        rows.append(
            interval_row(name, bagged_interval(resampled, name), f"{len(resampled)} of {NUTS_RESAMPLES} PASS")
        )
    for label, fit in (("Gaussian noise", gauss), ("sizes share an effect", sized)):
        for name in NAMES:
            off = (fit.mean[name] - PUBLISHED.values[name]) / PUBLISHED.sd[name]
            rows.append(
                Row(
                    f"{name}, 240 runs, {label}",
                    f"{PUBLISHED.values[name]:.4g} ± {PUBLISHED.sd[name]:.3g} ({SOURCE})",
                    fit.text(name) if fit.passed else "no figure",
                    f"{off:+.2f} published errors, sd {fit.sd[name] / PUBLISHED.sd[name] - 1:+.0%}"
                    if fit.passed
                    else f"the fit did not pass: {fit.failures}",
                    None,
                    fit.verdict,
                )
            )
    found = residuals(kept, dict(ours.mean))
    kurtosis = float(stats.kurtosis(found["residual"]))
    rows.append(
        Row(
            "noise: degrees of freedom",
            "-",
            ours.text("nu"),
            f"heavy tails: excess kurtosis {kurtosis:.1f}",
            None,
            ours.verdict,
        )
    )
    rank = stats.spearmanr(found["leverage"], found["residual"].abs())
    rows.append(
        Row(
            "noise: size of residual with leverage",
            "0 if independent",
            f"Spearman {rank.statistic:.2f}",
            f"p = {rank.pvalue:.1g}",
            None,
        )
    )
    clipped = found["residual"].clip(-3 * ours.mean["sigma"], 3 * ours.mean["sigma"])
    f = stats.f_oneway(*(x for _, x in clipped.groupby(found["size"]) if len(x) > 1))
    rows.append(
        Row(
            "noise: runs of one model size off together",
            "F = 1 if independent",
            f"F = {f.statistic:.2f}",
            f"p = {f.pvalue:.1g}",
            None,
        )
    )
    for label, fit, fit_all in (("Student-t", ours, ours_all), ("Gaussian", gauss, gauss_all)):
        rows.append(
            Row(
                f"beta with the five outliers kept: {label}",
                "-",
                f"{fit.mean['beta']:.3f} -> "
                + (
                    f"{fit_all.mean['beta']:.3f} ± {fit_all.sd['beta']:.2g}"
                    if fit_all.passed
                    else "no figure"
                ),
                f"nu {fit_all.mean['nu']:.2g}" if label == "Student-t" else "",
                None,
                fit_all.verdict,
            )
        )
    rows.append(
        Row(
            "beta with the five outliers kept: Huber",
            "0.37 -> 0.45 (Besiroglu 2024)",
            f"{huber['beta']:.3f} -> {huber_all['beta']:.3f}",
            "",
            abs(huber["beta"] - 0.37) < 0.005 and abs(huber_all["beta"] - 0.45) < 0.005,
        )
    )
    sd = dict(zip(NAMES, huber_iid, strict=True))
    means_only = {n: bagged_moments(resampled, n)[2] for n in NAMES}
    notes = (
        "The five means are within one published error, and the published errors come back when their own estimator "
        "is resampled. The posterior's standard deviations are smaller than those errors, and that is not because "
        "the Huber estimator wastes information: on tables simulated with independent Student-t noise of our sigma "
        f"and nu it has a standard deviation of {sd['E']:.2g} in E, {sd['alpha']:.2g} in alpha and {sd['beta']:.2g} in "
        f"beta, where our posterior has {ours.sd['E']:.2g}, {ours.sd['alpha']:.2g} and {ours.sd['beta']:.2g}.",
        "It is because the noise is not independent and not equally wide. Residuals are larger where a run has much "
        "leverage (very large models, very few tokens), and runs of one model size are off together. A posterior that "
        "takes the noise as independent and identical is too sure of itself, by the factor the rows above show.",
        "Resampling needs no model of that. The posterior means of resampled tables vary by "
        + ", ".join(f"{means_only[n]:.2g} ({n})" for n in NAMES)
        + "; the bagged posterior, the mixture of the posteriors of the resamples (Huggins and Miller 2019), adds the "
        "posterior variance to that, and is conservative where the model is right.",
        "B is the one error that its standard deviation does not describe: it is skewed, and the largest of the "
        "resamples make most of it. The widths of the intervals in ln B say more.",
        "Two models that widen the posterior instead move it. Gaussian noise follows the outliers. An effect that all "
        "runs of one model size share widens E, A and alpha as it should, but calls a whole size odd where one run "
        "is, and beta moves by two published errors. Neither is shown as a reproduction.",
    )
    intro = (
        "The 245 runs of Hoffmann's Figure 4 as digitised by Besiroglu et al., law `chinchilla`; 240 are left without "
        "the five highest losses. Ours is the posterior mean ± sd [95 % interval]."
    )
    return Section("Hoffmann 2022, by Besiroglu 2024", intro, tuple(rows), notes)
