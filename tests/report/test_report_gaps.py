"""Groups that the average hides: who is left behind, and whether gaps grow, on the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.report import write_report
from bayescale.skills.groups import along, averaged_over, gaps, group_model
from tests.report.conftest import SHORT, silent
from tests.simulate import expected


@pytest.fixture(scope="module")
def parts() -> bs.Posterior:
    """Runs measured on two parts of the held-out text: one improves with scale, the other stands still."""
    rng = np.random.default_rng(0)
    rows = []
    for flops in np.geomspace(1e9, 1e12, 5):
        for params in np.geomspace(0.3, 3, 3) * np.sqrt(flops / 6 / 20):
            tokens, own = flops / 6 / params, 0.002 * rng.normal()
            losses = {
                "common": expected(
                    params, tokens, {"E": 1.5, "A": 30.0, "alpha": 0.32, "B": 60.0, "beta": 0.33}
                ),
                "rare": 3.0
                + expected(params, tokens, {"E": 0.0, "A": 0.03, "alpha": 0.32, "B": 0.06, "beta": 0.33}),
            }
            for part, loss in losses.items():
                rows.append(
                    (
                        f"r{len(rows) // 2}",
                        part,
                        params,
                        tokens,
                        flops,
                        loss * np.exp(own + 0.001 * rng.normal()),
                    )
                )
    table = pd.DataFrame(rows, columns=["run_id", "part", "params", "tokens", "flops", "loss"])
    return bs.fit(table, group_model("chinchilla", "part"), seed=0, settings=SHORT, progress=silent)


def test_the_group_that_stands_still_is_named(parts: bs.Posterior) -> None:
    assert averaged_over(parts) == "part"
    found = gaps(parts, "part")
    rows = found.groups.set_index("part")
    assert rows.loc["rare", "left_behind"] > 0.5
    assert rows.loc["common", "left_behind"] < 0.05
    assert found.places["left_behind"][0] >= rows["left_behind"].max()
    pair = found.pairs.iloc[0]
    assert (pair["worse"], pair["better"]) == ("rare", "common")
    assert pair["grows"] > 0.9
    assert found.left_behind()[0].startswith("The average improves while rare does not, with probability")


def test_the_page_says_so(parts: bs.Posterior, tmp_path: Path) -> None:
    html = write_report(parts, tmp_path / "report.html", figures=tmp_path).read_text(encoding="utf-8")
    assert "Groups that the average hides" in html
    assert "The average improves while rare does not, with probability" in html
    assert "The widest gap, of rare to common, goes from" in html
    assert (tmp_path / "gaps.svg").exists()


def test_tasks_are_averaged_over_and_architectures_are_not(posterior: bs.Posterior) -> None:
    assert averaged_over(posterior) == "task"
    places = along(posterior, "task", [1e12, 1e13])
    assert [place.labels for place in places] == [{"architecture": "gpt"}, {"architecture": "llama"}]
    assert places[0].loss.shape[1:] == (2, 2)
    assert places[0].share.tolist() == [0.5, 0.5]
    said = gaps(posterior, "task").sentences()
    assert any(", in gpt," in line for line in said) and any(", in llama," in line for line in said)


def test_tokens_of_different_lengths_are_compared_per_byte(posterior: bs.Posterior) -> None:
    runs = posterior.runs.assign(bytes_per_token=np.where(posterior.runs["task"] == "code", 2.0, 4.0))
    runs.attrs = posterior.runs.attrs
    per_byte = gaps(dataclasses.replace(posterior, runs=runs), "task")
    assert per_byte.unit == "nats per byte"
    tokens = gaps(posterior, "task").groups["loss"].to_numpy()
    assert per_byte.groups["loss"].to_numpy() == pytest.approx(tokens / [2, 4, 2, 4], rel=1e-6)
