"""When there is no answer: the probabilities mean nothing, or are about runs that nothing vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.decision import Action, Decision
from bayescale.decide.outcomes import action_point, flops_of, point_of
from bayescale.decide.refusal import Refusal, RefusalReason
from bayescale.forecast import HeldOut
from bayescale.forecast.extrapolation import (
    AS_FAR,
    RATIO,
    UNCHECKED,
    WORDS,
    Level,
    believed_decades,
    distances,
    extrapolation,
    furthest,
)
from bayescale.forecast.extrapolation import checked_decades as checked_by_folds
from bayescale.numerals import count, scientific, significant, times
from bayescale.posterior import PosteriorData


def no_answer(posterior: PosteriorData, record: HeldOut | None) -> Refusal | None:
    """Return why the probabilities mean nothing; None when they mean something."""
    if posterior.health().verdict == "FAIL":
        failed = ", ".join(c.name for c in posterior.health().checks if c.verdict == "FAIL")
        said = f"the fit failed its health gate ({failed}), so its probabilities mean nothing; mend the fit first."
        return Refusal(RefusalReason.FAILED_FIT, said)
    if record is not None and record.broken:
        said = (
            f"{record.sentence} Fit runs nearer to the action, or another law, "
            "before money is spent on these odds."
        )
        return Refusal(RefusalReason.HELD_OUT_BROKEN, said)
    return None


def too_far(
    posterior: PosteriorData,
    decision: Decision,
    answer: str,
    chosen: str,
    table: pd.DataFrame,
    record: HeldOut | None,
) -> Refusal | None:
    """Return why an action that may be the answer lies too far beyond the runs; None when none does.

    Whatever the answer is: where nothing vouches for a forecast, a NO-GO by it is worth as little as a GO.

    Parameters
    ----------
    posterior : PosteriorData
    decision : Decision
    answer, chosen : str
        Answer and action by the forecasts as they are.
    table : DataFrame
        A row an action, with `action_levels`.
    record : HeldOut, optional
    """
    rows = {str(row["action"]): row for row in table.to_dict("records")}
    far = [
        action
        for action in could_be_chosen(decision, answer, chosen, table)
        if rows[action.name]["level"] == Level.FAR
    ]
    if not far:
        return None
    action = far[0]
    others = [one.name for one in far[1:]]
    return _refusal(posterior, decision, action, rows[action.name], others, record)


def could_be_chosen(decision: Decision, answer: str, chosen: str, table: pd.DataFrame) -> list[Action]:
    """Return the actions that are the answer or could be, whatever loss they came to; the chosen one first.

    By a target, an action that costs more compute than one that is a *go* cannot replace it; all others could. By a
    utility, an action could be chosen if the most that a loss can be worth, less its cost, is above the score of the
    choice.
    """
    rows = {str(row["action"]): row for row in table.to_dict("records")}
    best = rows[chosen]

    def could(action: Action) -> bool:
        row = rows[action.name]
        if action.kind == "nothing" or action.name == chosen:
            return action.name == chosen
        if decision.utility is None:
            return answer != "go" or bool(row["flops"] < best["flops"])
        if decision.attitude == "reach target":
            return bool(best["score"] < 1 or row["cost"] < best["cost"])
        return bool(_most(decision, table) - row["cost"] > best["score"])

    return sorted((a for a in decision.actions if could(a)), key=lambda a: a.name != chosen)


def _most(decision: Decision, table: pd.DataFrame) -> float:
    """Return the most that a loss can be worth."""
    assert decision.utility is not None
    if decision.utility.best is not None:
        return float(decision.utility.best)
    return float(decision.utility.worth(np.zeros(1), None, float(table["baseline_loss"].max()))[0])


def action_levels(posterior: PosteriorData, decision: Decision, record: HeldOut | None) -> pd.DataFrame:
    """Return the extrapolation level of every action, a row each in their order.

    Of an action that makes several runs first, that of the furthest. Doing nothing has none.
    """
    checked = checked_decades(posterior, record)
    found = []
    for action in decision.actions:
        if action.kind == "nothing":
            found.append({"level": "", "decades_beyond": np.nan, "beyond_along": ""})
            continue
        each = extrapolation(posterior, _points(posterior, action), checked, decision.reach)
        worst = max(each.to_dict("records"), key=lambda row: Level(row["level"]).rank)
        found.append({str(k): x for k, x in worst.items()})
    return pd.DataFrame(found)


def _points(posterior: PosteriorData, action: Action) -> pd.DataFrame:
    if action.kind == "first":
        return pd.concat([point_of(run) for run in action.runs], ignore_index=True)
    # Compute is that of one model, of which an ensemble has several.
    return action_point(posterior, action).assign(flops=flops_of(posterior, action) / action.members)


def checked_decades(posterior: PosteriorData, record: HeldOut | None) -> dict[str, float]:
    """Return how far beyond their runs forecasts were checked, in decades, by axis.

    By the fit's folds, and by the held-out runs that were forecast acceptably. A forecast that failed has checked
    nothing.
    """
    return furthest(
        [checked_by_folds(posterior), *([] if record is None else [_held_out(posterior, record)])]
    )


def _held_out(posterior: PosteriorData, record: HeldOut) -> dict[str, float]:
    """Return how far beyond the fitted runs the accepted held-out ones lie, in decades, by axis."""
    runs = record.runs[record.accepted]
    if runs.empty:
        return {}
    return {
        one.axis: float(np.nanmax(one.decades, initial=0.0))
        for one in distances(posterior, runs)
        if one.widths is None and one.axis != RATIO
    }


def _refusal(
    posterior: PosteriorData,
    decision: Decision,
    action: Action,
    row: Mapping[Any, Any],
    others: list[str],
    record: HeldOut | None,
) -> Refusal:
    axis, out = str(row["beyond_along"]), float(row["decades_beyond"])
    what = WORDS.get(axis, axis)
    also = f" Too far out as well: {', '.join(others)}." if others else ""
    if not np.isfinite(out) or not out:
        said = (
            f"{action.name} lies further outside the fitted runs in {what} than the width of their range, and nothing "
            f"vouches for a forecast there.{also} Missing: runs nearer to it."
        )
        return Refusal(RefusalReason.TOO_FAR, said, action.name)
    checked = checked_decades(posterior, record)
    known = checked.get(axis) if out > 0 else None
    limit = believed_decades(known) if decision.reach is None else decision.reach
    if decision.reach is not None:
        vouched = f"the decision believes forecasts {limit:.1f} decades out (reach)"
    elif known:
        rule = f"{AS_FAR:.0f} times as far" if limit > UNCHECKED else f"{UNCHECKED:.1g} decade out"
        vouched = f"forecasts of known runs were checked {known:.2g} decades out, and are believed {rule}"
    else:
        vouched = (
            f"no forecast of known runs was checked there, and {UNCHECKED:.1g} decade is believed without"
        )
    side = "beyond" if out > 0 else "below"
    size = times(10 ** abs(out)) if out > 0 else f"a factor of {significant(10 ** abs(out), 2)}"
    lies = f"{abs(out):.1f} decades of {what} {side} the fitted runs ({size})"
    said = f"{action.name} lies {lies}; {vouched}.{also} "
    ours = {} if record is None else _held_out(posterior, record)
    if out > 0 and out - ours.get(axis, 0.0) <= limit and decision.reach is None:
        said += (
            "Your held-out runs were forecast well and lie where runs are missing: refit with them included."
        )
        return Refusal(RefusalReason.REFIT, said, action.name)
    end = next(one for one in distances(posterior, posterior.runs) if one.axis == axis)
    # A run at r decades beyond pushes the end of the runs out by r, and checks a forecast r decades out.
    more = min(abs(out) - limit, abs(out) / (1 + AS_FAR)) if out > 0 else abs(out) - limit
    missing = end.high * 10**more if out > 0 else end.low / 10**more
    amount = (
        f"{scientific(missing, 2)} FLOPs" if axis == "flops" else f"{count(missing)} {WORDS.get(axis, axis)}"
    )
    if axis == "params":
        amount = f"{count(missing)} params"
    said += (
        f"Missing: runs {'up' if out > 0 else 'down'} to about {amount}; or say how far you believe a forecast, "
        "`reach = ...` in decades."
    )
    if sum(one.trains for one in decision.actions) > 1 + len(others):
        said += " Without it in the question, the other actions get an answer."
    return Refusal(RefusalReason.TOO_FAR, said, action.name)
