"""One run by two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bayescale.trainer import architectures, files, sweep, table, weights
from bayescale.trainer.config import read_sweep
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.hardware import PROCESSOR
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import Team, joined
from bayescale.trainer.train import train

ROOT = Path(__file__).parents[2]
Variant = Callable[..., RunConfig]


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return started(processes, "-m", "bayescale.trainer.one", *arguments)


def started(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            *arguments,
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


@pytest.mark.slow
@pytest.mark.parametrize("architecture", architectures.names())
def test_sharded_weights_reach_the_loss_of_whole_ones(
    architecture: str, sweep_file: Callable[..., Path], tmp_path: Path
) -> None:
    path = sweep_file(flops=1e9)
    mixture = '{ name = "moe", experts = 4, granularity = 2 }'
    named = mixture if architecture == "moe" else f'"{architecture}"'
    text = path.read_text("utf-8").replace('["gpt", "llama"]', f"[{named}]")
    path.write_text("keep_weights = true\n" + text, "utf-8")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    (run_id,) = sweep.run(read_sweep(path), tmp_path / "a.parquet", whole)["run_id"]
    for arguments, work in ((("--shard",), parts),) + ((((), whole),) if architecture == "moe" else ()):
        table.result_path(work, run_id).unlink(missing_ok=True)
        done = torchrun(2, str(path), run_id, "--work", str(work), *arguments)
        assert done.returncode == 0, done.stderr
    # A mixture balances within a process's own share: it is held against two whole copies of it.
    found, expected = (files.read_json(table.result_path(w, run_id)) for w in (parts, whole))
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-4)
    assert found["params_total"] == expected["params_total"]
    ours, theirs = (load_file(weights.path(work, run_id)) for work in (parts, whole))
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        torch.testing.assert_close(values, theirs[name], atol=1e-3, rtol=1e-2)


@pytest.mark.slow
def test_a_sharded_run_that_was_killed_goes_on(chain: Dataset, variant: Variant, tmp_path: Path) -> None:
    """Both processes stop after step 30 and start again; a checkpoint is whole, so one process goes on from it too."""
    config = variant(architecture="llama")
    lone, shared = train(config, chain), tmp_path / "run.safetensors"
    script = tmp_path / "stop.py"
    script.write_text(
        f"""
import sys
from pathlib import Path
from bayescale.trainer import dataset
from bayescale.trainer.hardware import PROCESSOR
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import joined
from bayescale.trainer.train import train

def stop(step, loss):
    if step == 31 and "stop" in sys.argv:
        raise SystemExit(0)

with joined(PROCESSOR, sharded=True) as (team, own):
    result = train({config!r}, dataset.load(Path(sys.argv[1])), Path({str(shared)!r}), 0.0, stop, team, hardware=own)
    if team.leads:
        print(result["loss"])
""",
        "utf-8",
    )
    folder = str(chain.train.filename.parent)  # type: ignore[attr-defined]
    done = started(2, str(script), folder, "stop")
    assert done.returncode == 0 and shared.exists(), done.stderr
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(shared.read_bytes())
    steps: list[int] = []
    assert train(config, chain, copied, tick=lambda step, loss: steps.append(step))["loss"] == pytest.approx(
        lone["loss"], abs=1e-4
    )
    assert steps[0] == 31
    done = started(2, str(script), folder)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) == pytest.approx(lone["loss"], abs=1e-4)


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
    with pytest.raises(ValueError, match="belongs to no team; start it with: torchrun"), joined(PROCESSOR):
        pass
