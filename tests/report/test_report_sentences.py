"""The report's words, from inputs whose answer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import RefusalReason, Verdict
from bayescale.forecast.held_out import LEVELS, HeldOut
from bayescale.forecast.joint_check import Discrepancy, JointCheck
from bayescale.inference.health import Check, Health
from bayescale.numerals import count, interval, percent, scientific, shortest, significant, times
from bayescale.report import sentences
from bayescale.report.frontier import Frontier
from bayescale.runs import Conventions


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (significant(0.3), "0.3000"),
        (significant(-0.123456), "−0.1235"),
        (significant(0), "0"),
        (significant(float("nan")), "not a number"),
        (significant(float("-inf")), "−∞"),
        (significant(1.23e-7), "1.23×10⁻⁷"),
        (significant(2085.4), "2085"),
        (shortest(6.0), "6"),
        (shortest(6.25), "6.250"),
        (scientific(1e12), "10¹²"),
        (scientific(3.16e-5), "3.16×10⁻⁵"),
        (scientific(2e10), "2×10¹⁰"),
        (count(164_321), "164\u00a0k"),
        (count(999_999), "1\u00a0M"),
        (count(7e10), "70\u00a0B"),
        (count(12), "12"),
        (percent(0.004), "under 1\u00a0%"),
        (percent(0.9999), "over 99\u00a0%"),
        (percent(0.0), "under 1\u00a0%"),
        (percent(1.0), "over 99\u00a0%"),
        (percent(0.456), "46\u00a0%"),
        (interval(0.3, 0.4, 2), "0.30 to 0.40"),
        (times(3.04), "3.0 times"),
        (times(123.4), "123 times"),
    ],
)
def test_numbers_as_a_person_reads_them(text, wanted):
    assert text == wanted


def verdict(answer, p=0.5, gain=0.1, first=None, min_gain=0.0):
    decision = bs.Decision(
        target_loss=2.0, min_gain=min_gain, actions=[bs.Action(name="big", params=1e6, tokens=1e7)]
    )
    table = pd.DataFrame([{"action": "big", "p_target": p, "gain": gain, "flops": 6e13}])
    return Verdict(
        answer, "big", "why, in full", table, first if first is not None else pd.DataFrame(), decision
    )


def test_headlines_of_the_four_answers():
    assert (
        sentences.headline(verdict("go", 0.93))
        == "big reaches a loss of 2.000 or less with probability 93\u00a0%."
    )
    assert "probability 4\u00a0%" in sentences.headline(verdict("no-go", 0.04))
    too_little = sentences.headline(verdict("no-go", 0.9, gain=0.01, min_gain=0.05))
    assert "gain 0.0100" in too_little
    assert "less than the 0.0500 asked for" in too_little
    first = sentences.headline(
        verdict("run first", 0.5, first=pd.DataFrame([{"params": 1e5, "tokens": 2e6, "flops": 1.2e12}]))
    )
    assert "too close to call" in first
    assert "First run 100\u00a0k parameters on 2\u00a0M tokens, 2\u00a0% of its cost." in first
    said = {
        why: sentences.headline(dataclasses.replace(verdict("not from these data"), reason=why))
        for why in RefusalReason
    }
    assert len(set(said.values())) == len(RefusalReason) and "health gate" in said[RefusalReason.FAILED_FIT]
    assert set(sentences.WORDS) == set(sentences.TONES) == {"go", "no-go", "run first", "not from these data"}
    assert sentences.reason(verdict("go")) == "Why, in full."


def test_first_runs_say_when_they_settle_little():
    runs = pd.DataFrame({"sd_now": [0.01, 0.01], "sd_after": [0.005, 0.004]})
    assert "from 1\u00a0% to 0.5\u00a0%" in sentences.first_runs(runs)
    assert "settles much" not in sentences.first_runs(runs)
    assert "still leaves 90\u00a0% of it" in sentences.first_runs(runs.assign(sd_after=[0.0095, 0.009]))


def test_extrapolation_says_how_far_and_what_is_left_out():
    table = pd.DataFrame(
        {
            "action": ["big", "small", "stay"],
            "level": ["beyond", "inside", ""],
            "decades_beyond": [1.2, 0.0, float("nan")],
            "beyond_along": ["flops", "", ""],
            "group": ["known", "new: task=latin", "known"],
        }
    )
    said = " ".join(sentences.extrapolation(table))
    assert "big: beyond, 1.2 decades of compute beyond the runs." in said
    assert "small lies inside the fitted runs." in said
    assert "includes how far laws drift there" in said
    assert "no run has task = latin" in said
    within = " ".join(sentences.extrapolation(table[1:]))
    assert "laws drift" not in within


def test_range_caution_names_what_no_run_has():
    runs = pd.DataFrame({"params": [1e5, 1e6], "tokens": [1e6, 1e7]})
    table = pd.DataFrame([{"action": "big", "params": 3e6, "tokens": 1e5}])
    said = sentences.range_caution(table, runs)
    assert said == [
        "big has 3.0 times the parameters of the largest fitted run.",
        "big has fewer tokens than any fitted run.",
    ]


def test_groups_known_new_and_mixed():
    assert sentences.group("mixture over architecture, task") == (
        "no label for architecture, task, so it is averaged over the known ones"
    )
    assert "task = latin" in sentences.group("new: task=latin")


def test_coverage_counts_by_hand():
    # Bands of 0.95 to 1.05 times the median, narrower inside; five runs, of which two are outside of everything.
    spread = dict(zip(LEVELS, (0.94, 0.95, 0.96, 0.98, 1.0, 1.02, 1.04, 1.05, 1.06), strict=True))
    measured = np.array([1.0, 1.03, 1.045, 1.2, 0.8])
    runs = pd.DataFrame({f"q{level:g}": np.full(5, at) for level, at in spread.items()})
    held = HeldOut(runs, np.full(5, 2e12), measured, checked(0.4))
    said = sentences.coverage(held)
    assert said.startswith(
        "3 of 5 held-out runs lie inside the 90 % band, 2 inside the 80 % and 1 inside the 50 %"
    )
    assert "4.5, 4 and 2.5 would be expected" in said
    assert "off by 9.5\u00a0% on average" in said
    assert "2.0 times the compute" in sentences.reach(held, 1e12)
    assert "interpolation" in sentences.reach(held, 1e13)


def test_a_joint_check_that_failed_is_said_first():
    runs = pd.DataFrame({f"q{level:g}": np.full(20, 1 + (level - 0.5) / 10) for level in LEVELS})
    holds = HeldOut(runs, np.ones(20), np.ones(20), checked(0.4))
    assert sentences.coverage_caution(holds) == "" and "p = 0.40" in sentences.coverage(holds)
    # Each run by itself is inside its band.
    fails = HeldOut(runs, np.ones(20), np.full(20, 1.02), checked(0.0002))
    said = sentences.coverage_caution(fails)
    assert "p below 0.001" in said and "20 of 20 lie above" in said and "2.0\u00a0%" in said


def checked(p_value: float) -> JointCheck:
    return JointCheck(Discrepancy(31.0, 19.3, 33.0), Discrepancy(9.0, 0.45, 3.8), p_value)


def test_bend_is_seen_and_not_imagined():
    flops = np.repeat([1e10, 1e11, 1e12], 20)
    noise = 0.004 * np.random.default_rng(0).standard_normal(60)
    noise -= np.repeat(noise.reshape(3, 20).mean(axis=1), 20)
    assert sentences.bend(flops, noise) == ""
    said = sentences.bend(flops, noise - np.where(flops == 1e12, 0.02, 0))
    assert "The 20 dearest fitted runs lie 2\u00a0% below the law" in said
    assert sentences.bend(np.full(60, 1e12), noise - 0.02) == ""


def test_banner_only_where_something_is_wrong():
    def health(word):
        return Health((Check("R-hat", word, 1.1, "below 1.01", "E_mean", "Sample longer."),))

    assert sentences.health_banner(health("PASS")) == ""
    assert "failed its health gate (R-hat)" in sentences.health_banner(health("FAIL"))
    assert "reservations" in sentences.health_banner(health("REVIEW"))


def test_conventions_say_what_was_filled_in_and_what_nobody_said():
    said = dict(sentences.conventions(Conventions(flops="6ND", flops_filled=True), 6.0))
    assert said["N"] == "not stated by the table"
    assert "filled in" in said["C"]
    assert said["C = k N D"] == "k = 6 by definition"
    counted = Conventions(params="non-embedding", flops="counted", source="a sweep")
    said = dict(sentences.conventions(counted, 7.25))
    assert said["N"] == "non-embedding parameters"
    assert said["C"] == "counted, as the table gives them"
    assert said["C = k N D"] == "k = 7.250, the median over the fitted runs"
    assert said["Source"] == "a sweep"


def test_plain_headline_takes_the_best_group():
    bands = [np.array([[at * s] for s in (0.99, 0.995, 1, 1.005, 1.01)]) for at in (2.0, 1.9)]
    found = {name: Frontier(np.array([1e13]), band) for name, band in zip(("a", "b"), bands, strict=True)}
    said = sentences.plain_headline({"alpha": np.full(10, 0.31)}, 1e13, found)
    assert said.startswith(
        "Alpha is 0.310 [0.310 to 0.310]; at ten times the compute of the dearest run, 10¹³ FLOPs"
    )
    assert "1.900 (b)" in said


def test_table_check_and_hidden_cells():
    assert sentences.table_check(0).startswith("Nothing odd")
    assert "1 thing in the runs table is" in sentences.table_check(1)
    assert "2 things in the runs table are" in sentences.table_check(2)
    assert sentences.hidden_cells(4, 4) == ""
    assert "12 groups with the most runs, of 30" in sentences.hidden_cells(12, 30)


def test_pooling_says_each_sentence_once(posterior):
    said = sentences.pooling(posterior.design)
    assert [names for names, _ in said] == ["E, A, alpha, B, beta"]
    notes = sentences.pooling_notes(posterior.design, ["column 'x' is empty: it drops out of the pooling"])
    assert "fewer than five levels of architecture and task" in notes[0]
    assert notes[1] == "Column 'x' is empty: it drops out of the pooling."
    assert dataclasses.is_dataclass(posterior)


def test_the_odds_that_the_law_holds_are_said(posterior: bs.Posterior) -> None:
    now = posterior.draws("drift_holds").mean()
    said = sentences.holds(posterior)
    assert f"{percent(now)} probable that the law holds" in said and f"({percent(0.5)} before)" in said
