"""The past as a test: fit the cheaper runs, forecast the dearer ones, compare; ours beside the usual practice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.backtest_folds import BacktestError as BacktestError
from bayescale.forecast.backtest_folds import TestFold, check_fold, compute_of
from bayescale.forecast.baselines import USUAL, baselines
from bayescale.forecast.odd import odd_line, odd_runs
from bayescale.forecast.scores import BINS, COVERED, GRID, predicted_quantiles, score
from bayescale.forecast.stacking import STACKED, stacked, weights_of
from bayescale.models import Model
from bayescale.models.labels import label_text
from bayescale.posterior import PosteriorData

Fit = Callable[[pd.DataFrame, Model], PosteriorData]
OVERALL = "all"
SHOWN = 30
"""Groups that are printed; more are in `Backtest.scores`."""
SPREAD = 3
"""Of a record by distance: how many parts of equally many runs."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """What forecasts of known runs came to.

    Attributes
    ----------
    scores : DataFrame
        A row a method and group (``all`` first): ``method``, ``kind`` (model or baseline), ``health`` (worst over the
        folds; empty for a baseline), ``group``, the figures of `bayescale.forecast.scores.score`, and ``skill``: one
        less the CRPS over that of the usual practice, the Huber fit of every group.
    by_distance : DataFrame
        The same figures by decades of compute beyond the fitted runs, in parts of equally many runs: ``method``,
        ``from``, ``to``.
    folds : DataFrame
        A row a fold: ``fold``, ``fitted`` and ``held_out`` rows, ``flops_beyond`` and ``params_beyond`` (decades beyond
        the largest fitted, of the furthest run).
    fits : DataFrame
        A row a fold and model: ``fold``, ``model``, ``health``, ``missed`` (checks that did not pass), ``cpu_s``.
    forecasts : DataFrame
        A row a method and held-out run: ``method``, ``fold``, ``group``, ``flops``, ``beyond`` (decades of compute),
        ``loss`` and ``q0.01`` to ``q0.99``.
    notes : tuple of str
    weights : dict of float
        Stacking weights of the models, by all their forecasts (`bayescale.forecast.stacking`); empty with fewer than
        two whose every fit passed. The method ``stacked`` has each fold forecast by the weights of the folds before it.
    odd : DataFrame
        Held-out runs that a model finds odd (`bayescale.forecast.odd.odd_runs`), with ``model`` and ``fold``: either
        they are, or the forecast failed there.
    """

    scores: pd.DataFrame
    by_distance: pd.DataFrame
    folds: pd.DataFrame
    fits: pd.DataFrame
    forecasts: pd.DataFrame
    notes: tuple[str, ...]
    weights: dict[str, float]
    odd: pd.DataFrame

    @property
    def passed(self) -> bool:
        """Whether every model's fits passed, or passed with reservations."""
        return not (self.fits["health"] == "FAIL").any()

    def score(self, method: str, group: str = OVERALL) -> dict[str, Any]:
        """The figures of one method."""
        rows = self.scores[(self.scores["method"] == method) & (self.scores["group"] == group)]
        if rows.empty:
            raise KeyError(f"no score of {method!r} for {group!r}")
        return dict(rows.iloc[0])

    def __str__(self) -> str:
        held = int(self.folds["held_out"].sum())
        what = f"{held} held-out rows in {len(self.folds)} fold{'' if len(self.folds) == 1 else 's'}"
        lines = [what]
        lines += [f"  {_fold_line(row)}" for row in self.folds.to_dict("records")]
        whole = self.scores[self.scores["group"] == OVERALL]
        lines += ["", _shown(whole.drop(columns="group")).to_string(index=False)]
        groups = [g for g in dict.fromkeys(self.scores["group"]) if g != OVERALL]
        if 1 < len(groups) <= SHOWN:
            lines += ["", "CRPS by group", self._by_group(groups).to_string()]
        if len(set(self.by_distance["from"])) > 1:
            lines += ["", "by distance beyond the fitted runs", _by_distance(self.by_distance)]
        if self.weights:
            shares = ", ".join(f"{name} {weight:.2f}" for name, weight in self.weights.items())
            lines += ["", f"stacking weights by these forecasts: {shares}"]
        if len(self.odd):
            lines += ["", "held-out runs far off their forecast"]
            lines += [
                f"  {row['model']}, {row['fold']}: {odd_line(row)}"
                for row in self.odd.to_dict("records")[:SHOWN]
            ]
        return "\n".join([*lines, *(["", *(f"note: {n}" for n in self.notes)] if self.notes else [])])

    __repr__ = __str__

    def _by_group(self, groups: list[str]) -> pd.DataFrame:
        table = self.scores.pivot_table(index="group", columns="method", values="crps")
        counts = self.scores.drop_duplicates("group").set_index("group")["n"]
        out = table.loc[groups, list(dict.fromkeys(self.scores["method"]))].map("{:.4f}".format)
        out.insert(0, "n", counts[groups])
        out.index.name = out.columns.name = None
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: scores, record by distance, folds, fits, and quantiles of every held-out run."""
        forecasts = self.forecasts
        columns = [
            "method",
            "fold",
            "group",
            "flops",
            "beyond",
            "loss",
            "q0.05",
            "q0.25",
            "q0.5",
            "q0.75",
            "q0.95",
        ]
        return {
            "scores": self.scores.to_dict("records"),
            "by_distance": self.by_distance.to_dict("records"),
            "folds": self.folds.to_dict("records"),
            "fits": self.fits.to_dict("records"),
            "forecasts": forecasts[columns].to_dict("records"),
            "notes": list(self.notes),
            "weights": self.weights,
            "odd": self.odd.to_dict("records"),
        }


def backtest_folds(
    folds: Sequence[TestFold],
    models: Sequence[Model],
    fit: Fit,
    seed: int = 0,
    against: bool = True,
    announce: Callable[[str], None] | None = None,
) -> Backtest:
    """Fit, forecast and score every fold.

    Parameters
    ----------
    folds : sequence of TestFold
    models : sequence of Model
    fit : callable
        Fits a model to a table.
    seed : int
        Of the forecasts' noise and of the baselines' resamples.
    against : bool
        Whether the baselines come along; skill needs them.
    announce : callable, optional
        Told what is being done, a line at a time.

    Raises
    ------
    BacktestError
        Losses are missing, or a fold has too few runs.
    """
    say = announce or (lambda text: None)
    for fold in folds:
        check_fold(fold, models)
    grouping = _grouping(folds, models)
    pieces, fits, odd = [], [], []
    notes: list[str] = []
    for i, fold in enumerate(folds):
        where = f"{fold.name} ({i + 1} of {len(folds)})" if len(folds) > 1 else fold.name
        say(f"{where}: {len(fold.fitted)} rows to fit, {len(fold.held)} to forecast")
        for model in models:
            say(f"{where}: {model.name}: sampling by NUTS ...")
            began = time.process_time()
            posterior = fit(fold.fitted, model)
            # How wrong a law is, its forecasts tell: only draws that are not the posterior's are set aside.
            health = posterior.health().sampling
            quantiles = predicted_quantiles(posterior, fold.held.reset_index(drop=True), seed)
            fits.append(
                {
                    "fold": fold.name,
                    "model": model.name,
                    "health": health.verdict,
                    "missed": "; ".join(health.missed),
                    "cpu_s": time.process_time() - began,
                }
            )
            pieces.append(_forecasts(model.name, "model", fold, quantiles, grouping))
            odd.append(odd_runs(posterior, fold.held).assign(model=model.name, fold=fold.name))
            say(f"{where}: {model.name}: health {health.verdict}, {fits[-1]['cpu_s']:.0f} s of CPU")
        if against:
            say(f"{where}: baselines ...")
            for one in baselines(fold.fitted, fold.held, grouping, seed):
                pieces.append(_forecasts(one.name, "baseline", fold, one.quantiles, grouping))
                notes += one.notes
    forecasts = pd.concat(pieces, ignore_index=True)
    columns = ["fold", "model", "health", "missed", "cpu_s"]
    checked = pd.DataFrame(fits, columns=columns)
    failed = checked[checked["health"] == "FAIL"]
    sound = [model.name for model in models if model.name not in set(failed["model"])]
    weights = {}
    if len(sound) > 1:
        weights = weights_of(forecasts, sound)
        mixture = stacked(forecasts, sound, [fold.name for fold in folds])
        # Before the baselines, as the models are.
        ours = forecasts["kind"] == "model"
        forecasts = pd.concat([forecasts[ours], mixture, forecasts[~ours]], ignore_index=True)
    notes = [
        *(
            f"{r['model']}, {r['fold']}: the fit FAILED its health gate ({r['missed']}): its scores are not to be used"
            for r in failed.to_dict("records")
        ),
        *notes,
    ]
    if against and USUAL not in set(forecasts["method"]):
        notes.append("no skill: the usual practice needs the columns params and tokens")
    return Backtest(
        _scores(forecasts, checked),
        _distances(forecasts),
        pd.DataFrame([fold.record() for fold in folds]),
        checked,
        forecasts,
        tuple(dict.fromkeys(notes)),
        weights,
        pd.concat(odd, ignore_index=True) if odd else pd.DataFrame(),
    )


def _grouping(folds: Sequence[TestFold], models: Sequence[Model]) -> list[str]:
    """Columns that the models group by and that have several labels; without a model, the usual ones."""
    wanted = [c for model in models for c in model.grouping_columns] or ["architecture", "task"]
    every = pd.concat([table for fold in folds for table in (fold.fitted, fold.held)])
    return [
        c for c in dict.fromkeys(wanted) if c in every and every[c].notna().all() and len(set(every[c])) > 1
    ]


def _forecasts(
    method: str, kind: str, fold: TestFold, quantiles: np.ndarray, grouping: list[str]
) -> pd.DataFrame:
    labels = [fold.held[c].map(label_text).to_list() for c in grouping]
    group = [":".join(row) for row in zip(*labels, strict=True)] if labels else [OVERALL] * len(fold.held)
    about = pd.DataFrame(
        {
            "method": method,
            "kind": kind,
            "fold": fold.name,
            "group": group,
            "flops": compute_of(fold.held),
            "beyond": fold.beyond("flops"),
            "loss": fold.held["loss"].to_numpy(float),
        }
    )
    return pd.concat([about, pd.DataFrame(quantiles, columns=[f"q{p:g}" for p in GRID])], axis=1)


def _score(rows: pd.DataFrame) -> dict[str, Any]:
    return score(rows[[f"q{p:g}" for p in GRID]].to_numpy(float), rows["loss"].to_numpy(float))


def _scores(forecasts: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    order = {"PASS": 0, "REVIEW": 1, "FAIL": 2}
    health = {str(m): max(v, key=order.__getitem__) for m, v in fits.groupby("model")["health"]}
    # Only what did not fail is in the mixture.
    health[STACKED] = max((v for v in health.values() if v != "FAIL"), key=order.__getitem__, default="")
    found = []
    for (method, kind), rows in forecasts.groupby(["method", "kind"], sort=False):
        about = {
            "method": method,
            "kind": kind,
            "health": health.get(str(method), "") if kind == "model" else "",
        }
        found.append({**about, "group": OVERALL, **_score(rows)})
        if len(set(rows["group"])) > 1:
            found += [{**about, "group": g, **_score(part)} for g, part in rows.groupby("group")]
    out = pd.DataFrame(found)
    usual = out[out["method"] == USUAL].set_index("group")["crps"]
    out["skill"] = 1 - out["crps"] / out["group"].map(usual) if len(usual) else np.nan
    # What failed its gate comes last among the models.
    last = (out["kind"] == "baseline").astype(int) * 2 + (out["health"] == "FAIL").astype(int)
    return out.iloc[np.argsort(last, kind="stable")].reset_index(drop=True)


def _distances(forecasts: pd.DataFrame) -> pd.DataFrame:
    beyond = forecasts["beyond"]
    if beyond.isna().any() or np.ptp(beyond) == 0:
        return pd.DataFrame(columns=["method", "from", "to"])
    edges = np.unique(np.quantile(beyond, np.linspace(0, 1, SPREAD + 1)))
    part = np.clip(np.searchsorted(edges, beyond, side="left") - 1, 0, len(edges) - 2)
    return pd.DataFrame(
        [
            {"method": method, "from": float(edges[i]), "to": float(edges[i + 1]), **_score(rows)}
            for (method, i), rows in forecasts.groupby(["method", part], sort=False)
        ]
    )


def _fold_line(row: dict[str, Any]) -> str:
    said = f"{row['fold']}: {row['fitted']} rows fitted, {row['held_out']} forecast"
    reach = [
        f"{row[f'{axis}_beyond']:.2f} decades of {name}"
        for axis, name in (("flops", "compute"), ("params", "size"))
        if row[f"{axis}_beyond"] >= 0.005
    ]
    return f"{said}, up to {' and '.join(reach)} beyond" if reach else said


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Scores as a person reads them."""
    out = pd.DataFrame({"": table["method"], "health": table["health"].where(table["health"] != "", "-")})
    out["n"] = table["n"]
    out["error"] = table["error"].map("{:.2%}".format)
    out["bias"] = table["bias"].map("{:+.2%}".format)
    out["rmsle"] = table["rmsle"].map("{:.4f}".format)
    for mass in COVERED:
        out[f"in {100 * mass:.0f} %"] = table[f"inside{100 * mass:.0f}"].map("{:.0%}".format)
    out["width 90 %"] = table["width90"].map("{:.1%}".format)
    out["CRPS"] = table["crps"].map("{:.4f}".format)
    out["log score"] = table["log_score"].map(lambda x: "-" if pd.isna(x) else f"{x:.2f}")
    out["skill"] = table["skill"].map(lambda x: "-" if pd.isna(x) else f"{x:+.2f}")
    out[f"PIT in {BINS} bins"] = table["pit"].map(lambda counts: " ".join(map(str, counts)))
    return out


def _by_distance(table: pd.DataFrame) -> str:
    out = pd.DataFrame({"": table["method"]})
    out["decades of compute"] = [
        f"{a:.2f} to {b:.2f}" for a, b in zip(table["from"], table["to"], strict=True)
    ]
    out["n"] = table["n"]
    out["error"] = table["error"].map("{:.2%}".format)
    out["in 90 %"] = table["inside90"].map("{:.0%}".format)
    out["CRPS"] = table["crps"].map("{:.4f}".format)
    return out.to_string(index=False)
