"""The verbs under `bayescale theory`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from bayescale.cli import app
from bayescale.errors import UserError
from bayescale.runs import read_runs


def theory(*arguments: object, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["theory", *map(str, arguments)])
    if isinstance(done.exception, UserError):
        assert status == 2, done.exception
        return str(done.exception)
    assert done.exit_code == status, done.output
    return done.output


def test_help_teaches_every_verb() -> None:
    text = theory("--help")
    for verb in ("exponents", "map", "curve", "runs"):
        assert f"  {verb} " in text
        assert "Usage" in theory(verb, "--help")


def test_exponents() -> None:
    found = json.loads(theory("exponents", "--alpha", 0.7, "--beta", 1.2, "--json"))
    assert found["phase"] == "III" and found["terms"] == ["K_pp", "F_ac"]
    assert (found["xi"], found["eta"]) == (0.5, pytest.approx(9 / 14))
    assert "phase IVa" in theory("exponents", "--alpha", 0.4, "--beta", 0.8)
    none = json.loads(theory("exponents", "--alpha", 0.1, "--beta", 0.1, "--json"))
    assert none["phase"] == "none" and none["eta"] is None
    assert "no power law" in theory("exponents", "--alpha", 0.1, "--beta", 0.1)


def test_a_finite_window_is_shown_beside_the_asymptote() -> None:
    found = json.loads(theory("exponents", "--alpha", 0.2, "--beta", 0.8, "--sizes", "100,1600", "--json"))
    assert found["window"]["eta"] < 0.75 * found["eta"]


def test_curve(tmp_path) -> None:
    out = tmp_path / "curve.png"
    found = json.loads(
        theory("curve", "--alpha", 0.7, "--beta", 1.2, "--sizes", "100,400", "--json", "--out", out).split(
            "wrote"
        )[0]
    )
    assert found["phase"] == "III" and len(found["frontier"]) == 13
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert "not above 1" in theory("curve", "--alpha", 0.2, "--beta", 0.2, status=2)
    assert "two or more sizes" in theory("curve", "--alpha", 0.7, "--beta", 1.2, "--sizes", "100", status=2)


def test_map(tmp_path) -> None:
    out = tmp_path / "map.png"
    theory("map", "--out", out, "--mark", "0.7,1.2,here")
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert "--mark takes" in theory("map", "--out", out, "--mark", "0.7", status=2)
    assert "a figure is" in theory("map", "--out", tmp_path / "map.txt", status=2)


def test_runs(tmp_path) -> None:
    out = tmp_path / "runs.csv"
    said = theory(
        "runs", "--alpha", 0.7, "--beta", 0.3, "--out", out, "--sizes", "20,40", "--flops", "2e3,6e3"
    )
    assert "4 runs of 2 sizes" in said
    assert len(read_runs(out)) == 4
    assert "no folder" in theory(
        "runs", "--alpha", 1, "--beta", 1, "--out", tmp_path / "no" / "x.csv", status=2
    )
