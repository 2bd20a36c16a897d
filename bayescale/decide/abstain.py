"""When there is no answer: the probabilities mean nothing, or are about runs that nothing vouches for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.decide.decision import Decision
from bayescale.decide.refusal import Refusal, RefusalReason
from bayescale.forecast import HeldOut
from bayescale.forecast.beyond import axis_values, beyond
from bayescale.forecast.reach import AS_FAR, UNCHECKED, WORDS, believed_decades
from bayescale.forecast.reach import checked_decades as checked_by_folds
from bayescale.numerals import scientific, times
from bayescale.posterior import PosteriorData


def no_answer(posterior: PosteriorData, record: HeldOut | None) -> Refusal | None:
    """Return why the probabilities mean nothing; None when they mean something."""
    if posterior.health().verdict == "FAIL":
        failed = ", ".join(c.name for c in posterior.health().checks if c.verdict == "FAIL")
        said = f"the fit failed its health gate ({failed}), so its probabilities mean nothing; mend the fit first."
        return Refusal(RefusalReason.FAILED_FIT, said)
    if record is not None and record.broken:
        said = (
            f"the forecast of held-out runs failed. {record.sentence} Fit runs nearer to the action, or another law, "
            "before money is spent on these odds."
        )
        return Refusal(RefusalReason.HELD_OUT_BROKEN, said)
    return None


def too_far(
    posterior: PosteriorData, decision: Decision, action: str, point: pd.DataFrame, record: HeldOut | None
) -> Refusal | None:
    """Why an action lies beyond what forecasts of known runs vouch for, and what is missing; None where it does not.

    Forecasts were checked by the fit's folds (without the dearest and the largest of its own runs) and by the held-out
    runs; each shows how many decades they went beyond the runs they were made from. An action may lie `AS_FAR` times as
    far beyond the fitted runs, along each axis; the decision's `reach` overrides it.
    """
    checked = checked_decades(posterior, record)
    for axis, distance in beyond(posterior, point).items():
        out = float(distance[0]) / np.log(10)
        limit = decision.reach if decision.reach is not None else believed_decades(checked.get(axis))
        if out <= limit:
            continue
        what = WORDS[axis]
        if decision.reach is not None:
            vouched = f"and the decision believes forecasts {limit:.1f} decades out (reach)"
        elif checked.get(axis):
            vouched = (
                f"and forecasts of known runs were checked {checked[axis]:.2f} decades out: {AS_FAR:.0f} times that is "
                "as far as they are believed"
            )
        else:
            vouched = f"and no forecast of known runs was checked: {UNCHECKED} decades are believed without"
        # A run at r decades beyond pushes the end of the runs out by r, and checks a forecast r decades out.
        top = _top(posterior, axis)
        missing = top * 10 ** (out / (1 + AS_FAR))
        unit = {"flops": "FLOPs", "params": "params", "tokens": "tokens"}[axis]
        said = (
            f"{action} lies {out:.1f} decades of {what} beyond the fitted runs ({times(10**out)}), {vouched}. "
            f"Missing: runs up to about {scientific(missing, 2)} {unit}; or say how far you believe a forecast, "
            "`reach = ...` in decades."
        )
        return Refusal(RefusalReason.TOO_FAR, said, action)
    return None


def checked_decades(posterior: PosteriorData, record: HeldOut | None) -> dict[str, float]:
    """How far beyond their runs forecasts were checked, in decades, by axis."""
    found = checked_by_folds(posterior)
    if record is not None:
        for axis, distance in beyond(posterior, record.runs).items():
            found[axis] = max(found.get(axis, 0.0), float(distance.max()) / np.log(10))
    return found


def _top(posterior: PosteriorData, axis: str) -> float:
    """Largest fitted value of an axis, in its own unit."""
    if axis == "flops":
        return posterior.dearest
    return float(np.exp(axis_values(posterior, posterior.runs)[axis].max()))
