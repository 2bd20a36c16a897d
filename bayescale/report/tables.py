"""The report's tables: text in cells, ready for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.decide import IsoFlopCheck, Verdict
from bayescale.models import Model
from bayescale.models.spec import LINKS
from bayescale.numerals import count, interval, percent, scientific, significant
from bayescale.posterior import PosteriorData
from bayescale.report.figures.priors import learned, narrowing
from bayescale.report.frontier import frontier
from bayescale.report.subject import Subject


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes
    ----------
    head : tuple of str
    rows : sequence of tuple of str
    text : int
        How many columns from the left are words; the rest are numbers.
    marked : int or None
        A row to bring out.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    text: int = 1
    marked: int | None = None


def actions(verdict: Verdict) -> Table:
    """Return the actions with their probabilities, in the order they were given."""
    target, gain = significant(verdict.decision.target_loss), significant(verdict.decision.min_gain, 3)
    head: tuple[str, ...] = (
        "",
        "action",
        "parameters",
        "tokens",
        "FLOPs",
        "decades beyond data",
        f"P(loss ≤\u00a0{target})",
    )
    head += ("loss of a run, 90 %", "expected gain", f"P(gain ≥\u00a0{gain})")
    rows = [
        (
            str(i + 1),
            str(row["action"]),
            count(row["params"]),
            count(row["tokens"]),
            scientific(row["flops"]),
            f"{row['decades_beyond']:+.1f}".replace("-", "−"),
            percent(row["p_target"]),
            f"{significant(row['loss_median'])} [{interval(row['loss_q0.05'], row['loss_q0.95'])}]",
            significant(row["gain"], 3),
            percent(row["p_gain"]),
        )
        for i, row in enumerate(verdict.table.to_dict("records"))
    ]
    names = verdict.table["action"].astype(str).tolist()
    return Table(head, rows, text=2, marked=names.index(verdict.action))


def first_runs(verdict: Verdict) -> Table:
    """Return the runs to make first, best first."""
    first = verdict.first
    known = {"params", "tokens", "flops", "variance_removed", "sd_now", "sd_after"}
    labels = [str(c) for c in first.columns if c not in known]
    cost = float(verdict.table.loc[verdict.table["action"] == verdict.action, "flops"].iloc[0])
    rows = [
        (
            str(i + 1),
            *(str(row[c]) for c in labels),
            count(row["params"]),
            count(row["tokens"]),
            scientific(row["flops"]),
            percent(row["flops"] / cost),
            percent(row["variance_removed"]),
            f"{100 * row['sd_after']:.2g}\u00a0%",
        )
        for i, row in enumerate(first.to_dict("records"))
    ]
    head = (
        "",
        *labels,
        "parameters",
        "tokens",
        "FLOPs",
        "of the action's cost",
        "variance removed",
        "sd left",
    )
    return Table(head, rows, text=1 + len(labels))


def budgets(subject: Subject) -> Table | None:
    """Return the compute-optimal run of each shown group at round budgets; None where the law has none."""
    first = int(np.floor(np.log10(subject.dearest)))
    last = max(first + 1, int(np.floor(np.log10(subject.budgets[-1]))))
    steps = [10.0**e for e in range(first, last + 1)]
    steps = steps[:1] + steps[-3:] if len(steps) > 4 else steps
    found = frontier(subject.posterior, subject.groups(subject.shown), steps)
    if not found:
        return None
    rows = []
    for i, one in zip(subject.shown, found, strict=True):
        for at, flops in enumerate(steps):
            row = [subject.cells[i], scientific(flops)]
            if one.params is not None and one.tokens is not None and one.ratio is not None:
                row += [_counted(one.params[:, at]), _counted(one.tokens[:, at]), _three(one.ratio[:, at], 3)]
            rows.append((*row, _three(one.loss[:, at], 4)))
    optimal = ("N*", "D*", "D* / N*") if found[0].params is not None else ()
    return Table(("group", "FLOPs", *optimal, "expected loss"), rows, text=1)


def isoflop(check: IsoFlopCheck) -> Table:
    """Return the minimum of every IsoFLOP curve beside the law's optimum."""
    rows = []
    for row in check.table.to_dict("records"):
        read = [[row[f"{name}{q}"] for q in ("_q0.05", "", "_q0.95")] for name in ("params", "law_params")]
        known = np.isfinite(row["ratio"])
        apart = (
            f"{row['ratio']:.2f} [{row['ratio_q0.025']:.2f} to {row['ratio_q0.975']:.2f}]" if known else "–"
        )
        rows.append(
            (
                str(row["group"]),
                scientific(row["flops"]),
                str(row["runs"]),
                *(f"{count(x[1])} [{count(x[0])} to {count(x[2])}]" if known else "–" for x in read),
                f"{100 * row['bias']:+.1f}\u00a0%".replace("-", "−") if known else "–",
                apart,
                "" if row["status"] == "ok" else f"left out: {row['status']}",
            )
        )
    head = ("group", "FLOPs", "runs", "N* of the curve", "N* of the law", "bias taken off", "ratio", "")
    return Table(head, rows, text=1)


def _three(bands: np.ndarray, digits: int) -> str:
    return f"{significant(bands[2], digits)} [{interval(bands[0], bands[4], digits)}]"


def _counted(bands: np.ndarray) -> str:
    return f"{count(bands[2])} [{count(bands[0])} to {count(bands[4])}]"


def model_priors(subject: Subject) -> Table:
    """Return the 90 % range of every prior with what it is of, and what became of it."""
    posterior = subject.posterior
    model = posterior.model
    rows = []
    meanings = _meanings(model)
    for name, prior, support, draws in learned(subject):
        now = _interval(draws)
        rows.append(
            (
                name,
                meanings[name],
                interval(*prior.interval(support, 0.9), 3),
                now,
                f"{narrowing(prior, support, draws):.2g}",
            )
        )
    for effects in posterior.design.effects:
        factor = ":".join(effects.factor)
        prior, support = (
            model.spread_prior(effects.parameter, effects.factor),
            model.definition.parameter(effects.parameter).support,
        )
        centring = model.definition.parameter(effects.parameter).centring
        of = f"{LINKS[support]} {centring.symbol if centring else effects.parameter}".strip()
        draws = posterior.draws(f"{effects.name}_sd")
        now = _interval(draws)
        rows.append(
            (
                f"{effects.name}_sd",
                f"standard deviation of {of} between levels of {factor}",
                interval(*prior.interval("positive", 0.9), 3),
                now,
                f"{narrowing(prior, 'positive', draws):.2g}",
            )
        )
    return Table(("prior", "of what", "90 % before", "90 % after", "times narrower"), rows, text=2)


def _interval(draws: np.ndarray) -> str:
    low, high = np.quantile(draws, (0.05, 0.95))
    return interval(low, high, 3)


def _meanings(model: Model) -> dict[str, str]:
    found = {}
    for p in model.definition.parameters:
        if p.centring:
            found[p.centring.symbol] = f"{p.centring.meaning}, population mean [{p.centring.unit}]"
        else:
            found[p.name] = f"{p.meaning}, population mean [{p.unit}]"
    return found | {
        "sigma": "scale of the relative noise of one row",
        "sigma_decade": "what sigma is multiplied by for every tenfold compute",
        "sigma_run": "scale of what the rows of one run share",
        "nu": "degrees of freedom of the noise; small: odd runs are expected",
    }


def parameters(posterior: PosteriorData) -> tuple[Table, Table]:
    """Return median, 90 % interval, R-hat and ESS: of what is shared by all runs, and of everything else."""
    summary = posterior.summary(0.9).reset_index(drop=True)
    labels, draws, shared = [], [], []
    for name in map(str, posterior.tree["posterior"].data_vars):
        values = posterior.draws(name)
        flat = values.reshape(len(values), -1)
        of = posterior.tree["posterior"][name].dims[2:]
        coords = [""] if not of else [f"[{c}]" for c in posterior.tree["posterior"][of[0]].to_numpy()]
        labels += [f"{name}{c}" for c in coords]
        draws += list(flat.T)
        shared += [not of] * flat.shape[1]
    if len(labels) != len(summary):
        raise AssertionError("the summary and the posterior do not list the same quantities")
    table = pd.DataFrame({"name": labels, "shared": shared, "median": [np.median(x) for x in draws]}).join(
        summary
    )
    return _summary(table[table["shared"]]), _summary(table[~table["shared"]])


def _summary(table: pd.DataFrame) -> Table:
    rows = [
        (
            str(row["name"]),
            significant(row["median"]),
            interval(row["eti90_lb"], row["eti90_ub"]),
            f"{row['r_hat']:.3f}",
            f"{row['ess_bulk']:.0f}",
            f"{row['ess_tail']:.0f}",
        )
        for row in table.to_dict("records")
    ]
    return Table(("quantity", "median", "90 % interval", "R-hat", "bulk ESS", "tail ESS"), rows)


def published(posterior: PosteriorData) -> Table | None:
    """Return published values of the law; None where there are none."""
    law = posterior.model.definition
    if not law.published:
        return None
    rows = [
        (
            p.label,
            *(significant(p.values[n], 4) if n in p.values else "" for n in law.parameter_names),
            p.citation,
        )
        for p in law.published
    ]
    here: Sequence[str] = [
        significant(float(np.median(posterior.draws(f"{n}_mean")))) for n in law.parameter_names
    ]
    return Table(
        ("source", *law.parameter_names, "where"),
        [("these runs, population median", *here, "this page"), *rows],
        marked=0,
    )
