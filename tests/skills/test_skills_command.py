"""The verbs under `bayescale skills`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app
from bayescale.errors import UserError
from bayescale.runs import write_runs
from bayescale.skills import sampling
from tests.skills.conftest import SHORT


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    posterior: bs.Posterior,
    measured: pd.DataFrame,
    dearer: pd.DataFrame,
    skills: pd.DataFrame,
) -> Path:
    """A posterior whose runs have names, the held-out runs, and everybody's skills."""
    import dataclasses

    out = tmp_path_factory.mktemp("skills")
    named = posterior.runs.assign(run_id=measured["run_id"])
    named.attrs = posterior.runs.attrs
    dataclasses.replace(posterior, runs=named).save(out / "fit.nc")
    write_runs(measured, out / "runs.csv")
    write_runs(dearer, out / "held.csv")
    skills.to_csv(out / "skills.csv", index=False)
    return out


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["skills", *arguments])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_emerge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SETTINGS", SHORT)
    files = [str(folder / name) for name in ("fit.nc", "skills.csv")]
    figure = folder / "skills.png"
    text = said("emerge", *files, "--holdout", str(folder / "held.csv"), "--figure", str(figure), "--json")
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert found["agreement"]["rows"] == 72
    assert {row["skill"] for row in found["emergence"]} == {"s0", "s1", "s2"}
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_emerge_refuses(folder: Path) -> None:
    files = [str(folder / name) for name in ("fit.nc", "skills.csv")]
    with pytest.raises(UserError, match="--link is one of sigmoid, exponential"):
        said("emerge", *files, "--link", "line")
    bad = folder / "bad.csv"
    pd.read_csv(folder / "skills.csv").assign(correct=1000).to_csv(bad, index=False)
    with pytest.raises(UserError, match=r"bad.csv: row 1, column correct: 1000\S* gives an accuracy outside"):
        said("emerge", files[0], str(bad))


def test_scores_and_moves(folder: Path) -> None:
    out = folder / "scores.csv"
    tables = [str(folder / name) for name in ("runs.csv", "skills.csv")]
    assert "80 models, 2 families" in said("scores", *tables, "--out", str(out))
    assert {"s0", "s0_items", "s0_chance"} <= set(pd.read_csv(out).columns)
    moved = json.loads(said("moves", str(folder / "fit.nc"), "--complexity", "code=0,docs=1", "--json"))
    assert {row["role"] for row in moved["parameters"]} == {"floor", "exponent", "offset"}


def test_groups_of_several_kinds_are_refused(folder: Path, measured: pd.DataFrame) -> None:
    path = folder / "groups.csv"
    write_runs(measured.assign(group="a", grouping=["x", "y"] * 40), path)
    with pytest.raises(UserError, match="take one with --where"):
        said("groups", str(path))
    with pytest.raises(UserError, match="no column 'part'"):
        said("groups", str(path), "--by", "part")


def test_priors_are_printed() -> None:
    text = said("priors")
    assert "logits (or e-folds" in text and "loading" in text and "--priors" in text
