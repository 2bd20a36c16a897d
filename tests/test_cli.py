"""The command line, through real subprocesses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import bayescale as bs

DECISION = """
question = "Is it worth it?"
target_loss = 2.5
[[actions]]
name = "big"
params = 1.5e6
tokens = 6e6
groups = { architecture = "gpt", task = "code" }
"""


def bayescale(
    *arguments: str | Path, cwd: Path | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bayescale.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(posterior: bs.Posterior, runs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli")
    posterior.save(path / "fit.nc")
    runs.to_csv(path / "runs.csv", index=False)
    (path / "decision.toml").write_text(DECISION)
    pd.DataFrame(
        {
            "name": ["a", "b"],
            "params": [1e6, 1e6],
            "tokens": [1e8, 2e8],
            "architecture": ["gpt", "lstm"],
            "task": "code",
        }
    ).to_csv(path / "points.csv", index=False)
    return path


def test_help_teaches_every_verb() -> None:
    text = bayescale("--help").stdout
    for verb in (
        "demo",
        "train",
        "check",
        "fit",
        "predict",
        "allocate",
        "adapt",
        "compare",
        "versus",
        "priors",
        "decide",
        "next",
        "report",
        "laws",
        "models",
    ):
        assert f"  {verb} " in text
        assert "Usage" in bayescale(verb, "--help").stdout


def test_help_and_lists_need_no_sampler() -> None:
    code = "import sys, bayescale.cli; sys.exit(bool({'jax', 'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_fit_writes_a_posterior_and_its_figures_as_json(folder: Path) -> None:
    done = bayescale(
        "fit",
        folder / "runs.csv",
        "--model",
        "chinchilla",
        "--out",
        folder / "new.nc",
        "--where",
        "flops < 1e12",
        "--json",
        cwd=folder,
    )
    said = json.loads(done.stdout)
    assert said["health"]["verdict"] == "PASS"
    alpha = next(row for row in said["summary"] if row["quantity"] == "alpha_mean")
    assert 0.2 < alpha["mean"] < 0.45
    fitted = bs.load(folder / "new.nc")
    assert fitted.sha256 == said["sha256"]
    assert len(fitted.runs) == 64
    assert (
        fitted.provenance["command"].startswith("bayescale fit ")
        and "flops < 1e12" in fitted.provenance["command"]
    )


def test_a_fit_that_fails_its_gate_is_saved_and_ends_with_one(folder: Path) -> None:
    done = bayescale(
        "fit",
        folder / "runs.csv",
        "--model",
        "chinchilla",
        "--out",
        folder / "bad.nc",
        "--chains",
        "2",
        "--warmup",
        "1",
        "--draws",
        "50",
        status=1,
    )
    assert "health: FAIL" in done.stdout and "do not use its figures" in done.stdout
    verdict = bayescale("decide", folder / "bad.nc", folder / "decision.toml", status=1)
    assert "NOT FROM THESE DATA" in verdict.stdout
    assert "health: FAIL" in verdict.stderr


def test_predict_names_its_quantiles_and_keeps_the_points(folder: Path) -> None:
    bayescale(
        "predict",
        folder / "fit.nc",
        folder / "points.csv",
        "--out",
        folder / "p.csv",
        "--quantiles",
        "0.01:0.99:0.01",
        "--new-groups",
    )
    table = pd.read_csv(folder / "p.csv")
    assert [c for c in table.columns if c.startswith("q")] == [f"q{i / 100:g}" for i in range(1, 100)]
    assert list(table["name"]) == ["a", "b"]
    assert list(table["group"]) == ["known", "new: architecture=lstm"]
    arguments = ("predict", folder / "fit.nc", folder / "points.csv", "--of", "mean", "--json")
    said = json.loads(bayescale(*arguments, "--new-groups").stdout)
    assert [row["band"] for row in said["predictions"]] == ["expected loss"] * 2
    assert said["health"]["verdict"] == "PASS"
    assert "--new-groups" in bayescale(*arguments, status=2).stderr


def test_allocate(folder: Path) -> None:
    said = json.loads(bayescale("allocate", folder / "fit.nc", "--flops", "1e13,1e14", "--json").stdout)
    assert len(said["allocation"]) == 8
    text = bayescale("allocate", folder / "fit.nc", "--flops", "1e13").stdout
    assert "90 % interval" in text and "llama" in text
    assert "20 tokens per param" in text and "safe_low" in text


def test_allocate_under_constraints_and_to_a_loss(folder: Path) -> None:
    (folder / "limits.toml").write_text("unique_tokens = 1e6\nmenu = [1e5, 4e5]\n")
    asked = ("allocate", folder / "fit.nc", "--for", "architecture=gpt,task=code", "--json")
    done = bayescale(
        *asked, "--flops", "1e13", "--constraints", folder / "limits.toml", "--unique-tokens", "2e6"
    )
    said = json.loads(done.stdout)
    assert "overrule" in done.stderr and "unique_tokens" in done.stderr
    row = said["allocation"][0]
    assert row["params"] in (1e5, 4e5) and row["epochs"] == pytest.approx(1e13 / 6 / row["params"] / 2e6)
    assert len(said["plans"]) == 3 and "Muennighoff" in said["notes"][0]
    cheap = json.loads(bayescale(*asked, "--loss", "2.2", "--lifetime-tokens", "1e8").stdout)["cheapest"]
    assert len(cheap) == 1 and cheap[0]["flops_ratio"] < 1


def test_adapt(folder: Path) -> None:
    asked = ("adapt", folder / "fit.nc", "--sizes", "3e4,1e5,3e5", "--flops", "1e12")
    at = ("--for", "architecture=gpt,task=code")
    said = json.loads(bayescale(*asked, *at, "--json").stdout)
    assert [row["shape"] for row in said["shapes"]] == [
        "30\u00a0k params",
        "100\u00a0k params",
        "300\u00a0k params",
    ]
    assert 0 <= said["p_pays"] <= said["p_savable"] + 0.05 and said["plan"][-1]["until"] == said["target"]
    done = bayescale(*asked, *at, "--figure", folder / "adapt.png")
    assert "Orders by probability" in done.stdout
    assert (folder / "adapt.png").read_bytes().startswith(b"\x89PNG")


def test_versus(folder: Path) -> None:
    arguments = ("versus", folder / "fit.nc", "--by", "architecture", "--flops", "1e13", "--for", "task=code")
    said = json.loads(bayescale(*arguments, "--json").stdout)
    assert [row["architecture"] for row in said["arms"]] == ["gpt", "llama"] and len(said["pairs"]) == 1
    pair = said["pairs"][0]
    assert pair["p_a_better"] + pair["p_equivalent"] + pair["p_b_better"] == pytest.approx(1)
    assert said["equivalence"] in bayescale(*arguments).stdout
    wide = json.loads(bayescale(*arguments, "--equivalence", "500%", "--json").stdout)
    assert wide["pairs"][0]["answer"] == "equivalent"


def test_decide_and_next(folder: Path) -> None:
    said = json.loads(bayescale("decide", folder / "fit.nc", folder / "decision.toml", "--json").stdout)
    assert said["answer"] in ("go", "no-go", "run first")
    assert 0 <= said["actions"][0]["p_target"] <= 1
    text = bayescale("decide", folder / "fit.nc", folder / "decision.toml").stdout
    assert text.startswith("Is it worth it?")
    ranked = json.loads(
        bayescale(
            "next",
            folder / "fit.nc",
            folder / "points.csv",
            "--target",
            _one(folder),
            "--budget",
            "1e16",
            "--new-groups",
            "--json",
        ).stdout
    )["candidates"]
    assert len(ranked) == 2 and ranked[0]["sd_after"] < ranked[0]["sd_now"]


def _one(folder: Path) -> Path:
    path = folder / "target.csv"
    pd.read_csv(folder / "points.csv").head(1).assign(params=3e6).to_csv(path, index=False)
    return path


def test_report(folder: Path) -> None:
    bayescale(
        "report",
        folder / "fit.nc",
        "--out",
        folder / "r.html",
        "--decision",
        folder / "decision.toml",
        "--figures",
        folder / "figs",
    )
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "Is it worth it?" in page
    assert list((folder / "figs").glob("*.png"))


def test_check_lists_every_problem_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("params,tokens,loss\n1e6,2e7,abc\n1e6,4e7,-1\n2e6,4e7,3.1\n")
    done = bayescale("check", tmp_path / "bad.csv", status=2)
    assert "row 1, column loss" in done.stdout and "row 2, column loss" in done.stdout
    assert all(
        p["remedy"] for p in json.loads(bayescale("check", tmp_path / "bad.csv", "--json", status=2).stdout)
    )


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("fit", "none.csv"), "none.csv"),
        (("fit", "runs.csv", "--model", "nothing"), "there are chinchilla"),
        (("fit", "runs.csv", "--where", "colour == 1"), "colour"),
        (("fit", "runs.csv", "--where", "__import__('os')"), "no place in a choice of rows"),
        (("fit", "runs.csv", "--chains", "0"), "chains"),
        (("predict", "runs.csv", "points.csv"), "runs.csv"),
        (("predict", "fit.nc", "points.csv", "--quantiles", "0:1:0.1"), "--quantiles"),
        (("predict", "fit.nc", "points.csv", "--quantiles", "a"), "--quantiles"),
        (("allocate", "fit.nc", "--flops", "lots"), "--flops"),
        (("allocate", "fit.nc"), "say what to spend or reach"),
        (("adapt", "fit.nc", "--by", "task", "--flops", "1e13"), "say which, --sizes"),
        (("adapt", "fit.nc", "--sizes", "1e5,2e5"), "a budget (flops) or a loss"),
        (("allocate", "fit.nc", "--flops", "1e13", "--device", "Z80"), "no device named"),
        (("allocate", "fit.nc", "--flops", "1e13", "--cost", "hours"), "no column 'hours'"),
        (("allocate", "fit.nc", "--flops", "1e13", "--for", "task=latin"), "Known: code, docs"),
        (("versus", "fit.nc", "--by", "seed", "--flops", "1e13"), "not grouped by seed"),
        (
            ("versus", "fit.nc", "--by", "task", "--flops", "1e13", "--equivalence", "little"),
            "a share of the loss, such as 1%",
        ),
        (("decide", "fit.nc", "none.toml"), "none.toml"),
        (("laws", "chinchila"), "Did you mean"),
        (("models", "nothing"), "chinchilla"),
        (("train", "none.toml"), "none.toml"),
    ],
)
def test_bad_input_is_a_line_and_status_two(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = bayescale(*arguments, cwd=folder, status=2)
    assert said in done.stderr


def test_laws_and_models_print_in_full() -> None:
    assert "chinchilla" in bayescale("laws").stdout
    assert "Besiroglu" in bayescale("laws", "chinchilla").stdout
    assert "alpha ~ 1 + (1|architecture)" in bayescale("models", "chinchilla").stdout


@pytest.mark.parametrize("verb", [["laws"], ["laws", "chinchilla"], ["models"]])
def test_what_there_is_is_listed_without_jax_pandas_or_scipy(verb: list[str]) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from bayescale.cli import app\n"
        f"done = CliRunner().invoke(app, {verb})\n"
        "sys.exit(done.exit_code or bool({'jax', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_table_without_the_laws_columns_is_told_which_laws_it_fits(tmp_path: Path) -> None:
    (tmp_path / "frontier.csv").write_text("flops,loss\n1e18,3.2\n1e19,2.9\n1e20,2.7\n")
    problems = json.loads(bayescale("check", tmp_path / "frontier.csv", "--json", status=2).stdout)
    assert {p["column"] for p in problems if p["severity"] == "error"} == {"params", "tokens"}
    (note,) = [p for p in problems if p["severity"] == "note"]
    assert "henighan-c (flops)" in note["what"] and "chinchilla" not in note["what"]
    assert "henighan-c" in bayescale("fit", tmp_path / "frontier.csv", status=2).stderr
    listed = bayescale("laws", "--for", tmp_path / "frontier.csv").stdout
    assert {line.split()[0] for line in listed.splitlines()} == {"henighan-c", "kaplan-c", "zhai"}


def test_a_table_that_no_law_takes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("x,loss\n1,3.2\n2,2.9\n")
    assert "no law takes these columns" in bayescale("laws", "--for", tmp_path / "odd.csv", status=2).stderr
