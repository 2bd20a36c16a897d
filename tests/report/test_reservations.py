"""What the verdict hangs on stands in its box, and the checks of health do not pass for a check of the forecast."""

import dataclasses

import numpy as np
import pytest

from bayescale.decide import RefusalReason
from bayescale.inference.health import Check, Health
from bayescale.report import sentences
from bayescale.report.diagnosis import Diagnosis, LeaveOneOut
from bayescale.report.page import render
from bayescale.report.reservations import Kind, reservations
from bayescale.report.subject import Subject


def judged(posterior, verdict):
    check = Check("R-hat", verdict, 1.3, "below 1.01", "E_mean", "Sample longer.")
    return dataclasses.replace(posterior, verdict=Health((check,)))


def kinds(subject):
    return [one.kind for one in reservations(subject)]


@pytest.fixture
def hanging(monkeypatch):
    """Leave-one-out that cannot be trusted for seven runs of thirty."""
    k = np.where(np.arange(30) < 7, 0.9, 0.1)
    monkeypatch.setattr(Diagnosis, "loo", LeaveOneOut(1.0, 1.0, 1.0, k, 0.7, None))


def test_what_changes_the_meaning_is_a_reservation(posterior, decision, holdout, hanging):
    found = kinds(Subject(judged(posterior, "REVIEW"), decision))
    assert found[:2] == [Kind.REVIEW, Kind.NO_HELD_OUT] and Kind.SINGLE_RUNS in found
    checked = Subject(judged(posterior, "PASS"), decision, holdout)
    found = reservations(checked)
    held = next(one for one in found if one.kind in (Kind.HELD_OUT_PASSED, Kind.HELD_OUT_FAILED))
    assert held.serious == checked.checked.broken and "p " in held.sentence
    assert Kind.NO_HELD_OUT not in [one.kind for one in found]
    assert any("7 of its 30 runs" in one.sentence for one in found)


def test_an_action_outside_the_runs_and_an_unknown_group_are_reservations(posterior, decision):
    big, small = decision.actions
    mixed = decision.model_copy(update={"actions": (small,)})
    assert Kind.UNKNOWN_GROUP in kinds(Subject(posterior, mixed))
    assert Kind.EXTRAPOLATION not in kinds(Subject(posterior, mixed))
    far = decision.model_copy(update={"actions": (big,)})
    # Refused for its distance, the verdict says so by itself.
    assert Subject(posterior, far).verdict.reason is RefusalReason.TOO_FAR
    assert Kind.EXTRAPOLATION not in kinds(Subject(posterior, far))
    believed = Subject(posterior, far.model_copy(update={"reach": 3.0}))
    assert believed.verdict.reason is None and Kind.EXTRAPOLATION in kinds(believed)


def test_from_a_failed_fit_nothing_else_is_said(posterior, decision, hanging):
    assert kinds(Subject(judged(posterior, "FAIL"), decision)) == [Kind.FAILED_FIT]


def box(page):
    """The verdict's own part of the page."""
    start = page.index('<section class="verdict')
    return page[start : page.index("</section>", start)]


def test_they_stand_in_the_verdicts_box(posterior, decision, hanging):
    subject = Subject(judged(posterior, "REVIEW"), decision.model_copy(update={"reach": 3.0}))
    found = box(render(subject, {}))
    for one in reservations(subject):
        assert f'data-kind="{one.kind}"' in found
    assert "with reservations" in found.split("<p ")[0]


def test_checks_that_passed_are_joined_with_what_they_do_not_show(posterior, holdout):
    health = posterior.health()
    for said in (sentences.health_summary(health), sentences.no_holdout()):
        assert "held-out" in said.lower() and "sampling" in said
    checked = Subject(posterior, holdout=holdout).checked
    said = sentences.health_summary(health, checked)
    assert ("failed there" in said) == checked.broken and ("held there" in said) != checked.broken
