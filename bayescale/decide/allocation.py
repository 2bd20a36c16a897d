"""Params and tokens for a budget and other constraints, from every draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.constraints import Constraints
from bayescale.decide.cost import CostLaw, cost_law
from bayescale.decide.critical_batch import trade_off
from bayescale.decide.datastore import INPUT, check_fixed, datastore_of, is_free
from bayescale.decide.errors import AllocationError, ConstraintError
from bayescale.decide.groups import groups_of
from bayescale.decide.levels import caution, with_levels, without_figures
from bayescale.decide.limits import RATIOS, make_limits
from bayescale.decide.optimum import numeric_optimum, optimum
from bayescale.decide.planning import Problem
from bayescale.decide.readable import ENDS, readable
from bayescale.decide.repetition import worth_draws
from bayescale.decide.uncertainty import plans
from bayescale.decide.valley import WITHIN, valley
from bayescale.flops import FlopRule
from bayescale.forecast.expected import Predictor
from bayescale.numerals import interval, percent, significant
from bayescale.posterior import PosteriorData

__all__ = [
    "RATIOS",
    "Allocation",
    "AllocationError",
    "allocate",
    "numeric_optimum",
    "optimum",
]

BELOW = 0.5
"""A budget under this share of the cheapest fitted run's compute is not allocated: the law was not fitted there."""


UNKNOWN = 3.0
"""Decades of tokens per parameter, between the ends of the 90 % interval, beyond which no optimum is known. The sizes
that anyone would weigh against each other, a tenth to ten thousand tokens per parameter, span five: an interval that
leaves out less than half of them rules next to nothing out."""

RATIO_DESIGN = "Train runs at a quarter and at four times those, at one budget or more"
"""What would tell it."""


@dataclass(frozen=True, eq=False)
class Allocation:
    """Posterior of the best run at each budget.

    Attributes
    ----------
    table : DataFrame
        A row per budget and group: median and 90 % interval of params, tokens, tokens per parameter and
        expected loss. Under constraints also what limits the median plan, and what it takes: epochs, steps, hours,
        money, energy, as far as the constraints say how to count them. Where the budget buys a datastore, also its
        tokens, its share of the compute, and ``gain``, the loss that the best plan without one has above this. Last,
        the extrapolation ``level`` of the median plan, ``decades_beyond`` and ``beyond_along``.
    draws : dict of ndarray
        ``params``, ``tokens``, ``loss``, and where a datastore is bought ``datastore_tokens``, ``datastore_share`` and
        ``gain``, with shape (draws, rows of the table).
    rule : FlopRule
        What compute costs.
    constraints : Constraints, optional
    notes : tuple of str
        What was assumed.
    problems : tuple of Problem
        One a row of the table.
    labels : list of dict
        Group and budget of every row.
    reference : dict
        The design's reference point.
    ratios : tuple of float
        Lowest and highest tokens per parameter among the fitted runs.
    """

    table: pd.DataFrame
    draws: dict[str, np.ndarray]
    rule: FlopRule
    constraints: Constraints | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    labels: list[dict[str, Any]] = field(default_factory=list)
    reference: Mapping[str, float] = field(default_factory=dict)
    ratios: tuple[float, float] = (np.nan, np.nan)

    @property
    def flops_per_param_token(self) -> float:
        """Typical k in C = k N D, to be printed."""
        return self.rule.typical

    @property
    def known(self) -> np.ndarray:
        """If the posterior knows the optimum, a row of the table: its tokens per parameter within `UNKNOWN` decades."""
        low, high = (self.table[f"tokens_per_param{end}"].to_numpy(float) for end in ENDS)
        return np.log10(high) - np.log10(low) <= UNKNOWN

    @property
    def unknown_sentence(self) -> str:
        """What the table is worth where the optimum is not known; empty where it is."""
        rows = self.table[~self.known]
        if rows.empty:
            return ""
        ends = (rows["tokens_per_param_q0.05"].min(), rows["tokens_per_param_q0.95"].max())
        where = "" if len(rows) == len(self.table) else f" in {len(rows)} of {len(self.table)} rows below"
        have = (
            interval(*self.ratios, 3)
            if self.ratios[1] > self.ratios[0] * 1.05
            else significant(self.ratios[0], 3)
        )
        return (
            f"These runs cannot tell the optimum{where}: tokens per parameter are anything from {interval(*ends, 2)} "
            f"(90 %). The runs have {have} tokens per parameter. {RATIO_DESIGN}."
        )

    def valley(self, within: Sequence[float] = WITHIN) -> pd.DataFrame:
        """Sizes nearly as good as the best one; see `bayescale.decide.valley.valley`."""
        if not within or not all(0 < share < 1 for share in within):
            raise AllocationError(
                f"a valley is within shares of the loss, between 0 and 1: got {list(within)}"
            )
        return self._each(lambda problem: valley(problem, within))

    def plans(self) -> pd.DataFrame:
        """One plan for all draws, with its regret; see `bayescale.decide.uncertainty.plans`."""
        return self._each(lambda problem: plans(problem, self.reference))

    def batches(self) -> pd.DataFrame:
        """The same loss faster or cheaper; see `bayescale.decide.critical_batch.trade_off`. Empty without a batch."""
        if "batch_tokens" not in self.table:
            return pd.DataFrame()
        made = [
            trade_off(row["loss"], row["tokens"], row["batch_tokens"]) for _, row in self.table.iterrows()
        ]
        return _labelled(self.labels, made)

    def _each(self, of: Any) -> pd.DataFrame:
        return _labelled(self.labels, [of(problem) for problem in self.problems])

    def __str__(self) -> str:
        rule = f"medians, with the ends of the 90 % interval; {self.rule}"
        shown = readable(without_figures(self.table)).to_string(index=False)
        lines = [self.unknown_sentence, shown, rule, *self.notes]
        return "\n".join(filter(None, lines))


def _labelled(labels: Sequence[Mapping[str, Any]], made: Sequence[pd.DataFrame]) -> pd.DataFrame:
    pieces = []
    for label, frame in zip(labels, made, strict=True):
        for i, (name, x) in enumerate(label.items()):
            frame.insert(i, name, x)
        pieces.append(frame)
    return pd.concat(pieces, ignore_index=True)


def allocate(
    posterior: PosteriorData,
    flops: Sequence[float] | None = None,
    groups: pd.DataFrame | None = None,
    fixed: Mapping[str, float] | None = None,
    constraints: Constraints | None = None,
) -> Allocation:
    """Posterior of N*, D* and L* at each budget.

    Parameters
    ----------
    posterior : PosteriorData
    flops : sequence of float, optional
        Budgets in FLOPs, of training and service together; may be left out where the constraints limit compute.
    groups : DataFrame, optional
        Grouping labels, a row a group; every cell of the fitted runs where absent. Columns that the law takes beside
        params and tokens, such as ``unique_tokens``, hold what they are fixed at.
    fixed : mapping, optional
        The same for every group.
    constraints : Constraints, optional
        Data, hardware, menu, service, batch and money, alone or together.

    Notes
    -----
    A law that takes ``datastore_tokens`` shares the budget between training and a datastore, C = k N D + r S; where
    `groups` or `fixed` say how many, that datastore is there already and costs nothing.

    Raises
    ------
    AllocationError
        No budget, one far below the cheapest fitted run, a law without an optimum or with inputs that are not given,
        or a plan that does not beat the rule of thumb.
    ConstraintError
        Constraints that leave nothing.
    """
    plain = constraints is None
    constraints = constraints or Constraints()
    budgets = _budgets(posterior, flops, constraints)
    law = posterior.model.definition
    given = {**(dict(groups) if groups is not None else {}), **(fixed or {})}
    check_fixed(law, given, constraints)
    store = datastore_of(posterior, constraints) if is_free(law, given) else None
    groups, others, cells = groups_of(
        posterior, groups, fixed, constraints, () if store is None else (INPUT,)
    )
    rule = posterior.flop_rule
    takes_unique = "unique_tokens" in law.inputs
    repeated = constraints.unique_tokens is not None and not takes_unique
    draws = len(posterior.z)
    worth = worth_draws(constraints.repetitions_worth, draws) if repeated else None
    measured = cost_law(posterior.runs, constraints.measured.column) if constraints.measured else None
    predictor = Predictor(posterior)
    rows, labels_of, problems, quantities = [], [], [], []
    for i, labels in enumerate(groups.to_dict("records")):
        values = {name: x[:, i] for name, x in cells.values.items()}
        for budget in budgets:
            cap = None
            if measured and constraints.measured and constraints.measured.at_most:
                cap = measured.tokens_at_most(constraints.measured.at_most, labels)
            problem = Problem(
                cells.law,
                values,
                others[i],
                make_limits(constraints, budget, rule, cap),
                unique_tokens=constraints.unique_tokens if repeated else None,
                worth=worth,
                batch=constraints.batch,
                datastore=store,
                discrepancy=predictor.discrepancy(labels),
            )
            spent = (
                budget
                if budget is not None
                else float(
                    np.median(rule.flops(problem.best.params, problem.limits.tokens(problem.best.params)))
                )
            )
            named = {str(c): label for c, label in labels.items()}
            problems.append(problem)
            labels_of.append({**named, "flops": spent})
            quantities.append(_quantities(problem))
            row = {**named, "flops": spent, **_quantiles(quantities[-1])}
            rows.append(
                row if plain else {**row, **_takes(problem, constraints), **_costs(problem, measured, labels)}
            )
    table = with_levels(posterior, pd.DataFrame(rows), fixed)
    return Allocation(
        table,
        {
            name: np.stack([x[name] for x in quantities], axis=1)
            for name in quantities[0]
            if name != "tokens_per_param"
        },
        rule,
        None if plain else constraints,
        (
            *([caution(table)] if caution(table) else []),
            *_notes(constraints, repeated, measured),
            *_about_datastores(problems, posterior, given),
        ),
        tuple(problems),
        labels_of,
        posterior.design.reference,
        _ratios(posterior.runs),
    )


def _ratios(runs: pd.DataFrame) -> tuple[float, float]:
    ratio = (runs["tokens"] / runs["params"]).to_numpy(float)
    return float(ratio.min()), float(ratio.max())


def _budgets(
    posterior: PosteriorData, flops: Sequence[float] | None, constraints: Constraints
) -> list[float | None]:
    if flops is None:
        if not constraints.limits_compute:
            raise ConstraintError(
                "nothing limits compute: give budgets in FLOPs, or hours, money, kwh or a measured cost"
            )
        return [None]
    budgets = np.asarray(list(flops), dtype=float)
    if not len(budgets) or not (np.isfinite(budgets) & (budgets > 0)).all():
        raise AllocationError(f"budgets are positive FLOPs: got {list(flops)}")
    known = posterior.flops_of(posterior.runs)
    cheapest = float(np.nanmin(known)) if np.isfinite(known).any() else 0.0
    if budgets.min() < BELOW * cheapest:
        raise AllocationError(
            f"a budget of {budgets.min():.3g} FLOPs is below the cheapest fitted run, {cheapest:.3g}: the law has not "
            f"been fitted there. Ask for at least {BELOW * cheapest:.2g}, or fit runs that are as cheap"
        )
    return [float(budget) for budget in budgets]


def _quantities(problem: Problem) -> dict[str, np.ndarray]:
    """What a plan is, draw by draw, in the order in which it is shown."""
    best, store = problem.best, problem.datastore
    found = {"params": best.params, "tokens": best.tokens, "tokens_per_param": best.tokens / best.params}
    if store is not None and best.datastore is not None:
        making = store.flops_per_token(best.params) * best.datastore
        training = problem.limits.rule.flops(best.params, best.tokens)
        found |= {INPUT: best.datastore, "datastore_share": making / (making + training)}
    found["loss"] = best.loss
    if store is not None and INPUT in problem.law.may_be_zero:
        without = replace(problem, datastore=None, fixed={**problem.fixed, INPUT: 0.0})
        found["gain"] = without.best.loss - best.loss
    return found


def _quantiles(quantities: Mapping[str, np.ndarray]) -> dict[str, float]:
    row = {}
    for name, x in quantities.items():
        row[name], row[f"{name}_q0.05"], row[f"{name}_q0.95"] = np.quantile(x, (0.5, 0.05, 0.95))
    return row


def _takes(problem: Problem, constraints: Constraints) -> dict[str, Any]:
    """What limits the median plan, and what it takes."""
    best, limits = problem.best, problem.limits
    params, tokens = best.params, best.tokens
    often = {name: float(np.mean(binds)) for name, binds in limits.binding(params).items()}
    limited = [name for name, share in often.items() if share > 0.5] or [max(often, key=lambda x: often[x])]
    if not len(limits.menu):
        for end, whose in ((limits.low, limits.explicit_low), (limits.high, limits.explicit_high)):
            if whose and np.mean(np.abs(np.log(params / end)) < 1e-6) > 0.5:
                limited.append(whose)
    row: dict[str, Any] = {"limited_by": " and ".join(limited)}
    if constraints.menu:
        size = float(np.median(params))
        names = [s.name for s in constraints.sizes if s.params <= size * (1 + 1e-9)]
        row["shape"] = names[-1] if names else constraints.sizes[0].name
        row["p_shape"] = float(np.mean(np.isclose(params, _nearest(limits.menu, size))))
    train = limits.rule.flops(params, tokens)
    if problem.datastore is not None:
        making = problem.datastore.flops_per_token(params) * best.datastore
        row["training_flops"], row["datastore_flops"] = float(np.median(train)), float(np.median(making))
        train = train + making
    service = limits.rule.flops(params, constraints.lifetime_tokens / 3)
    if constraints.lifetime_tokens:
        row.setdefault("training_flops", float(np.median(train)))
        row["service_flops"] = float(np.median(service))
    if constraints.unique_tokens:
        row["epochs"] = float(np.median(tokens / constraints.unique_tokens))
    if constraints.batch is not None:
        _, batch = problem.loss_and_batch(params, tokens)
        row["batch_tokens"], row["steps"] = float(np.median(batch)), float(np.median(tokens / batch))
    if constraints.mfu is not None and constraints.device is not None:
        row["device_hours"] = float(np.median(train)) / constraints.flops_per_device_hour
        row["hours"] = row["device_hours"] / constraints.devices
        row["kwh"] = float(np.median(train + service)) * constraints.kwh_per_flop
    if constraints.price_of_flop or constraints.price.token:
        fresh = np.minimum(tokens, constraints.unique_tokens or np.inf)
        money = constraints.price_of_flop * (train + service) + constraints.price.token * fresh
        row["money"] = float(np.median(money))
    return row


def _costs(problem: Problem, measured: CostLaw | None, labels: Mapping[str, Any]) -> dict[str, float]:
    if measured is None:
        return {}
    # A draw of the plan with a draw of what it costs: both are uncertain.
    cost = measured.draws_at(problem.best.params, problem.best.tokens, labels)
    name = measured.column
    return dict(
        zip(
            (name, f"{name}_q0.05", f"{name}_q0.95"),
            map(float, np.quantile(cost, (0.5, 0.05, 0.95))),
            strict=True,
        )
    )


def _nearest(menu: np.ndarray, size: float) -> float:
    return float(menu[np.argmin(np.abs(np.log(menu / size)))])


def _about_datastores(
    problems: Sequence[Problem], posterior: PosteriorData, given: Mapping[str, Any]
) -> list[str]:
    """What was assumed of the datastore, and where it leaves what was measured."""
    if INPUT not in posterior.model.definition.inputs:
        return []
    if INPUT in given:
        return ["the datastore is taken to be there already: making it is not paid from the budget"]
    store = problems[0].datastore
    if store is None:
        return []
    notes = [str(store)]
    bought = [problem.best.datastore for problem in problems if problem.best.datastore is not None]
    measured = float(posterior.runs[INPUT].max())
    if max(map(np.median, bought)) > measured:
        notes.append(
            f"the datastore is larger than the largest measured one, {measured:.3g} tokens, and the law falls without "
            "end in it: believe its size no further than that"
        )
    whole = max(float(np.mean(x >= store.at_most * (1 - 1e-6))) for x in bought)
    if whole > 0:
        notes.append(f"in {percent(whole)} of the draws the datastore is all of the corpus")
    return notes


def _notes(constraints: Constraints, repeated: bool, measured: CostLaw | None) -> list[str]:
    notes = []
    if repeated:
        if constraints.repetitions_worth is not None:
            worth = f"R_D* = {significant(constraints.repetitions_worth, 3)}"
        else:
            worth = "R_D* from its prior, 2 to 60"
        notes.append(
            f"repeated tokens by Muennighoff's law, {worth}: the runs behind this fit did not measure it"
        )
    if constraints.lifetime_tokens:
        notes.append(
            f"flops are those of training and of {constraints.lifetime_tokens:.3g} tokens served, a forward pass each"
        )
    if constraints.batch is not None:
        notes.append(
            "the critical batch is Kaplan's (2020, eq. 5.3), for his text and tokenizer; the fitted runs are taken to "
            "have been far below theirs"
        )
    if constraints.device is not None and constraints.mfu is not None:
        notes.append(f"hours at {percent(constraints.mfu)} of the peak")
    if measured is not None:
        notes.append(str(measured))
    return notes
