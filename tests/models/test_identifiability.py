"""What runs cannot tell is said by name before anything is sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import DesignWarning
from bayescale.inference import Settings
from bayescale.models import Model, make_design
from bayescale.models.identifiability import identifiability

SIZES = np.geomspace(1e7, 1e9, 12)


def table(params: np.ndarray, tokens: np.ndarray) -> pd.DataFrame:
    loss = 1.8 + 480 * params**-0.35 + 2000 * tokens**-0.37
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


def of(runs: pd.DataFrame, law: str = "chinchilla"):  # type: ignore[no-untyped-def]
    return identifiability(make_design(Model.of_law(law), runs))


def test_a_wide_design_tells_everything() -> None:
    params, tokens = (x.ravel() for x in np.meshgrid(SIZES, np.geomspace(1e9, 1e11, 6)))
    found = of(table(params, tokens))
    assert found.notes() == [] and max(found.kept.values()) < 0.5


def test_constant_tokens_leave_the_data_exponent_to_its_prior() -> None:
    found = of(table(SIZES, np.full(12, 1e10)))
    assert found.repeats == ("beta",) and found.kept["beta"] == pytest.approx(1, abs=1e-9)
    assert found.together == (("E", "B"),) and found.constant == ("tokens",)
    said = " ".join(found.notes())
    assert "all runs have the same tokens" in said and "beta will repeat its prior" in said
    assert "E and B can be told only in combination" in said


def test_one_ratio_of_tokens_to_params_mixes_the_two_terms() -> None:
    assert any({"A", "B"} <= set(group) for group in of(table(SIZES, 20 * SIZES)).together)


def test_an_unused_parameter_is_named_whatever_the_law() -> None:
    runs = table(SIZES, SIZES[::-1] * 20).assign(unique_tokens=1e13)
    assert "R_D" in of(runs, "muennighoff").repeats


def test_it_is_said_before_sampling_and_kept() -> None:
    short = Settings(chains=1, warmup=50, draws=50)
    with pytest.warns(DesignWarning, match="beta will repeat its prior"):
        posterior = bs.fit(table(SIZES, np.full(12, 1e10)), "chinchilla", seed=0, settings=short)
    assert any("beta will repeat its prior" in note for note in posterior.provenance["notes"])


@pytest.mark.slow
def test_what_was_said_to_repeat_its_prior_does() -> None:
    params, tokens = (x.ravel() for x in np.meshgrid(SIZES, np.geomspace(1e9, 1e11, 3)))
    runs = table(params, tokens).assign(unique_tokens=1e13)
    runs["loss"] *= np.exp(0.005 * np.random.default_rng(0).normal(size=len(runs)))
    with pytest.warns(DesignWarning, match="R_D will repeat its prior"):
        posterior = bs.fit(runs, model="muennighoff", seed=0, settings=Settings(chains=2))
    mean, sd = posterior.model.prior("R_D").normal("positive")
    draws = np.log(posterior.draws("R_D_mean"))
    assert draws.std() == pytest.approx(sd, rel=0.1) and draws.mean() == pytest.approx(mean, abs=0.2 * sd)


def test_the_command_line_lists_it_beside_other_problems(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from bayescale.cli import app

    path = tmp_path / "runs.csv"
    table(SIZES, np.full(12, 1e10)).to_csv(path, index=False)
    said = CliRunner().invoke(app, ["check", str(path), "--model", "chinchilla"]).output
    assert "warning: runs.csv: by the model chinchilla, beta will repeat its prior" in said


def test_an_id_of_several_sizes_is_not_a_run(tmp_path: Path) -> None:
    from bayescale.runs import check_runs

    runs = table(SIZES, SIZES * 20).assign(run_id="sweep-1")
    said = [str(p) for p in check_runs(runs) if p.column == "run_id"]
    assert any("rows of one run_id differ in params" in text for text in said)
    assert not [p for p in check_runs(runs.assign(run_id=list("abcdefghijkl"))) if p.column == "run_id"]
