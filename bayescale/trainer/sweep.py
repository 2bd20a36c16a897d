"""A sweep: plan its runs, train those that are not finished, keep the table up to date."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch

from bayescale.runs import Conventions, write_runs
from bayescale.trainer import dataset, files, lock, table, weights
from bayescale.trainer.config import Sweep
from bayescale.trainer.hardware import PROCESSOR, Hardware
from bayescale.trainer.plan import PlannedRun, RunConfig, plan
from bayescale.trainer.progress import Reporter
from bayescale.trainer.train import train
from bayescale.trainer.workshop import Result, Workshop

CHECKPOINT_EVERY = 60.0  # seconds


def run(
    sweep: Sweep,
    out: Path,
    work: Path,
    workers: int = 1,
    threads: int = 1,
    every: float = CHECKPOINT_EVERY,
    engine: str = "local",
    hardware: Hardware = PROCESSOR,
) -> pd.DataFrame:
    """Carry a sweep out, or on; see `bayescale.trainer.run_sweep`.

    Parameters
    ----------
    sweep : Sweep
        What to train.
    out, work : Path
        The runs table and the work folder.
    workers, threads : int
        Processes side by side, and the threads of each.
    every : float
        Seconds between a run's checkpoints.
    engine : {"local", "ray"}
        What carries the runs out: processes of this machine, or a Ray cluster; see `cluster`.
    hardware : Hardware
        What runs are trained on.

    Returns
    -------
    DataFrame
        The runs table.
    """
    with lock.held(work):
        planned, data = lay_out(sweep, work)
        results = table.read_results(work)
        # A run whose weights are wanted and were not kept is trained again, to the same figures.
        done = {
            r.config.run_id
            for r in planned
            if r.config.run_id in results
            and (not sweep.keep_weights or weights.path(work, r.config.run_id).exists())
        }
        todo = [r for r in planned if r.config.run_id not in done]
        before = [results[r.config.run_id] for r in planned if r.config.run_id in done]
        write_table(sweep, results, planned, out)
        workshop = Workshop(work, data, workers, threads, every, sweep.keep_weights, hardware)
        with Reporter(todo, before, workers) as reporter:
            reporter.say(
                f"sweep {sweep.name}: {len(planned)} runs, {len(before)} done before, "
                f"{sum(r.flops for r in todo):.3g} FLOPs to spend"
            )
            if engine == "ray":
                from bayescale.trainer.cluster import on_ray as carry_out
            else:
                carry_out = _here if workers == 1 else _side_by_side
            for planned_run, result in carry_out(todo, workshop, reporter):
                # The result first: once it lies there the run is finished, and its checkpoint is litter.
                files.write_json(table.result_path(work, planned_run.config.run_id), result)
                workshop.state(planned_run.config).unlink(missing_ok=True)
                results[planned_run.config.run_id] = result
                write_table(sweep, results, planned, out)
                reporter.finished(planned_run, result)
        return table.assemble(results, planned)


def lay_out(
    sweep: Sweep, work: Path, say: Callable[[str], None] = lambda line: print(line, flush=True)
) -> tuple[list[PlannedRun], dict[str, Path]]:
    """Prepare the tasks' tokens and list the runs; return these, and each task's folder."""
    data = {task.name: dataset.prepare(task, sweep.data.vocab, work / "data") for task in sweep.tasks}
    manifests = {name: files.read_json(folder / "manifest.json") for name, folder in data.items()}
    return plan(sweep, manifests, say), data


def write_table(sweep: Sweep, results: Mapping[str, Result], planned: list[PlannedRun], out: Path) -> None:
    """Write the table atomically, with its conventions."""
    conventions = Conventions(
        params="total",
        flops="counted",
        loss="nats/token",
        evaluation="shared",
        source=f"measured by bayescale train, sweep {sweep.name}",
    )
    with files.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_runs(table.assemble(results, planned), out, conventions=conventions)


def _here(
    todo: list[PlannedRun], workshop: Workshop, reporter: Reporter
) -> Iterator[tuple[PlannedRun, Result]]:
    for planned in todo:

        def tick(step: int, loss: float, planned: PlannedRun = planned) -> None:
            reporter.tick(planned, step, loss)

        yield planned, _train(planned.config, workshop, tick)


def _side_by_side(
    todo: list[PlannedRun], workshop: Workshop, reporter: Reporter
) -> Iterator[tuple[PlannedRun, Result]]:
    # Spawned, not forked: a fork inherits torch's thread pool in a state that it cannot use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workshop.workers, mp_context=context, initializer=_end_with_parent) as pool:
        futures = {pool.submit(_train, planned.config, workshop): planned for planned in todo}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _train(
    config: RunConfig, workshop: Workshop, tick: Callable[[int, float], None] = lambda step, loss: None
) -> Result:
    with _threads(workshop.threads):
        data = dataset.load(workshop.data[config.task])
        state, kept = workshop.state(config), workshop.kept(config)
        return train(config, data, state, workshop.every, tick, keep=kept, hardware=workshop.hardware)


def _end_with_parent() -> None:
    """End this worker when the sweep dies: it would go on, beside the one that is started in its place."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Set torch's threads; a run's figures are the same bit for bit only with the same number of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
