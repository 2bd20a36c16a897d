"""The loop on the bundled trainer: real runs, of a second or so each."""

from __future__ import annotations

from pathlib import Path

import pytest

import bayescale as bs
from bayescale.decide import Costs, Utility
from bayescale.study import StudyError, study

SWEEP = """
name = "tiny"
out = "runs.parquet"
architectures = ["gpt"]

[[tasks]]
name = "chain"
corpus = "zipf_markov"
options = { symbols = 64, documents = 200 }

[data]
vocab = 300
context = 32

[training]
batch_coefficient = 1.0
batch_min = 256

[[sizes]]
width = 4
depth = 1
heads = 1

[[sizes]]
width = 8
depth = 1
heads = 1

[[sizes]]
width = 12
depth = 1
heads = 1

[[sizes]]
width = 16
depth = 1
heads = 1

[[sizes]]
width = 24
depth = 1
heads = 1

[[budgets]]
flops = 4e8
tokens_per_param = [1, 3, 8, 20]

[[budgets]]
flops = 8e8
tokens_per_param = [1, 3, 8, 20]

[[budgets]]
flops = 1.6e9
tokens_per_param = [1, 3, 8, 20]
"""
QUICK = bs.Settings(chains=2, warmup=300, draws=500, folds=False, again=False)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A menu of a dozen runs or so on a synthetic language."""
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP, "utf-8")
    return path


def question(price: float) -> bs.Decision:
    return bs.Decision(
        baseline_loss=4.2,
        utility=Utility(unit="minutes", per_nat=10.0),
        costs=Costs(per_flop=price),
        actions=(
            bs.Action(name="run it", params=1e4, tokens=6e4),
            bs.Action(name="leave it", kind="nothing"),
        ),
    )


@pytest.mark.slow
def test_a_study_trains_fits_and_decides_and_never_trains_twice(sweep: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = {"model": "chinchilla", "settings": QUICK, "work": tmp_path / "work", "announce": said.append}
    # The run is worth far more than it costs: sure after the first batch.
    found = study(sweep, question(1e-12), 1e10, rounds=2, out=tmp_path / "runs.parquet", **settings)
    assert len(found.runs) >= 7 and found.runs["loss"].between(1.0, 6.0).all()
    assert found.runs["flops"].sum() <= 1e10
    assert len(bs.read_runs(tmp_path / "runs.parquet")) == len(found.runs)
    assert list(found.rounds["round"]) == list(range(1, len(found.rounds) + 1))
    assert found.stopped
    # Runs apart in size and in tokens came first, as the prior asked.
    first = found.runs[found.runs["round"] == 1]
    assert first["params"].max() > first["params"].min() and first["tokens"].max() > 3 * first["tokens"].min()
    results = sorted((tmp_path / "work" / "results").glob("*.json"))
    stamps = [path.stat().st_mtime_ns for path in results]
    again = study(sweep, question(1e-12), 1e10, rounds=2, **settings)
    assert [path.stat().st_mtime_ns for path in results] == stamps
    assert again.runs["run_id"].tolist() == found.runs["run_id"].tolist()
    assert any("round 1: gpt on chain" in line for line in said)


def test_a_budget_below_a_first_fit(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="takes 7 runs"):
        study(sweep, question(1e-12), 1e7, model="chinchilla", work=tmp_path / "work", settings=QUICK)
