"""Runs handed to a real Ray cluster of two nodes, one of whose workers is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import bayescale.trainer
from bayescale.trainer import run_sweep, sweep, table
from bayescale.trainer.config import read_sweep

SweepFile = Callable[..., Path]
MEASURED = ["run_id", "architecture", "params", "tokens", "loss", "loss_se", "flops", "split", "status"]


def workers(parents: set[int]) -> list[int]:
    """The processes that train: Ray names a worker after its task, and its raylet is its parent."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_text()
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if command.startswith("ray::_train") and parent in parents:
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_killed_worker_costs_no_run(sweep_file: SweepFile, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    path = sweep_file(flops=1e10, more="\n[[budgets]]\nflops = 1.2e10\ntokens_per_param = [1]\n")
    path.write_text(path.read_text("utf-8").replace("[data]", "[data]\nmax_epochs = 1e6"), "utf-8")
    alone = sweep.run(read_sweep(path), tmp_path / "a.parquet", tmp_path / "a")

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    killed: list[int] = []
    try:
        other = cluster.add_node(num_cpus=1)
        raylets = {
            info.process.pid for node in (cluster.head_node, other) for info in node.all_processes["raylet"]
        }
        ray.init(address=cluster.address, log_to_driver=False)
        work = tmp_path / "b"

        def kill_one() -> None:
            limit = time.monotonic() + 120
            while time.monotonic() < limit and not killed:
                # In the middle of a run: it has written a checkpoint.
                if list((work / "checkpoints").glob("*.safetensors")) and (there := workers(raylets)):
                    os.kill(there[0], signal.SIGKILL)
                    killed.append(there[0])
                time.sleep(0.05)

        killer = threading.Thread(target=kill_one)
        killer.start()
        shared = sweep.run(read_sweep(path), tmp_path / "b.parquet", work, workers=2, every=0.0, engine="ray")
        killer.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed, "no worker was there to be killed"
    assert len(table.read_results(work)) == len(shared) == 4
    assert shared["run_id"].is_unique
    pd.testing.assert_frame_equal(shared[MEASURED], alone[MEASURED], check_exact=True)
    assert not list((work / "checkpoints").iterdir())


def test_without_ray_the_remedy_is_said(sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayescale.trainer, "find_spec", lambda name: None if name == "ray" else True)
    with pytest.raises(ImportError, match=r'engine ray needs ray, .*pip install "bayescale\[ray\]"'):
        run_sweep(sweep_file(), engine="ray")
    with pytest.raises(ValueError, match="there is no engine 'slurm'; choose from local, ray"):
        run_sweep(sweep_file(), engine="slurm")
