"""Sweeps that are killed, resumed, locked and shared among workers."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

import bayescale.trainer
from bayescale.runs import read_runs
from bayescale.trainer import files, lock, run_sweep, sweep, table
from bayescale.trainer.config import read_sweep

ROOT = Path(__file__).parents[2]
SweepFile = Callable[..., Path]
MEASURED = ["run_id", "architecture", "params", "tokens", "loss", "loss_se", "flops", "split", "status"]

# As the command line runs it, but for checkpoints after every step.
SCRIPT = """
import sys
from pathlib import Path
from bayescale.trainer import sweep
from bayescale.trainer.config import read_sweep

if __name__ == "__main__":
    path, out, work = map(Path, sys.argv[1:4])
    sweep.run(read_sweep(path), out, work, workers=int(sys.argv[4]), every=0.0)
"""


def start(path: Path, out: Path, work: Path, workers: int = 1) -> subprocess.Popen[bytes]:
    # A file, because a worker that is spawned imports it again.
    script = path.parent / "script.py"
    script.write_text(SCRIPT, "utf-8")
    return subprocess.Popen(
        [sys.executable, str(script), str(path), str(out), str(work), str(workers)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(what: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 60
    while not what():
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.01)


MIXTURE = '{name = "moe", experts = 4, granularity = 2}'


@pytest.mark.parametrize(
    "killed",
    ['"llama"', *(pytest.param(name, marks=pytest.mark.slow) for name in ('"hawk"', '"lstm"', MIXTURE))],
)
def test_a_killed_sweep_resumes_to_the_same_table(killed: str, sweep_file: SweepFile, tmp_path: Path) -> None:
    path = sweep_file(flops=2.5e9)
    text = path.read_text("utf-8").replace('"llama"', killed)
    path.write_text(text.replace("batch_min = 256", "batch_min = 256\nnoise_points = 9"), "utf-8")
    expected = sweep.run(read_sweep(path), tmp_path / "whole.parquet", tmp_path / "whole")

    out, work = tmp_path / "killed.parquet", tmp_path / "killed"
    second = expected["run_id"][1]
    state = work / "checkpoints" / f"{second}.safetensors"
    process = start(path, out, work)
    try:
        wait_for(state.exists, process)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    # The first run is finished, the second in the middle, and the table says so.
    assert list(table.read_results(work)) == [expected["run_id"][0]]
    assert state.exists() and not table.result_path(work, second).exists()
    assert len(read_runs(out)) == 1

    # As if it had been killed while it wrote.
    state.with_name(f".{state.name}.0.tmp").write_bytes(b"torn")

    first = table.result_path(work, expected["run_id"][0])
    written = first.stat().st_mtime_ns
    found = sweep.run(read_sweep(path), out, work)
    assert first.stat().st_mtime_ns == written, "a finished run was trained again"
    pd.testing.assert_frame_equal(found[MEASURED], expected[MEASURED], check_exact=True)
    pd.testing.assert_frame_equal(
        read_runs(out)[MEASURED], read_runs(tmp_path / "whole.parquet")[MEASURED], check_exact=True
    )
    assert not list((work / "checkpoints").iterdir())


def test_run_sweep_writes_a_table_that_reads(sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sweep_file(more='\n[[budgets]]\nflops = 4e8\nsplit = "holdout"\ntokens_per_param = [1]\n')
    monkeypatch.chdir(path.parent)
    frame = run_sweep(path)
    assert (path.parent / ".bayescale" / "tiny" / "results").is_dir()
    runs = read_runs(path.parent / "runs.parquet")
    assert list(runs.columns) == table.COLUMNS == list(frame.columns)
    assert list(runs["split"]) == ["fit", "fit", "holdout", "holdout"]
    assert runs.attrs["conventions"]["params"] == "total"
    assert runs.attrs["conventions"]["flops"] == "counted"
    assert (runs["params"] == runs["params_total"]).all()
    assert set(runs["architecture"]) == {"gpt", "llama"} and set(runs["task"]) == {"chain"}
    # Text has no known entropy, nothing asked for the noise, and there may be no repository.
    empty = ["commit", "noise_scale", "entropy_floor", "entropy_floor_se"]
    assert not runs.drop(columns=empty).isna().any().any()
    # Nothing is trained twice, and the labels are the sweep file's.
    path.write_text(path.read_text("utf-8").replace('split = "holdout"', 'split = "fit"'), "utf-8")
    again = run_sweep(path)
    assert set(again["split"]) == {"fit"}
    assert list(again["wall_s"]) == list(frame["wall_s"])


def test_a_diverged_run_is_a_row(sweep_file: SweepFile, tmp_path: Path) -> None:
    path = sweep_file()
    text = path.read_text("utf-8").replace("[training]", "[training]\nembedding_learning_rate = 1e38")
    path.write_text(text, "utf-8")
    frame = sweep.run(read_sweep(path), tmp_path / "runs.parquet", tmp_path / "work")
    assert list(frame["status"]) == ["diverged", "diverged"]
    assert frame["loss"].isna().all()
    assert len(read_runs(tmp_path / "runs.parquet", check=False)) == 2


def test_workers_measure_what_one_process_does(sweep_file: SweepFile, tmp_path: Path) -> None:
    path = sweep_file()
    alone = sweep.run(read_sweep(path), tmp_path / "a.parquet", tmp_path / "a")
    shared = sweep.run(read_sweep(path), tmp_path / "b.parquet", tmp_path / "b", workers=2)
    pd.testing.assert_frame_equal(shared[MEASURED], alone[MEASURED], check_exact=True)


@pytest.mark.slow
def test_workers_die_with_their_sweep(sweep_file: SweepFile, tmp_path: Path) -> None:
    path = sweep_file(flops=1e11)
    path.write_text(path.read_text("utf-8").replace("[data]", "[data]\nmax_epochs = 1e6"), "utf-8")
    work = tmp_path / "work"
    process = start(path, tmp_path / "runs.parquet", work, workers=2)
    try:
        wait_for(lambda: len(list((work / "checkpoints").glob("*.safetensors"))) == 2, process)
    finally:
        process.kill()
        process.wait()
    time.sleep(2)
    state = min((work / "checkpoints").glob("*.safetensors"))
    before = state.stat().st_mtime_ns
    time.sleep(1)
    assert state.stat().st_mtime_ns == before, "a worker goes on without its sweep"


def test_two_sweeps_do_not_share_a_work_folder(sweep_file: SweepFile, tmp_path: Path) -> None:
    with (
        lock.held(tmp_path / "work"),
        pytest.raises(ValueError, match=r"another sweep is running in .*; wait for it"),
    ):
        sweep.run(read_sweep(sweep_file()), tmp_path / "runs.parquet", tmp_path / "work")
    with lock.held(tmp_path / "work"):
        pass  # it was let go


def test_a_broken_result_is_named(sweep_file: SweepFile, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "results").mkdir(parents=True)
    (work / "results" / "0123456789ab.json").write_text("{", "utf-8")
    with pytest.raises(ValueError, match=r"0123456789ab.json is not JSON .*; delete it"):
        sweep.run(read_sweep(sweep_file()), tmp_path / "runs.parquet", work)


@contextlib.contextmanager
def disk_full(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: the write fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results" / "a.json"
    files.write_json(path, {"loss": 1.0})
    with disk_full(10), pytest.raises(ValueError, match=r"a\.json cannot be written \(.*\); make room"):
        files.write_json(path, {"loss": 2.0, "curve": [1.0] * 100})
    assert files.read_json(path) == {"loss": 1.0}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_without_torch_the_remedy_is_said(sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayescale.trainer, "find_spec", lambda name: None if name == "torch" else True)
    with pytest.raises(ImportError, match=r'training needs torch, .*pip install "bayescale\[train\]"'):
        run_sweep(sweep_file())


def test_workers_and_threads_are_counts(sweep_file: SweepFile) -> None:
    with pytest.raises(ValueError, match="workers is 0; it must be at least 1"):
        run_sweep(sweep_file(), workers=0)


def test_the_trainer_imports_neither_torch_at_once_nor_jax_ever() -> None:
    source = (
        "import sys, bayescale.trainer; assert 'torch' not in sys.modules, 'torch'; "
        "import bayescale.trainer.sweep; assert 'jax' not in sys.modules, 'jax'"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_lines_tell_of_progress(
    sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.run(read_sweep(sweep_file()), tmp_path / "runs.parquet", tmp_path / "work")
    lines = capsys.readouterr().err.splitlines()
    assert "2 runs, 0 done before" in lines[0]
    assert "[2/2] llama on chain" in lines[-1] and "min left" in lines[-1]
    result = files.read_json(next((tmp_path / "work" / "results").glob("*.json")))
    assert result["config"]["seed"] == 0 and result["curve"]


def test_a_terminal_gets_a_bar(
    sweep_file: SweepFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    monkeypatch.setenv("TERM", "xterm")
    with contextlib.redirect_stderr((tmp_path / "screen").open("w")) as screen, screen:
        sweep.run(read_sweep(sweep_file()), tmp_path / "runs.parquet", tmp_path / "work")
    shown = (tmp_path / "screen").read_text("utf-8")
    assert "2/2" in shown and "FLOPs" in shown
