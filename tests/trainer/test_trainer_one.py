"""One run by two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayescale.trainer import files, sweep, table
from bayescale.trainer.config import read_sweep
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import Team, joined
from bayescale.trainer.train import train

ROOT = Path(__file__).parents[2]


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            "-m", "bayescale.trainer.one", *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_reach_the_loss_of_one(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(flops=2e9)
    text = path.read_text("utf-8")
    # Balancing looks at a process's own share of the batch, so a mixture's gradient is another; see docs.
    path.write_text(text.replace('["gpt", "llama"]', '["llama", "hawk", "lstm"]'), "utf-8")
    alone = sweep.run(read_sweep(path), tmp_path / "a.parquet", tmp_path / "a").set_index("run_id")
    work = tmp_path / "b"
    for run_id, row in alone.iterrows():
        done = torchrun(2, str(path), str(run_id), "--work", str(work))
        assert done.returncode == 0, done.stderr
        result = files.read_json(table.result_path(work, str(run_id)))
        assert result["loss"] == pytest.approx(row["loss"], abs=1e-4)
        assert (result["tokens"], result["flops"]) == (row["tokens"], row["flops"])
    # The sweep takes them for finished.
    shared = sweep.run(read_sweep(path), tmp_path / "b.parquet", work)
    assert list(shared["run_id"]) == list(alone.index)
    wrong = torchrun(2, str(path), "0123", "--work", str(work))
    assert wrong.returncode and "has no run '0123'; its runs: " in wrong.stderr


def test_a_batch_is_shared_out_once() -> None:
    batch = np.arange(24).reshape(8, 3)
    parts = [Team(rank, 4).share(batch) for rank in range(4)]
    assert {len(part) for part in parts} == {2}
    assert sorted(np.concatenate(parts)[:, 0]) == list(range(0, 24, 3))


def test_a_batch_that_cannot_be_shared_is_refused(chain: Dataset, variant: Callable[..., RunConfig]) -> None:
    with pytest.raises(ValueError, match="batches of 8 sequences, which 3 processes cannot share"):
        train(variant(), chain, team=Team(0, 3))


def test_without_torchrun_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="belongs to no team; start it with: torchrun"), joined():
        pass
