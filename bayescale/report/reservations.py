"""Reservations about a verdict: everything that changes what it means, which its box says beside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bayescale.decide import RefusalReason
from bayescale.forecast.extrapolation import Level, level_text
from bayescale.inference import Health
from bayescale.report import sentences
from bayescale.report.diagnosis import Diagnosis
from bayescale.report.figures import residuals
from bayescale.report.subject import Subject


class Kind(StrEnum):
    """What a reservation is about."""

    FAILED_FIT = "failed_fit"
    REVIEW = "review"
    HELD_OUT_FAILED = "held_out_failed"
    HELD_OUT_PASSED = "held_out_passed"
    NO_HELD_OUT = "no_held_out"
    EXTRAPOLATION = "extrapolation"
    UNKNOWN_GROUP = "unknown_group"
    SINGLE_RUNS = "single_runs"
    UNLIKE_RUNS = "unlike_runs"
    BEND = "bend"
    ISOFLOP = "isoflop"


ASSURING = (Kind.HELD_OUT_PASSED,)
"""What a verdict hangs on and is no reservation about it."""


@dataclass(frozen=True)
class Reservation:
    """One thing that a verdict hangs on.

    Attributes
    ----------
    kind : Kind
    sentence : str
        For people.
    """

    kind: Kind
    sentence: str

    @property
    def serious(self) -> bool:
        """Whether it speaks against the verdict."""
        return self.kind not in ASSURING


def reservations(subject: Subject) -> list[Reservation]:
    """Return what the page's verdict hangs on, the gravest first; what the verdict says by itself is left out."""
    health = subject.posterior.health()
    if health.verdict == "FAIL":
        # All else follows from the failed fit.
        return _of_health(health)
    bent = sentences.bend(subject.run_flops, residuals.residuals(subject))
    disagrees = sentences.isoflop_caution(subject.isoflop)
    found = [
        *_of_health(health),
        *_of_held_out(subject),
        *_of_action(subject),
        *_of_fit(subject.diagnosis),
        Reservation(Kind.BEND, bent),
        Reservation(Kind.ISOFLOP, disagrees),
    ]
    return [one for one in found if one.sentence]


def _of_health(health: Health) -> list[Reservation]:
    named = "; ".join(
        f"{c.name} {c.value:.3g}, {c.limit}" for c in health.checks if c.verdict == health.verdict
    )
    advice = next((c.advice for c in health.checks if c.verdict == health.verdict and c.advice), "")
    if health.verdict == "FAIL":
        return [Reservation(Kind.FAILED_FIT, f"The fit failed its health gate ({named}). {advice}".strip())]
    if health.verdict == "REVIEW":
        said = f"The fit passed its health gate with reservations ({named}). {advice}".strip()
        return [Reservation(Kind.REVIEW, said)]
    return []


def _of_held_out(subject: Subject) -> list[Reservation]:
    held, verdict = subject.checked, subject.verdict
    if held is None:
        return [Reservation(Kind.NO_HELD_OUT, sentences.UNCHECKED_FORECAST)]
    if held.broken:
        if verdict is not None and verdict.reason is RefusalReason.HELD_OUT_BROKEN:
            return []
        return [Reservation(Kind.HELD_OUT_FAILED, sentences.coverage_caution(held))]
    # A verdict that asks for a refit says so by itself.
    again = verdict is not None and verdict.reason is RefusalReason.REFIT
    said = held.sentence if again else f"{held.sentence} {held.next_step}"
    return [Reservation(Kind.HELD_OUT_PASSED, said)]


def _of_action(subject: Subject) -> list[Reservation]:
    """Return how far the verdict's action lies from the runs; of every action, where the answer is to train none."""
    verdict = subject.verdict
    if verdict is None or verdict.reason in (RefusalReason.TOO_FAR, RefusalReason.REFIT):
        return []
    trained = verdict.table.dropna(subset=["params"])
    chosen = trained[trained["action"] == verdict.action]
    found = []
    for row in (chosen if len(chosen) else trained).to_dict("records"):
        if row["level"] in (Level.BEYOND, Level.FAR):
            said = f"{row['action']} lies outside what was measured: {level_text(row)}."
            found.append(Reservation(Kind.EXTRAPOLATION, said))
        if row["group"] != "known":
            said = f"{row['action']}: {sentences.group(row['group'])}."
            found.append(Reservation(Kind.UNKNOWN_GROUP, said))
    return found


def _of_fit(diagnosis: Diagnosis) -> list[Reservation]:
    loo, found = diagnosis.loo, []
    if len(diagnosis.odd):
        found.append(Reservation(Kind.UNLIKE_RUNS, sentences.predictive_summary(diagnosis)))
    if len(loo.bad):
        said = (
            f"The fit hangs on {len(loo.bad)} of its {len(loo.pareto_k)} runs: without any one of them it would be "
            f"another (Pareto k above {loo.good:.2f})."
        )
        found.append(Reservation(Kind.SINGLE_RUNS, said))
    return found
