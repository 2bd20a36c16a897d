"""Every path to a verdict or a plan, from a fit that failed its health gate and from one under review."""

from __future__ import annotations

import dataclasses
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app
from bayescale.decide import RefusalReason
from bayescale.inference import Check, Health
from bayescale.study import Study, StudyError, study
from tests.test_study import SWEEP
from tests.tight import points, tight

ADVICE = "Sample twice as long."
DECISION = """
target_loss = 2.0
baseline_loss = 3.0
[[actions]]
name = "big"
params = 3e5
tokens = 3e6
groups = { task = "code" }
"""
PRICED = DECISION.replace(
    "[[actions]]", '[utility]\nunit = "USD"\nat_target = 5e6\n[costs]\nper_flop = 1e-6\n[[actions]]', 1
)


def judged(posterior: bs.Posterior, verdict: Any) -> bs.Posterior:
    """Return the same draws with another verdict of the gate."""
    check = Check("R-hat", verdict, 1.3, "below 1.01", "E_mean", ADVICE)
    return dataclasses.replace(posterior, verdict=Health((check,)))


@pytest.fixture(scope="module")
def good() -> bs.Posterior:
    return tight(draws=300)


@pytest.fixture(scope="module")
def folder(good: bs.Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gate")
    for verdict in ("PASS", "REVIEW", "FAIL"):
        judged(good, verdict).save(path / f"{verdict}.nc")
    (path / "decision.toml").write_text(DECISION)
    (path / "priced.toml").write_text(PRICED)
    points(1, 0.5).to_csv(path / "point.csv", index=False)
    points(3).to_csv(path / "candidates.csv", index=False)
    (path / "skills.csv").write_text("run_id,skill,items,correct,chance\nrun-0,add,100,60,0.5\n")
    good.runs.to_csv(path / "runs.csv", index=False)
    return path


PATHS: dict[str, tuple[str, ...]] = {
    "predict": ("predict", "FIT", "point.csv"),
    "beside": ("predict", "PASS.nc", "point.csv", "--beside", "FIT"),
    "allocate": ("allocate", "FIT", "--flops", "1e13"),
    "cheapest": ("allocate", "FIT", "--loss", "2.6"),
    "versus": ("versus", "FIT", "--by", "task", "--flops", "1e13"),
    "adapt": ("adapt", "FIT", "--sizes", "5e4,1e5", "--flops", "1e12", "--for", "task=code"),
    "next for a decision": ("next", "FIT", "--decision", "priced.toml"),
    "next for a target": ("next", "FIT", "candidates.csv", "--target", "point.csv", "--budget", "1e14"),
    "next about": ("next", "FIT", "candidates.csv", "--about", "alpha_mean", "--budget", "1e14"),
    "odd": ("check", "FIT", "--holdout", "runs.csv"),
}
GATED = {
    **PATHS,
    "moves": ("skills", "moves", "FIT", "--complexity", "code=0,docs=1"),
    "emerge": ("skills", "emerge", "FIT", "skills.csv"),
}
JUDGED = {
    "decide": ("decide", "FIT", "decision.toml"),
    "decide by utility": ("decide", "FIT", "priced.toml"),
}


def run(folder: Path, path: tuple[str, ...], verdict: str, *more: str) -> Result:
    named = [f"{verdict}.nc" if word == "FIT" else word for word in path]
    files = [str(folder / word) if word.endswith((".nc", ".csv", ".toml")) else word for word in named]
    return CliRunner().invoke(app, [*files, *more])


@pytest.mark.parametrize("path", GATED)
def test_a_fit_that_failed_gets_no_answer(folder: Path, path: str) -> None:
    done = run(folder, GATED[path], "FAIL")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "NO ANSWER" in done.stderr and ADVICE in done.stderr
    said = json.loads(run(folder, GATED[path], "FAIL", "--json").stdout)
    assert said == {"answer": None, "reason": "failed_fit", "health": said["health"]}
    assert said["health"]["verdict"] == "FAIL"


@pytest.mark.parametrize("path", JUDGED)
def test_a_decision_from_a_fit_that_failed_is_refused(folder: Path, path: str) -> None:
    done = run(folder, JUDGED[path], "FAIL")
    assert done.exit_code == 1
    assert "NOT FROM THESE DATA" in done.stdout and ADVICE in done.stderr
    assert "%" not in done.stdout and "loss_median" not in done.stdout
    said = json.loads(run(folder, JUDGED[path], "FAIL", "--json").stdout)
    assert said["reason"] == RefusalReason.FAILED_FIT and said["health"]["verdict"] == "FAIL"
    assert said["actions"] == [] and said["first"] == []


@pytest.mark.parametrize("path", {**PATHS, **JUDGED})
def test_a_fit_under_review_answers_with_a_caution(folder: Path, path: str) -> None:
    done = run(folder, {**PATHS, **JUDGED}[path], "REVIEW", "--json")
    assert done.exit_code == 0, done.stdout + done.stderr + str(done.exception)
    assert "CAUTION" in done.stderr and ADVICE in done.stderr
    said = json.loads(done.stdout)
    # Of the fit that answers; the one beside it says its own.
    assert said["health"]["verdict"] == ("PASS" if path == "beside" else "REVIEW")


def test_a_fit_that_passed_answers_without_one(folder: Path) -> None:
    done = run(folder, PATHS["allocate"], "PASS")
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(("verdict", "status"), [("PASS", 0), ("REVIEW", 0), ("FAIL", 1)])
def test_report_is_written_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, status: int
) -> None:
    """The page says of itself that the fit failed: see the tests of the report."""
    monkeypatch.setattr(bs.Posterior, "report", lambda *given: None)
    done = run(folder, ("report", "FIT", "--decision", "decision.toml"), verdict)
    assert done.exit_code == status and "wrote" in done.stdout
    beside = run(folder, ("report", "PASS.nc", "--beside", "FIT"), verdict)
    assert beside.exit_code == status


@pytest.mark.parametrize(("verdict", "status"), [("PASS", 0), ("REVIEW", 0), ("FAIL", 1)])
def test_demo(
    good: bs.Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, status: int
) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    held = points(3, 0.2).assign(loss=np.median(good.predict(points(3, 0.2), of="mean")["q0.5"]))
    table = pd.concat([good.runs.assign(split="fit"), held.assign(split="holdout")], ignore_index=True)
    table.assign(status="finished").to_parquet(lab / "runs.parquet")
    (lab / "decision.toml").write_text(DECISION)
    monkeypatch.setattr(import_module("bayescale.bundled"), "bundled", lambda name: tmp_path)
    monkeypatch.setattr("bayescale.commands.story.fit_table", lambda *given: judged(good, verdict))
    monkeypatch.setattr(bs.Posterior, "report", lambda *given, **named: None)
    done = CliRunner().invoke(app, ["demo", "lab", "--out", str(tmp_path / "demo")])
    assert done.exit_code == status, done.stdout + str(done.exception)
    assert ("NOT FROM THESE DATA: the fit failed" in done.stdout) == (verdict == "FAIL")
    assert (ADVICE in done.stdout) == (verdict != "PASS")


def test_groups_of_a_fit_that_failed(
    folder: Path, good: bs.Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayescale.commands.skills.fit_table", lambda *given: judged(good, "FAIL"))
    done = run(folder, ("skills", "groups", "runs.csv", "--by", "task", "--law", "chinchilla"), "FAIL")
    assert (done.exit_code, done.stdout) == (1, "") and "NO ANSWER" in done.stderr


def test_a_study_ends_at_a_fit_that_failed(
    good: bs.Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a verdict nor the next batch follows from it; the command ends with status 1."""
    from collections import defaultdict

    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    runs = good.runs
    monkeypatch.setattr("bayescale.study._first", lambda menu, *given: list(menu.index[:7]))
    monkeypatch.setattr("bayescale.study._train", lambda *given: None)
    monkeypatch.setattr("bayescale.trainer.table.read_results", lambda work: defaultdict(dict))
    monkeypatch.setattr(
        "bayescale.trainer.table.assemble",
        lambda results, planned: runs.head(len(planned)).assign(run_id=[p.config.run_id for p in planned]),
    )
    monkeypatch.setattr("bayescale.study._fit", lambda *given: judged(good, "FAIL"))
    action = bs.Action(name="big", params=3e5, tokens=3e6)
    decision = bs.Decision(actions=(action,), target_loss=2.0, baseline_loss=3.0)
    found = study(sweep, decision, 1e10, model="chinchilla", work=tmp_path / "work", rounds=3)
    assert found.verdict.reason is RefusalReason.FAILED_FIT and len(found.rounds) == 1
    assert "failed its health gate" in found.stopped and "--warmup" in found.stopped
    told = Study(found.runs, found.rounds, found.posterior, found.verdict, found.stopped)
    monkeypatch.setattr("bayescale.study.study", lambda *given, **named: told)
    monkeypatch.setattr("bayescale.trainer.needs", lambda *given: None)
    (tmp_path / "decision.toml").write_text(DECISION)
    asked = ["study", str(sweep), str(tmp_path / "decision.toml"), "--budget", "1e10"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 1 and "NOT FROM THESE DATA" in done.stdout
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 1 and json.loads(done.stdout)["health"]["verdict"] == "FAIL"


def test_a_study_refuses_labels_that_its_menu_lacks(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    action = bs.Action(name="big", params=3e5, tokens=3e6, groups={"architecture": "gtp"})
    decision = bs.Decision(actions=(action,), target_loss=2.0, baseline_loss=3.0)
    with pytest.raises(StudyError, match="did you mean gpt"):
        study(sweep, decision, 1e10, model="chinchilla", work=tmp_path / "work")
