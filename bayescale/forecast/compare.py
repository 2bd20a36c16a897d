"""Laws against each other on the same runs: by leave-one-out, and by the forecast of runs that no fit has seen.

The two answer different questions. Leave-one-out asks how well a law predicts one more run *among* the measured ones;
the held-out record asks how well it forecasts dearer ones. Where both are there the forecast decides, because a
forecast is what a scaling law is for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.held_out import MASSES, HeldOut, held_out
from bayescale.forecast.known_runs import runs_of_points
from bayescale.forecast.scores import crps, predicted_quantiles
from bayescale.forecast.split_slopes import SplitSlopes, split_slopes
from bayescale.models import Model
from bayescale.numerals import percent, significant
from bayescale.posterior import PosteriorData

NEGLIGIBLE = 4.0
"""A smaller difference in elpd says nothing, whatever its standard error (Sivula et al. 2020, arXiv:2008.10296)."""
TELLING, CLEAR = 2.0, 4.0
"""Standard errors of a difference from which on it is worth saying, and is beyond doubt."""


class CompareError(UserError):
    """Laws that cannot be compared on these runs; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Laws against each other.

    Attributes
    ----------
    table : DataFrame
        A row a model, best first: ``rank`` (missing where the fit failed its health gate), ``model``, ``health``,
        ``elpd``, ``elpd_diff`` (behind the best of them) with ``elpd_diff_se``, stacking ``weight``, ``pareto_k_bad``
        (how many left-out runs the estimate cannot be trusted for); and where there are held-out runs ``error`` (mean
        absolute relative error of the median), ``bias`` (mean of predicted over measured, less one), ``inside50``,
        ``inside80``, ``inside90`` (shares), ``crps`` (in the unit of the loss) with ``crps_diff`` and
        ``crps_diff_se`` against the best, and ``forecast``: ``holds`` or ``fails``.
    sentence : str
        Which law to believe, and how sure that is.
    fitted, held_out : int
        Runs that were fitted, and held-out ones.
    left_out : str
        What leave-one-out leaves out: ``run`` or ``row``.
    notes : tuple of str
        What to know before believing the figures.
    slopes : SplitSlopes, optional
        Guo's test, where ``guo-free`` is among the laws.
    records : dict of HeldOut
        The held-out runs with their predictions, by model.
    """

    table: pd.DataFrame
    sentence: str
    fitted: int
    held_out: int
    left_out: str
    notes: tuple[str, ...]
    slopes: SplitSlopes | None
    records: dict[str, HeldOut]

    def __str__(self) -> str:
        what = f"{len(self.table)} models on {self.fitted} fitted rows"
        what += f" and {self.held_out} held-out ones" if self.held_out else ""
        lines = [what, "", _shown(self.table).to_string(index=False), "", self.sentence]
        lines += [f"note: {note}" for note in self.notes]
        if self.slopes is not None:
            lines += ["", str(self.slopes)]
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "models": self.table.to_dict("records"),
            "sentence": self.sentence,
            "fitted": self.fitted,
            "held_out": self.held_out,
            "left_out": self.left_out,
            "notes": list(self.notes),
            "slopes": None if self.slopes is None else self.slopes.to_dict(),
        }


def compare_posteriors(
    posteriors: Mapping[str, PosteriorData], holdout: pd.DataFrame | None = None
) -> Comparison:
    """Compare models that were fitted to the same runs.

    Parameters
    ----------
    posteriors : mapping of PosteriorData
        By the name to print.
    holdout : DataFrame, optional
        Runs that no fit has seen.

    Returns
    -------
    Comparison

    Raises
    ------
    CompareError
        Fewer than two models, or they were not fitted to the same rows.
    HeldOutError
        The held-out runs cannot test the forecast.
    """
    names = list(posteriors)
    if len(names) < 2:
        raise CompareError(f"a comparison needs at least two models: got {', '.join(names) or 'none'}")
    first = posteriors[names[0]]
    for name in names[1:]:
        _same_rows(names[0], first, name, posteriors[name])
    sound = [name for name in names if posteriors[name].health().sampling.verdict != "FAIL"]
    # The likelihood is a run's: all its rows are left out together.
    unit = "run" if first.design.several else "row"
    table = pd.DataFrame(
        {"model": names, "health": [posteriors[name].health().sampling.verdict for name in names]}
    ).set_index("model", drop=False)
    if sound:
        table = table.join(_leave_one_out({name: posteriors[name] for name in sound}))
    records = {} if holdout is None else {name: held_out(posteriors[name], holdout) for name in names}
    if records:
        table = table.join(_forecasts(posteriors, records, sound))
    best_first = ["crps"] if records else ["elpd"]
    table["passed"] = [name in sound for name in names]
    if sound:
        table = table.sort_values(
            ["passed", *best_first], ascending=[False, bool(records)], kind="stable", na_position="last"
        )
    ranks = pd.array([i + 1 if ok else None for i, ok in enumerate(table["passed"])], dtype="Int64")
    table = table.drop(columns="passed").reset_index(drop=True)
    table.insert(0, "rank", ranks)
    slopes = [split_slopes(posteriors[n]) for n in sound if posteriors[n].model.law == "guo-free"]
    return Comparison(
        table=table,
        sentence=_sentence(table, unit),
        fitted=len(first.runs),
        held_out=0 if holdout is None else len(holdout),
        left_out=unit,
        notes=(*_notes(table, unit, first), *_misfits(posteriors)),
        slopes=slopes[0] if slopes else None,
        records=records,
    )


def split_runs(runs: pd.DataFrame, split: str | None) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Runs to fit and runs to forecast, by a column that says ``fit`` or ``holdout``.

    Raises
    ------
    CompareError
        The column has no row ``fit``.
    """
    if split is None or split not in runs:
        return runs, None
    fitted, held = (runs[runs[split].astype(str) == what] for what in ("fit", "holdout"))
    if fitted.empty:
        raise CompareError(f"column {split}: no row says 'fit', so there is nothing to fit")
    return fitted, None if held.empty else held


def check_same_rows(runs: pd.DataFrame, models: Sequence[Model]) -> None:
    """Refuse a table on which the models would be judged by different rows, before anything is sampled.

    Raises
    ------
    CompareError
        A column that one of the laws needs is absent or has gaps, or the losses are of several metrics.
    """
    for model in models:
        for column in model.definition.inputs:
            if column not in runs:
                raise CompareError(
                    f"model {model.name!r} needs the column {column!r}, which the table lacks: leave the model out"
                )
            values = pd.to_numeric(runs[column], errors="coerce").to_numpy(float)
            bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
            if len(bad):
                raise CompareError(
                    f"model {model.name!r} needs the column {column!r}, and {len(bad)} of {len(runs)} rows have no "
                    f"positive number there (first: row {bad[0] + 1}). Laws are compared on the same rows: leave those "
                    f"out with --where '{column} > 0', or leave the model out"
                )
    metrics = sorted(set(map(str, runs["metric"]))) if "metric" in runs else []
    if len(metrics) > 1:
        raise CompareError(
            f"column metric: the losses are in several units ({', '.join(metrics)}); keep one with "
            "--where 'metric == \"...\"'"
        )


def _same_rows(a: str, one: PosteriorData, b: str, other: PosteriorData) -> None:
    same = len(one.runs) == len(other.runs) and np.array_equal(one.design.loss, other.design.loss)
    for column in ("run_id", "params", "tokens", "flops"):
        if same and column in one.runs and column in other.runs:
            same = bool((one.runs[column].to_numpy() == other.runs[column].to_numpy()).all())
    if not same:
        raise CompareError(
            f"{a!r} was fitted to {len(one.runs)} rows and {b!r} to {len(other.runs)}, which are not the same ones: "
            "fit both to the same table"
        )


def _leave_one_out(posteriors: Mapping[str, PosteriorData]) -> pd.DataFrame:
    """PSIS-LOO of every model and stacking weights (Vehtari et al. 2017; Yao et al. 2018), by `arviz-stats`."""
    from arviz_stats import compare as compare_elpd
    from arviz_stats import loo

    with warnings.catch_warnings():
        # Unreliable estimates are counted and said in words.
        warnings.simplefilter("ignore")
        found = {name: loo(p.tree, var_name="log_loss", pointwise=True) for name, p in posteriors.items()}
        if len(found) > 1:
            compared = compare_elpd(found, method="stacking")
            rows = compared[["elpd", "elpd_diff", "dse", "weight"]].rename(columns={"dse": "elpd_diff_se"})
        else:
            rows = pd.DataFrame(
                {n: (float(f.elpd), 0.0, 0.0, 1.0) for n, f in found.items()},
                index=["elpd", "elpd_diff", "elpd_diff_se", "weight"],
            ).T
    rows = rows.astype(float)
    # Its sign differs between versions of arviz-stats: here it is how far a model is behind the best.
    rows["elpd_diff"] = rows["elpd"].max() - rows["elpd"]
    bad = {name: int((np.asarray(f.pareto_k) > f.good_k).sum()) for name, f in found.items()}
    return rows.assign(pareto_k_bad=pd.Series(bad, dtype="Int64"))


def _forecasts(
    posteriors: Mapping[str, PosteriorData], records: Mapping[str, HeldOut], sound: Sequence[str]
) -> pd.DataFrame:
    rows, scores = {}, {}
    for name, record in records.items():
        off = record.quantile(0.5) / record.measured - 1
        scores[name] = crps(predicted_quantiles(posteriors[name], record.runs), record.measured)
        rows[name] = {
            "error": float(np.abs(off).mean()),
            "bias": float(off.mean()),
            **{f"inside{100 * mass:.0f}": float(record.inside(mass).mean()) for mass in MASSES},
            "crps": float(scores[name].mean()),
            "forecast": "fails" if record.broken else "holds",
        }
    out = pd.DataFrame.from_dict(rows, orient="index")
    best = out.loc[list(sound) or list(records), "crps"].idxmin()
    behind = {name: score - scores[best] for name, score in scores.items()}
    out["crps_diff"] = {name: float(x.mean()) for name, x in behind.items()}
    # The runs are the same, so the scores are compared run by run.
    out["crps_diff_se"] = {
        name: mean_error(x, runs_of_points(records[name].runs)[0]) for name, x in behind.items()
    }
    return out[[c for c in out if c != "forecast"] + ["forecast"]]


def mean_error(x: np.ndarray, run: np.ndarray) -> float:
    """Return the standard error of the mean of rows, those of one run counting as one; NaN of a single run."""
    total = np.bincount(run, weights=x - x.mean())
    runs = len(total)
    return float(np.sqrt(runs / (runs - 1) * (total**2).sum()) / len(x)) if runs > 1 else float("nan")


def _sentence(table: pd.DataFrame, unit: str) -> str:
    ranked = table[table["rank"].notna()]
    if ranked.empty:
        return "Believe none of them: no fit passed its health gate."
    return _by_forecast(ranked) if "crps" in table else _by_loo(ranked, unit)


def _by_forecast(ranked: pd.DataFrame) -> str:
    holding = ranked[ranked["forecast"] == "holds"]
    if holding.empty:
        near = ranked.iloc[0]
        return (
            f"Believe none of them beyond the fitted runs: every forecast misses more held-out runs than its bands "
            f"allow. The nearest is {near['model']}, off by {percent(near['error'], 1)}."
        )
    best = holding.iloc[0]
    inside = "all of which" if best["inside90"] == 1 else f"of which {percent(best['inside90'])}"
    said = (
        f"Believe {best['model']} for dearer runs: its median is off by {percent(best['error'], 1)} on the held-out "
        f"runs, {inside} lie inside its 90 % band"
    )
    others = ranked[ranked["model"] != best["model"]]
    failing = others.loc[others["forecast"] == "fails", "model"].tolist()
    if failing:
        said += f"; the forecast of {_list(failing)} fails there"
    rivals = others[others["forecast"] == "holds"]
    if len(rivals):
        # Scores are against the best score, which can be that of a law whose bands fail.
        near = rivals.iloc[0]
        gap, error = near["crps_diff"] - best["crps_diff"], near["crps_diff_se"]
        if not gap > TELLING * error:
            said += f", but it cannot be told from {near['model']} there"
        else:
            said += f"; {near['model']} is {'clearly ' if gap > CLEAR * error else ''}behind"
        said += f" (CRPS {significant(best['crps'], 3)} against {significant(near['crps'], 3)}, "
        said += f"difference {significant(gap, 2)} with standard error {significant(error, 2)})"
    lead = ranked.loc[ranked["elpd"].idxmax()]
    if lead["model"] == best["model"]:
        second = ranked.loc[ranked["model"] != best["model"]].sort_values("elpd_diff").iloc[:1]
        if len(second) and _strength(second.iloc[0]) == "hardly prefers":
            apart = _difference(second.iloc[0])
            return f"{said}. Leave-one-out among the fitted runs hardly tells them apart ({apart})."
        return f"{said}. Leave-one-out among the fitted runs puts it first too."
    row = ranked[ranked["model"] == best["model"]].iloc[0]
    return (
        f"{said}. Among the fitted runs leave-one-out {_strength(row)} {lead['model']} "
        f"({_difference(row)}): that is about runs like those, not dearer ones."
    )


def _by_loo(ranked: pd.DataFrame, unit: str) -> str:
    best = ranked.iloc[0]
    caution = (
        "This is about runs like the fitted ones; what it says of dearer ones only held-out runs can show."
    )
    if len(ranked) == 1:
        return (
            f"Only {best['model']} passed its health gate, so there is nothing to compare it with. {caution}"
        )
    near = ranked.iloc[1]
    if _strength(near) == "hardly prefers":
        said = f"Leave-one-{unit}-out cannot tell {best['model']} from {near['model']}"
    else:
        said = f"Believe {best['model']}: leave-one-{unit}-out {_strength(near)} it to {near['model']}"
    return f"{said} ({_difference(near)}). {caution}"


def _strength(row: pd.Series) -> str:
    """How strongly leave-one-out is for the best model against this one."""
    gap, error = row["elpd_diff"], row["elpd_diff_se"]
    if gap < NEGLIGIBLE or gap < TELLING * error:
        return "hardly prefers"
    return "clearly prefers" if gap > CLEAR * error else "prefers"


def _difference(row: pd.Series) -> str:
    gap, error = row["elpd_diff"], row["elpd_diff_se"]
    return f"difference in elpd {gap:.1f}, standard error {error:.1f}"


def _misfits(posteriors: Mapping[str, PosteriorData]) -> list[str]:
    """Which laws do not fit their runs: ranked among the others, and nothing to decide from."""
    return [
        f"{name} does not fit its runs ({', '.join(check.name for check in missed)}): {missed[0].advice}"
        for name, posterior in posteriors.items()
        if (missed := posterior.health().misfit)
    ]


def _notes(table: pd.DataFrame, unit: str, first: PosteriorData) -> list[str]:
    said = []
    failed = table.loc[table["rank"].isna(), "model"].tolist()
    if failed:
        said.append(f"{_list(failed)} failed the health gate: listed, not ranked, not to be used")
    review = table.loc[table["health"] == "REVIEW", "model"].tolist()
    if review:
        said.append(f"{_list(review)} passed the health gate with reservations; see `bayescale fit`")
    for row in table[table.get("pareto_k_bad", pd.Series(0, table.index)).fillna(0) > 0].to_dict("records"):
        said.append(
            f"{row['model']}: the elpd of {row['pareto_k_bad']} left-out {unit}s is not reliable (Pareto k too high): "
            "single runs decide a lot of this fit"
        )
    if unit == "run":
        said.append("rows of one run are left out together")
    return said


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a person reads it."""
    out = pd.DataFrame({"": table["rank"].map(lambda r: "-" if pd.isna(r) else f"{r:d}")})
    out["model"], out["health"] = table["model"], table["health"]
    if "elpd" in table:
        out["elpd"] = table["elpd"].map(_number("{:.1f}"))
        out["behind"] = [
            "-" if pd.isna(d) else f"{d:.1f} ± {e:.1f}"
            for d, e in zip(table["elpd_diff"], table["elpd_diff_se"], strict=True)
        ]
        out["weight"] = table["weight"].map(_number("{:.2f}"))
        out["bad k"] = table["pareto_k_bad"].map(_number("{:d}"))
    if "crps" in table:
        out["held out: error"] = table["error"].map("{:.2%}".format)
        out["bias"] = table["bias"].map("{:+.2%}".format)
        for mass in MASSES:
            out[f"in {100 * mass:.0f} %"] = table[f"inside{100 * mass:.0f}"].map("{:.0%}".format)
        out["CRPS"] = table["crps"].map("{:.4f}".format)
        out["forecast"] = table["forecast"]
    return out


def _number(form: str) -> Any:
    return lambda x: "-" if pd.isna(x) else form.format(x)


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
