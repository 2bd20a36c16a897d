"""Held-out runs against their forecast: bands of each, and the joint check of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.expected import expected_loss
from bayescale.forecast.joint_check import JointCheck, joint_check
from bayescale.forecast.known_runs import given_runs
from bayescale.forecast.predict import OURS, predict, typical_se
from bayescale.numerals import percent, significant
from bayescale.posterior import PosteriorData
from bayescale.runs import conventions_of

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
MASSES = (0.5, 0.8, 0.9)
RARE = 0.05
"""A joint discrepancy of a smaller p value counts against the forecast: one false alarm in twenty right forecasts."""

ACCEPTED = 0.95
"""Central band that a run has to lie in to count as forecast acceptably: as rare as `RARE`, for one run."""


class HeldOutError(UserError):
    """Held-out runs that cannot test the forecast; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out runs with the predictive bands of a new run.

    Attributes
    ----------
    runs : DataFrame
        The runs, with ``q0.025`` to ``q0.975`` beside them, in order of compute.
    flops, measured : ndarray, shape (runs,)
    check : JointCheck
        All runs together against their joint forecast (`bayescale.forecast.joint_check`).
    """

    runs: pd.DataFrame
    flops: np.ndarray
    measured: np.ndarray
    check: JointCheck

    def quantile(self, level: float) -> np.ndarray:
        return self.runs[f"q{level:g}"].to_numpy(float)

    def inside(self, mass: float) -> np.ndarray:
        """Return which runs lie inside the central band of this mass."""
        low, high = (self.quantile(round(p, 4)) for p in ((1 - mass) / 2, (1 + mass) / 2))
        return (self.measured >= low) & (self.measured <= high)

    @property
    def error(self) -> np.ndarray:
        """Measured over predicted median, less one."""
        return self.measured / self.quantile(0.5) - 1

    @property
    def discrepancy(self) -> float:
        """Joint discrepancy of all runs from their forecast, about the number of rows where it is right."""
        return self.check.joint.value

    @property
    def p_value(self) -> float:
        """Probability of a joint discrepancy at least as large, were the forecast right."""
        return self.check.p_value

    @property
    def broken(self) -> bool:
        """True where a right forecast would rarely leave so large a joint discrepancy."""
        return self.p_value < RARE

    @property
    def accepted(self) -> np.ndarray:
        """Runs that were forecast acceptably, shape (runs,): they lie in their own band, and all hold together.

        A check that fails accepts none: its runs miss together, and which of them lies inside its band is chance.
        """
        return self.inside(ACCEPTED) & (not self.broken)

    @property
    def sentence(self) -> str:
        """Joint discrepancy with what it should be, its p value, and what follows."""
        joint, number = self.check.joint, len(self.measured)
        figures = (
            f"The joint discrepancy of {_runs(number)} from {'its' if number == 1 else 'their'} forecast is "
            f"{_figure(joint.value)} ({_figure(joint.median)} expected, 95th percentile "
            f"{_figure(joint.high)}; p {_p_text(self.p_value)})"
        )
        if not self.broken:
            return f"{figures}: the forecast held."
        above = int((self.error > 0).sum())
        side, count = ("above", above) if 2 * above >= number else ("below", number - above)
        off = percent(float(np.abs(self.error).mean()), 1)
        return (
            f"{figures}: the forecast failed. {count} of {number} lie {side} the predicted median, and the median is "
            f"off by {off} on average."
        )

    @property
    def next_step(self) -> str:
        """What to do after the check."""
        if self.broken:
            return "Find out why before any forecast this far out is believed, or fit another law."
        return "Your held-out runs were forecast well: refit with them included."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "runs": len(self.measured),
            "accepted": int(self.accepted.sum()),
            "discrepancy": self.discrepancy,
            "expected_discrepancy": self.check.joint.median,
            "shared_discrepancy": self.check.shared.value,
            "p_value": self.p_value,
            "broken": self.broken,
            "inside": {str(mass): int(self.inside(mass).sum()) for mass in MASSES},
            "mean_error": float(self.error.mean()),
        }


def _runs(number: int) -> str:
    return "the held-out run" if number == 1 else f"the {number} held-out runs"


def _figure(x: float) -> str:
    return f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def _p_text(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"= {significant(p, 2)}"


def held_out(posterior: PosteriorData, runs: pd.DataFrame) -> HeldOut:
    """Predict held-out runs, and check all of them together.

    Raises
    ------
    HeldOutError
        They have no loss, are in other conventions than the fitted runs, or are among the fitted runs.
    """
    if runs.empty:
        raise HeldOutError("the table of held-out runs has no rows; leave them out")
    if "loss" not in runs:
        raise HeldOutError("the held-out runs have no column 'loss' to compare the forecast with")
    _refuse_unmeasured(runs)
    clashes = conventions_of(runs).conflicts(posterior.conventions)
    if clashes:
        raise HeldOutError(
            f"the held-out runs and the fitted ones differ in convention ({'; '.join(clashes)}): "
            "a report that mixes conventions misleads; convert one of the tables"
        )
    _refuse_fitted(posterior, runs)
    attributes, runs = dict(runs.attrs), runs.reset_index(drop=True)
    points = runs.drop(columns=[c for c in runs if OURS.fullmatch(str(c))])
    points.attrs = {}
    predicted = predict(posterior, points, of="run", quantiles=LEVELS)
    flops = _flops(posterior, predicted)
    order = np.argsort(flops, kind="stable")
    predicted = predicted.iloc[order].reset_index(drop=True)
    predicted.attrs = attributes
    expected, _ = expected_loss(posterior, points)
    given = given_runs(posterior, points, typical_se(posterior))
    check = joint_check(np.log(expected), given, np.log(points["loss"].to_numpy(float)))
    return HeldOut(predicted, flops[order], predicted["loss"].to_numpy(float), check)


def _refuse_unmeasured(runs: pd.DataFrame) -> None:
    loss = pd.to_numeric(runs["loss"], errors="coerce").to_numpy(float)
    bad = np.flatnonzero(~(np.isfinite(loss) & (loss > 0)))
    if len(bad):
        raise HeldOutError(
            f"held-out runs, row {bad[0] + 1}, column loss: {str(runs['loss'].iloc[bad[0]])[:40]!r} is not a positive "
            f"number, in {len(bad)} of {len(runs)} rows; leave rows without a loss out"
        )


def _flops(posterior: PosteriorData, runs: pd.DataFrame) -> np.ndarray:
    if "flops" in runs and runs["flops"].notna().all():
        return runs["flops"].to_numpy(float)
    if not {"params", "tokens"} <= set(runs.columns):
        raise HeldOutError(
            "the held-out runs have no column 'flops', nor params and tokens to find their compute with"
        )
    return posterior.flops_of(runs)


def _refuse_fitted(posterior: PosteriorData, runs: pd.DataFrame) -> None:
    fitted = posterior.runs
    keys = ["run_id"] if "run_id" in runs and "run_id" in fitted else []
    if not keys:
        same = (*posterior.model.definition.inputs, "loss", *posterior.design.cells.columns)
        keys = [str(c) for c in same if c in runs and c in fitted]
    seen = set(fitted[keys].itertuples(index=False, name=None))
    both = sum(row in seen for row in runs[keys].itertuples(index=False, name=None))
    if both:
        raise HeldOutError(
            f"{both} of {len(runs)} held-out runs are among the fitted ones: they test nothing; leave them out"
        )
