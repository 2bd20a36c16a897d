"""The report's tables: text in cells, ready for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide import IsoFlopCheck, Verdict
from bayescale.forecast.beside import AVERAGE
from bayescale.forecast.beside import beside as fits_beside
from bayescale.forecast.extrapolation import extrapolation, level_text
from bayescale.forecast.held_out import HeldOut
from bayescale.models import Model
from bayescale.models.spec import LINKS, NOISE
from bayescale.numerals import count, interval, percent, scientific, significant
from bayescale.posterior import PosteriorData
from bayescale.report.diagnosis import Diagnosis
from bayescale.report.figures.priors import learned, narrowing
from bayescale.report.frontier import frontier
from bayescale.report.subject import Subject
from bayescale.skills.groups import Gaps

DASH = "–"
"""In a cell that has nothing to say."""


SHOWN_OF_A_PAIR = {
    "a better": "a is better",
    "b better": "b is better",
    "equivalent": "they are equivalent",
    "not shown": "no difference",
}
"""What the runs show of a pair, in the table's words."""

MOST_ODD = 20
ODD_COLUMNS = {"row", "run_id", "loss", "expected", "off", "scales", "p_odd"}


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
    """Return the actions with their probabilities, in the order they were given; with a utility, what each is worth."""
    decision = verdict.decision
    priced = decision.utility is not None
    gain = significant(decision.min_gain, 3)
    target = None if decision.target_loss is None else significant(decision.target_loss)
    head: tuple[str, ...] = (
        "",
        "action",
        "parameters",
        "tokens",
        "FLOPs",
        "how far",
        f"P(loss ≤\u00a0{target})" if target is not None else "P(worth its cost)",
        "loss of a run, 90 %",
    )
    if decision.utility is not None:
        unit = decision.utility.unit
        head += (f"cost [{unit}]", f"expected utility [{unit}]", f"regret, mean [{unit}]", "P(best)")
    else:
        head += ("expected gain", f"P(gain ≥\u00a0{gain})")
    rows = []
    for i, row in enumerate(verdict.table.to_dict("records")):
        trained = np.isfinite(row["params"])
        band = f"{significant(row['loss_median'])} [{interval(row['loss_q0.05'], row['loss_q0.95'])}]"
        cells: tuple[str, ...] = (
            str(i + 1),
            str(row["action"]),
            count(row["params"]) if trained else DASH,
            count(row["tokens"]) if trained else DASH,
            scientific(row["flops"]) if row["flops"] > 0 else DASH,
            level_text(row) if row["level"] else DASH,
            percent(row["p_target"]),
            band if trained else DASH,
        )
        if priced:
            cells += (
                significant(row["cost"], 3),
                f"{significant(row['utility'], 3)} ± {significant(row['utility_se'], 2)}",
                significant(row["regret"], 3),
                percent(row["p_best"]),
            )
        else:
            cells += (significant(row["gain"], 3), percent(row["p_gain"]))
        rows.append(cells)
    names = verdict.table["action"].astype(str).tolist()
    return Table(head, rows, text=2, marked=names.index(verdict.action))


def first_runs(verdict: Verdict) -> Table:
    """Return the runs to make first: best first, or with a utility in the order they were chosen."""
    first = verdict.first
    known = {"params", "tokens", "flops", "variance_removed", "sd_now", "sd_after", "cost", "gain"}
    labels = [str(c) for c in first.columns if c not in known]
    head: tuple[str, ...] = ("", *labels, "parameters", "tokens", "FLOPs")
    if verdict.decision.utility is not None:
        unit = verdict.decision.utility.unit
        head += (f"cost [{unit}]",)
    else:
        cost = float(verdict.table.loc[verdict.table["action"] == verdict.action, "flops"].iloc[0])
        head += ("of the action's cost", "variance removed", "sd left")
    rows = []
    for i, row in enumerate(first.to_dict("records")):
        cells: tuple[str, ...] = (
            str(i + 1),
            *(str(row[c]) for c in labels),
            count(row["params"]),
            count(row["tokens"]),
            scientific(row["flops"]),
        )
        if verdict.decision.utility is not None:
            cells += (significant(row["cost"], 3),)
        else:
            cells += (
                percent(row["flops"] / cost),
                percent(row["variance_removed"]),
                f"{100 * row['sd_after']:.2g}\u00a0%",
            )
        rows.append(cells)
    return Table(head, rows, text=1 + len(labels))


def budgets(subject: Subject) -> Table | None:
    """Return the compute-optimal run of each shown group at round budgets; None where the law has none."""
    steps = subject.round_budgets
    found = frontier(subject.posterior, subject.groups(subject.shown), steps)
    if not found:
        return None
    rows = []
    for i, one in zip(subject.shown, found, strict=True):
        points = pd.DataFrame({"flops": steps}).assign(**subject.groups([i]).iloc[0].to_dict())
        if one.params is not None and one.tokens is not None:
            points["params"], points["tokens"] = np.median(one.params, axis=0), np.median(one.tokens, axis=0)
        far = [level_text(row) for row in extrapolation(subject.posterior, points).to_dict("records")]
        for at, flops in enumerate(steps):
            row = [subject.cells[i], scientific(flops)]
            if one.params is not None and one.tokens is not None and one.ratio is not None:
                row += [_counted(one.params[:, at]), _counted(one.tokens[:, at]), _three(one.ratio[:, at], 3)]
            rows.append((*row, _three(one.loss[:, at], 4), far[at]))
    optimal = ("N*", "D*", "D* / N*") if found[0].params is not None else ()
    return Table(("group", "FLOPs", *optimal, "expected loss", "how far"), rows, text=1)


def contrasts(found: pd.DataFrame) -> Table | None:
    """Return pairs of groups with the probabilities that one is better; None where there are no pairs."""
    if not len(found):
        return None
    rows = [
        (
            str(row["a"]),
            str(row["b"]),
            f"{significant(row['difference'], 2)} [{interval(row['difference_q0.05'], row['difference_q0.95'], 2)}]",
            significant(row["equivalence"], 2),
            percent(row["p_a_better"]),
            percent(row["p_equivalent"]),
            percent(row["p_b_better"]),
            SHOWN_OF_A_PAIR[row["answer"]],
        )
        for row in found.to_dict("records")
    ]
    head = (
        "a",
        "b",
        "loss of b less that of a",
        "equivalent within",
        "P(a better)",
        "P(equivalent)",
        "P(b better)",
    )
    return Table((*head, "what the runs show"), rows, text=2)


def beside(subject: Subject) -> Table | None:
    """Return what every fit says of the compute-optimal runs beyond the data; None where there is one fit."""
    posterior, budgets = subject.posterior, subject.round_budgets[1:]
    if not subject.others:
        return None
    plans = []
    for i, one in zip(
        subject.shown, frontier(posterior, subject.groups(subject.shown), budgets) or [], strict=False
    ):
        if one.params is not None and one.tokens is not None:
            point = pd.DataFrame(
                {
                    "params": np.median(one.params, axis=0),
                    "tokens": np.median(one.tokens, axis=0),
                    "flops": budgets,
                }
            )
            plans.append(point.assign(**subject.groups([i]).iloc[0].to_dict(), name=subject.cells[i]))
    if not plans:
        return None
    points = pd.concat(plans, ignore_index=True)
    found = fits_beside({posterior.model.name: posterior, **subject.others}, points, subject.weights)
    rows = []
    for place, point in points.iterrows():
        for row in found[found["point"] == place].to_dict("records"):
            said = f"{significant(row['q0.5'], 4)} [{interval(row['q0.05'], row['q0.95'], 4)}]"
            share = "" if subject.weights is None or row["fit"] == AVERAGE else f"{row['weight']:.2f}"
            run = (
                str(point["name"]),
                scientific(point["flops"]),
                count(point["params"]),
                count(point["tokens"]),
            )
            rows.append((*run, str(row["fit"]), share, said))
    return Table(("group", "FLOPs", "N", "D", "fit", "weight", "loss of such a run"), rows, text=1)


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


def held_out(held: HeldOut) -> Table:
    """Return the joint check of held-out runs: both discrepancies with what they are where the forecast is right."""
    rows = [
        (name, significant(one.value, 3), significant(one.median, 3), significant(one.high, 3))
        for name, one in (
            ("all runs together", held.check.joint),
            ("one error shared by all", held.check.shared),
        )
    ]
    return Table(("discrepancy", "measured", "median if right", "95th percentile if right"), rows)


def folds(records: Sequence[Mapping[str, Any]]) -> Table:
    """Return how the fit forecast its own dearest and largest runs when it did not know them."""
    rows = [
        (
            f"top {fold['share']:.0%} of {fold['axis']}",
            str(fold["fitted"]),
            str(fold["forecast"]),
            ", ".join(f"{fold['decades'][axis]:.2f} in {axis}" for axis in fold["decades"]),
            f"{100 * fold['median_miss']:+.2f}\u00a0%".replace("-", "−"),
            f"{100 * fold['mean_abs_miss']:.2f}\u00a0%",
            f"{fold['inside90']:.0%}",
        )
        for fold in records
    ]
    head = (
        "left out",
        "fitted",
        "forecast",
        "furthest beyond, decades",
        "median miss",
        "mean miss",
        "inside 90 % band",
    )
    return Table(head, rows)


def gap_groups(found: Gaps) -> Table:
    """Return how each group fares between the two budgets, with its average before it."""
    rows = []
    for place in found.places.to_dict("records"):
        mine = found.groups
        for column in found.rest:
            mine = mine[mine[column] == place[column]]
        where = tuple(str(place[c]) for c in found.rest)
        rows.append(
            (
                *where,
                "average",
                significant(place["average"]),
                significant(place["average_later"]),
                percent(place["improves"]),
                *(DASH,) * 3,
            )
        )
        rows += [
            (
                *where,
                str(row[found.by]),
                significant(row["loss"]),
                significant(row["loss_later"]),
                percent(row["improves"]),
                percent(row["left_behind"]),
                f"{row['behind']:+.3g}".replace("-", "−"),
                percent(row["widens"]),
            )
            for row in mine.to_dict("records")
        ]
    head = (
        *found.rest,
        found.by,
        f"loss at {scientific(found.flops, 2)} FLOPs [{found.unit}]",
        f"at {scientific(found.later, 2)}",
        "P(improves)",
        "P(the average does, this does not)",
        "off the average",
        "P(it drifts further off)",
    )
    return Table(head, rows, text=len(found.rest) + 1)


def gap_pairs(found: Gaps) -> Table:
    """Return the gap of every pair of groups at the two budgets, and the probability that it grows."""
    rows = [
        (
            *(str(row[c]) for c in found.rest),
            str(row["worse"]),
            str(row["better"]),
            significant(row["gap"], 3),
            significant(row["gap_later"], 3),
            percent(row["grows"]),
            percent(row["grows_relative"]),
        )
        for row in found.pairs.to_dict("records")
    ]
    head = (
        *found.rest,
        "worse",
        "better",
        f"gap at {scientific(found.flops, 2)} FLOPs [{found.unit}]",
        f"at {scientific(found.later, 2)}",
        "P(it grows)",
        "P(it grows as a share of the loss)",
    )
    return Table(head, rows, text=len(found.rest) + 2)


def predictive(diagnosis: Diagnosis) -> Table:
    """Return the posterior predictive checks."""
    rows = [
        (
            str(row["check"]),
            significant(row["measured"], 3),
            significant(row["predicted"], 3),
            f"{row['p']:.3f}",
        )
        for row in diagnosis.predictive.to_dict("records")
    ]
    return Table(("check", "measured", "expected of such a table", "share of tables with less"), rows)


def sensitivity(diagnosis: Diagnosis) -> Table:
    """Return how far priors and runs move what all runs share."""
    rows = [
        (str(row["quantity"]), f"{row['prior']:.3f}", f"{row['likelihood']:.3f}", str(row["what"]))
        for row in diagnosis.sensitivity.to_dict("records")
    ]
    return Table(("quantity", "prior", "runs", "what moves it"), rows)


def odd(found: pd.DataFrame) -> Table:
    """Return the runs that the posterior finds odd, the first `MOST_ODD` of them."""
    rows = [
        (
            " ".join(str(row[c]) for c in found.columns if c == "run_id") or f"row {row['row']}",
            ":".join(str(row[c]) for c in found.columns if c not in ODD_COLUMNS),
            f"{row['loss']:.4g}",
            f"{row['expected']:.4g}",
            f"{100 * row['off']:+.1f}\u00a0%".replace("-", "−"),
            f"{row['scales']:+.1f}".replace("-", "−"),
            f"{row['p_odd']:.2f}",
        )
        for row in found.head(MOST_ODD).to_dict("records")
    ]
    head = ("run", "group", "loss", "expected", "off by", "in noise scales", "P(odd)")
    return Table(head, rows, text=2)


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
    for coefficient in posterior.design.coefficients:
        covariate = coefficient.covariate.covariate
        prior, draws = (
            model.coefficient_prior(coefficient.parameter, covariate),
            posterior.draws(coefficient.name),
        )
        rows.append(
            (
                coefficient.name,
                f"change of {_linked(model, coefficient.parameter)} per {covariate.unit}",
                interval(*prior.interval("real", 0.9), 3),
                _interval(draws),
                f"{narrowing(prior, 'real', draws):.2g}",
            )
        )
    for bundle in posterior.design.bundles:
        members = ", ".join(posterior.design.effects[i].name.split("|")[0] for i in bundle.members)
        mean, sd = model.correlation_prior(bundle.tag)
        low, high = (float(np.tanh(mean + side * 1.645 * sd)) for side in (-1, 1))
        draws = posterior.draws(f"cor{bundle.tag}").ravel()
        rows.append(
            (
                f"cor{bundle.tag}",
                f"correlation of the effects on {members}",
                interval(low, high, 3),
                _interval(draws),
                f"{(high - low) / np.ptp(np.quantile(draws, (0.05, 0.95))):.2g}",
            )
        )
    for effects in posterior.design.every_effect:
        factor = ":".join(effects.factor)
        prior = model.spread_prior(*effects.about)
        of = _linked(model, effects.parameter)
        if effects.covariate is not None:
            of = f"the slope of {of} in {effects.covariate.name}"
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


def _linked(model: Model, parameter: str) -> str:
    """What a parameter's effects are on, such as log A params0^-alpha."""
    if parameter == NOISE:
        return f"log {NOISE}"
    if parameter in model.moved:
        return f"log {parameter} that a run counts as,"
    found = model.definition.parameter(parameter)
    return f"{LINKS[found.support]} {found.centring.symbol if found.centring else parameter}".strip()


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
