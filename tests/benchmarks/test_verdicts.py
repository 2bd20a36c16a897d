"""The benchmark of verdicts: exact truths, tables as they are described, resuming, and shares that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale.revisions import revisions_of
from benchmarks.verdicts import command
from benchmarks.verdicts.believed import AXES, believed
from benchmarks.verdicts.figure import figure
from benchmarks.verdicts.page import headline, markdown
from benchmarks.verdicts.results import add, known, missing_tables, path_of
from benchmarks.verdicts.summary import (
    NINETY,
    answerable,
    beyond_belief,
    for_a_target,
    frame,
    refused,
    right_share,
    worst,
)
from benchmarks.verdicts.tables import HIGH, KINDS, draw_table, sweep
from benchmarks.verdicts.truth import Truth, draw_truth
from benchmarks.verdicts.worlds import FAMILIES, HELD_KINDS, PER_TABLE, REVISION, table_of, worlds_of

TRUTH = Truth(1.7, 0.35, 0.3, 0.34, 0.3, 1.0, 0.004, 0.003, 6.0, flops_end=1e19, params_end=3e8)


def test_the_probability_and_the_gain_are_those_of_many_runs() -> None:
    rng = np.random.default_rng(0)
    many = 200_000
    params, tokens = np.full(many, 1e9), np.full(many, 2e10)
    loss = TRUTH.measured(params, tokens, np.arange(many), rng)
    target = 1.002 * TRUTH.expected(1e9, 2e10)
    assert np.mean(loss <= target) == pytest.approx(TRUTH.p_reach(1e9, 2e10, target), abs=0.004)
    gained = np.maximum(0.0, target - loss).mean()
    assert gained == pytest.approx(TRUTH.expected_gain(1e9, 2e10, target), rel=0.02)


def test_rows_of_one_run_share_their_noise() -> None:
    rng = np.random.default_rng(1)
    run = np.repeat(np.arange(20_000), 2)
    truth = replace(TRUTH, scale=0.001, run_scale=0.003)
    off = np.log(truth.measured(np.full(40_000, 1e8), np.full(40_000, 2e9), run, rng)).reshape(-1, 2)
    assert np.corrcoef(off.T)[0, 1] == pytest.approx(0.9, abs=0.02)


def test_a_drift_and_a_step_begin_where_the_runs_end() -> None:
    broken = replace(TRUTH, drift_flops=0.01, drift_params=-0.02, step=0.2)
    inside = (3e8, HIGH / 6 / 3e8)
    assert broken.expected(*inside) == pytest.approx(TRUTH.expected(*inside))
    beyond = broken.expected(3e8 * np.e, HIGH / 6 / 3e8) / TRUTH.expected(3e8 * np.e, HIGH / 6 / 3e8)
    assert np.log(beyond) == pytest.approx(0.2 + 0.01 - 0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_as_they_are_described(kind: str) -> None:
    runs = sweep(kind)
    assert runs["flops"].max() == pytest.approx(HIGH)
    assert (np.ptp(np.log(runs["flops"])) < 1e-9) == (kind == "one budget")
    ratio = np.log(runs["tokens"] / runs["params"])
    assert (np.ptp(ratio) < 1e-9) == (kind == "one ratio")
    assert ("run_id" in runs and runs["run_id"].nunique() == len(runs) / 2) == (kind == "correlated")
    truth, drawn = draw_table(kind, np.random.default_rng(3))
    off = np.log(drawn["loss"] / truth.expected(drawn["params"], drawn["tokens"]))
    worse = int((off > 0.045).sum())
    assert (1 <= worse <= 4) == (kind == "contaminated") and (worse == 0) == (kind != "contaminated")


def test_families_share_a_table_and_differ_in_what_lies_beyond() -> None:
    found, per = list(worlds_of("clean", 2)), PER_TABLE["clean"]
    assert [(w.family, w.index) for w in found] == [
        (family, 2 * per + i) for family in ("law right", "law drifts") for i in range(per)
    ]
    assert len({tuple(w.runs["loss"]) for w in found}) == 1
    assert all(w.truth.drift_flops == 0 for w in found[:per])
    assert all(w.truth.drift_flops != 0 for w in found[per:])
    assert [w.held_kind for w in found] == [*HELD_KINDS] * 2
    for world in found:
        assert (world.held is None) == (world.held_kind == "none")
        if world.held is not None:
            expected = world.truth.expected(world.held["params"], world.held["tokens"])
            off = np.abs(np.log(world.held["loss"] / expected))
            mismeasured = world.held_kind == "wrong" and not world.truth.step
            assert (off > 0.09).all() if mismeasured else (off < 0.05).all()
    again = list(worlds_of("clean", 2))
    pd.testing.assert_frame_equal(found[1].actions, again[1].actions)
    assert list(found[0].rng.random(2)) == list(again[0].rng.random(2))


def test_what_may_be_believed_is_worked_out_from_the_table() -> None:
    world = next(iter(worlds_of("clean", 0)))
    one = {"axis": "flops", "share": 0.3, "r_hat": 1.0}
    limits = believed(world, [one])
    # The top budget of four over two decades is left out.
    assert limits["flops"] == pytest.approx(3 * 2 / 3)
    assert set(limits) == set(AXES)
    assert believed(world, [one | {"r_hat": 1.2}]) == believed(world, [])
    held = next(w for w in worlds_of("clean", 0) if w.held_kind == "right")
    assert held.held is not None
    decades = np.log10(held.held["flops"].max() / HIGH)
    assert believed(held, [])["flops"] == pytest.approx(max(1, 3 * decades))


def verdict(answer: str, **more: Any) -> dict[str, Any]:
    usual = {"ask": "forecast", "decades": 0.4, "why": "", "beyond": False}
    return usual | {"answer": answer} | more


def record(family: str = "law right", index: int = 0, **more: Any) -> dict[str, Any]:
    verdicts = [
        verdict("go", stated=0.9, right=0.8),
        verdict("go", stated=0.9, right=1.0, beyond=True, decades=3.0),
        verdict("no-go", stated=0.97, right=0.2),
        verdict("not from these data", why="too_far"),
        verdict("not from these data", why="too_far", decades=2.0),
        verdict("go", ask="nats", stated=0.7, right=0.0, regret=0.02, stated_regret=0.01),
    ]
    usual = {
        "family": family, "index": index, "table": table_of(family, index), "seed": 1, "revision": REVISION,
        "revisions": revisions_of("sampler", "decisions"), "held_out": "none", "held_out_runs": 0,
        "health": "PASS", "missed": [], "compiled": 0, "fit_cpu_s": 5.0, "cpu_s": 6.0, "verdicts": verdicts,
    }  # fmt: skip
    return usual | more


def test_shares() -> None:
    found = frame([record(), record(index=PER_TABLE["clean"], held_out="wrong", held_out_runs=2)])
    at_90 = right_share(for_a_target(found), *NINETY)
    assert (at_90.count, at_90.value, at_90.error) == (4, pytest.approx(0.9), 0.0)
    asked = answerable(found)
    # Of a world whose held-out runs are wrong nothing counts, nor what lies two decades out.
    assert len(asked) == 4 and refused(asked).value == 0.25 and refused(asked, "failed_fit").value == 0.0
    assert len(beyond_belief(found, "go")) == 2 and not len(beyond_belief(found, "no-go"))
    assert worst(found, 1)["right"].iloc[0] == 0.2


def test_the_page_says_whether_thresholds_hold() -> None:
    records = [record(), record("law drifts")]
    head = "\n".join(headline(frame(records)))
    assert "| 90 % (2) (law right) | yes |" in head
    assert "| none | 2 of 6 | **no** |" in head
    assert "| 25 % (4) | **no** |" in head
    text = markdown([*records, record("one budget", revisions={"sampler": 0})])
    assert "3 worlds on " in text and "| law right 0 | 0.4 | none (0) | NO-GO | 97.0 % | 20.0 % |" in text
    assert "sampler 0 (now " in text
    assert figure(frame(records)).startswith(b"\x89PNG")


def test_kept_worlds_are_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    breaks = [("one ratio", 0)]

    def one(kind: str, table: int) -> list[dict[str, Any]]:
        asked.append((kind, table))
        if (kind, table) in breaks:
            breaks.clear()
            raise ValueError("a fit that breaks")
        return [
            record(family, PER_TABLE[kind] * table + i)
            for family, its in FAMILIES.items()
            if its == kind
            for i in range(PER_TABLE[kind])
        ]

    monkeypatch.setattr(command, "run_table", one)
    line = ["--worlds", str(6 * len(FAMILIES)), "--jobs", "1", "--folder", str(tmp_path)]
    assert command.main(line) == 1 and len(asked) == len(KINDS)
    # A torn line, as a machine that stops leaves it, and worlds of another revision are asked again.
    with path_of(tmp_path, "correlated").open("a") as file:
        file.write('{"family": "correlated", "ind')
    add(tmp_path, [record("one budget", 1, revision=REVISION - 1)])
    asked.clear()
    assert command.main(line) == 0 and asked == [("one ratio", 0)]
    found = known(tmp_path)
    assert len(found) == sum(PER_TABLE[kind] for kind in FAMILIES.values())
    # Families in step: of the kinds with few worlds a table, tables come more often.
    assert missing_tables(found, list(FAMILIES), 13) == [
        ("clean", 1), ("clean", 2), ("contaminated", 1), ("one budget", 1), ("correlated", 1)
    ]  # fmt: skip
    add(tmp_path / "old", [record("correlated", 0, revisions={"sampler": 0})])
    assert len(known(tmp_path / "old")) == 1 and not known(tmp_path / "old", fresh=True)
    assert json.loads(path_of(tmp_path, "one-budget").read_text().splitlines()[0])["index"] == 0


@pytest.mark.slow
def test_a_table_is_fitted_and_every_world_on_it_asked(tmp_path: Path) -> None:
    line = ["--worlds", "1", "--family", "law right", "--jobs", "1", "--folder", str(tmp_path)]
    assert command.main(line) == 0
    found = known(tmp_path)
    assert len(found) == 2 * PER_TABLE["clean"] and all(len(r["verdicts"]) == 9 for r in found)
    verdicts = frame(found)
    said = verdicts[verdicts["answer"].isin(("go", "no-go"))]
    assert len(said) and said["stated"].between(0, 1).all() and said["right"].between(0, 1).all()
    wrong = verdicts[verdicts["held_out"] == "wrong"]
    assert (wrong["answer"] == "not from these data").mean() > 0.5


def test_published_ranges_of_truths() -> None:
    drawn = [draw_truth(np.random.default_rng(seed)) for seed in range(200)]
    assert all(0.001 <= t.scale <= 0.008 and t.run_scale == 0 for t in drawn)
    assert 60 < sum(t.power == 1.0 for t in drawn) < 140
