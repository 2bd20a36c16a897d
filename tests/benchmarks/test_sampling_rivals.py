"""The sampling benchmark: rivals sample our posterior, and the page says what was measured and no more."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bayescale.models.design import Design, make_design
from benchmarks.sampling import command, page
from benchmarks.sampling.designs import PROBLEMS, Problem
from benchmarks.sampling.export import largest_difference, our_log_density, points, target_of
from benchmarks.sampling.growth import measured, slope
from benchmarks.sampling.process import run
from benchmarks.sampling.race import DENSITY, Effort, keep, results
from benchmarks.sampling.rivals import numpyro_packed, numpyro_sites
from benchmarks.sampling.summary import Summary, best, summarise
from benchmarks.sampling.target import Target
from benchmarks.sampling.targets import of_growth, of_problem

BY_NAME = {p.name: p for p in PROBLEMS}


@pytest.fixture(scope="module")
def few() -> Design:
    return make_design(BY_NAME["few"].model(), BY_NAME["few"].runs())


@pytest.mark.parametrize("rival", [numpyro_packed, numpyro_sites], ids=["packed", "sites"])
def test_numpyro_samples_our_posterior(few: Design, rival: ModuleType, tmp_path: Path) -> None:
    """At twenty points, through the file that rivals read; some effects are centred and some are not."""
    target = target_of(few)
    assert len({f.centred for f in target.factors}) == 2
    target.write(tmp_path / "target.json")
    x = points(target, few)
    ours = our_log_density(x, target, few)
    assert len(x) == 20 and np.ptp(ours) > 100
    read = Target.read(tmp_path / "target.json")
    assert largest_difference(ours, rival.log_densities(read, x)) < DENSITY
    # Another posterior is found out.
    wrong = replace(read, noise=read.noise + 0.01)
    assert largest_difference(ours, rival.log_densities(wrong, x)) > DENSITY


@pytest.mark.skipif(not BY_NAME["clark"].there, reason="no tables of published runs here")
def test_numpyro_samples_clarks_posterior_with_runs_of_several_rows() -> None:
    problem = BY_NAME["clark"]
    design = make_design(problem.model(), problem.runs())
    target = target_of(design)
    assert target.several
    x = points(target, design)
    ours = our_log_density(x, target, design)
    assert largest_difference(ours, numpyro_packed.log_densities(target, x)) < DENSITY


def test_a_vector_is_taken_apart_and_put_together(few: Design) -> None:
    target = target_of(few)
    x = np.random.default_rng(0).normal(size=(3, 2, target.size))
    np.testing.assert_array_equal(target.join(*target.split(x)), x)
    # As many numbers as ours, each in a place of its own.
    assert (
        np.linalg.matrix_rank(np.array([target.to_ours(row) for row in np.eye(target.size)])) == target.size
    )


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if not p.needs], ids=lambda p: p.name)
def test_designs_are_as_they_say(problem: Problem) -> None:
    runs = problem.runs()
    cells = runs.groupby(["architecture", "task"]).size()
    count, rows = {"reference": (12, 30), "few": (12, 6), "crossed": (32, 10)}[problem.name]
    assert len(cells) == count and (cells == rows).all()
    assert problem.runs().equals(runs)


def _result(sampler: str, seed: int, cpu_s: float, **more: object) -> dict:
    return {
        "sampler": sampler,
        "seed": seed,
        "cache": "warm" if seed else "cold",
        "cpu_s": cpu_s,
        "stopped": False,
        "failed": "",
        "rows": 72,
        "cells": 12,
        "dimensions": 78,
        "bulk": 800.0,
        "tail": 600.0,
        "r_hat": 1.004,
        "draws": 4000,
        "divergences": 0,
        "cut": 0,
        "leapfrogs": 40_000,
        "verdict": "PASS",
        "missed": "",
        "notes": [],
        "version": "1.2.3",
    } | more


def test_only_fits_that_pass_get_a_figure() -> None:
    ours = Summary("bayescale", (_result("bayescale", 0, 60.0), _result("bayescale", 1, 20.0)))
    bad = {"verdict": "FAIL", "missed": "divergences 40", "divergences": 40}
    plain = Summary(
        "numpyro-plain",
        (_result("numpyro-plain", 0, 90.0, **bad), _result("numpyro-plain", 1, 80.0)),
    )
    stopped = {"sampler": "pymc", "seed": 0, "cache": "cold", "cpu_s": 900.0, "stopped": True, "failed": ""}
    slow = Summary("pymc", (stopped,))
    assert ours.passed and ours.speed("warm") == 30.0 and ours.speed("cold") == 10.0
    assert ours.leapfrogs_per_ess == 50.0
    assert not plain.passed and "divergences 40" in plain.why and "1 of 2 pass" in plain.why
    assert slow.why == "stopped after 900 CPU-s" and math.isnan(slow.speed("cold"))
    assert best([plain, slow], "warm") is plain
    assert page._figures(plain)[-1] == "(7.5)" and page._figures(ours)[-1] == "30.0"
    asked = {t.what.split(" over ")[0]: t for t in of_problem("reference", [ours, plain, slow])}
    ratio = asked["ESS per CPU-second"]
    assert ratio.reached.startswith("4.0 (warm cache), were its draws believed") and ratio.met is False


def test_the_page_is_made_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    effort = Effort("test")
    monkeypatch.setattr(Effort, "folder", tmp_path)
    for seed in (0, 1):
        for sampler, cpu_s in (("bayescale", 20.0), ("numpyro-plain", 200.0)):
            keep(tmp_path / "few" / f"{sampler}-{seed}.json", _result(sampler, seed, cpu_s))
    keep(
        tmp_path / "few" / "density" / "numpyro-plain.json", {"points": 20, "failed": "", "difference": 1e-9}
    )
    for runs, seconds in ((1000, 0.001), (10_000, 0.02)):
        known = {"kind": "gradient", "axis": "runs", "runs": runs, "cells": 5, "dimensions": 43}
        spent = {"gradient_s": seconds, "peak_mib": 300.0, "cpu_s": 3.0, "stopped": False, "failed": ""}
        keep(tmp_path / "growth" / f"gradient-runs-5-{runs}.json", known | spent)
    assert len(results(effort, "few")) == 4
    assert [s.sampler for s in summarise(results(effort, "few"), ["numpyro-plain", "bayescale"])] == [
        "numpyro-plain",
        "bayescale",
    ]
    points = measured(effort)
    assert slope(points, "runs") == pytest.approx(math.log10(20))
    assert [t.met for t in of_growth(points)] == [False]
    text, drawn = command.made(effort)
    assert drawn is not None and drawn.startswith(b"\x89PNG")
    assert "10.0 (warm cache)" in text and "have not been run: reference, crossed, clark, porian" in text


def test_a_childs_cpu_is_counted_and_capped(tmp_path: Path) -> None:
    spent = run(
        "timeit", ["-n", "1", "-r", "1", "sum(range(10**10))"], tmp_path / "c", tmp_path / "log", cap=0.5
    )
    assert spent.stopped and 0.3 < spent.cpu_s < 5
    spent = run("json.tool", ["/nowhere.json"], tmp_path / "c", tmp_path / "log")
    assert not spent.stopped and "nowhere" in spent.failed
    (tmp_path / "ok.json").write_text(json.dumps({}))
    assert run("json.tool", [tmp_path / "ok.json"], tmp_path / "c", tmp_path / "log").failed == ""
