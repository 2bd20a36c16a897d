"""The law-free check on the page: its sentence, its curves, and the line that stands where there is none."""

import dataclasses

import numpy as np
import pytest

from bayescale.decide import IsoFlopCheck
from bayescale.report import sentences, tables
from bayescale.report.figures import optimum, style
from bayescale.report.page import render
from bayescale.report.subject import Subject
from tests.report.test_report_page import Page


@pytest.fixture(scope="module")
def check(posterior):
    found = Subject(posterior).isoflop
    assert isinstance(found, IsoFlopCheck)
    return found


def moved(check, factor):
    """The same check with the curves' minima elsewhere."""
    return dataclasses.replace(check, shift=check.shift - np.median(check.shift) + np.log(factor))


def test_the_page_says_what_the_curves_say(posterior, check):
    page = Page(render(Subject(posterior), {"optimum": PLATE}))
    assert "The same without the law" in page.text
    assert check.sentence in page.text
    assert f"{len(check.used)} IsoFLOP curves" in page.text
    assert len(check.table) == 12  # three budgets in four cells
    assert page.text.count("bias taken off") == 1


def test_a_disagreement_is_a_caution_and_agreement_is_none(check):
    assert sentences.isoflop_caution(moved(check, 1.0)) == "" or check.disagrees
    apart = moved(check, 3.0)
    assert apart.disagrees
    assert sentences.isoflop_caution(apart) == apart.sentence
    assert "3.00 times the law's" in apart.sentence
    assert sentences.isoflop_caution("No law-free check of the frontier: because.") == ""


def test_left_out_curves_are_counted(check):
    table = check.table.assign(status=["the losses do not bend upwards"] + ["ok"] * (len(check.table) - 1))
    fewer = dataclasses.replace(check, table=table)
    assert "1 more are left out" in sentences.isoflop(fewer)
    assert tables.isoflop(fewer).rows[0][-1] == "left out: the losses do not bend upwards"


def test_no_curves_is_one_line_with_the_design_that_would_allow_it(posterior):
    runs = posterior.runs
    kept = runs.groupby(["architecture", "task", "flops"]).head(1).reset_index(drop=True)
    subject = Subject(dataclasses.replace(posterior, runs=kept))
    # What the fit's groups hold is of all its runs.
    vars(subject)["diagnosis"] = Subject(posterior).diagnosis
    said = sentences.isoflop(subject.isoflop)
    assert said.startswith("No law-free check of the frontier: the runs have no IsoFLOP curves")
    assert "four or more sizes" in said
    assert "\n" not in said
    page = Page(render(subject, {"optimum": PLATE}))
    assert said in page.text
    assert "Every IsoFLOP curve" not in page.text


def test_both_are_on_the_allocation_figure(posterior, check):
    with style.styled():
        figure = optimum.draw(Subject(posterior), style.WIDE)
    for axis in figure.axes:
        points = [c for c in axis.containers if hasattr(c, "has_yerr")]
        assert len(points) == 4
        assert sum(len(c.lines[0].get_xdata()) for c in points) == len(check.used)
    first = next(c for c in figure.axes[0].containers if hasattr(c, "has_yerr"))
    wanted = check.used.loc[check.used["cell"] == 0, "params"]
    np.testing.assert_allclose(first.lines[0].get_ydata(), wanted)
    assert any("IsoFLOP" in t.get_text() for t in figure.legends[0].get_texts())


class PLATE:
    """A figure's place on the page, without its cost."""

    name, alt, caption = "optimum", "", ""
    wide = narrow = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
