"""The finished runs of a sweep whose weights were kept, and measurements of them that are never made twice."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.runs import Conventions, write_runs
from bayescale.trainer import dataset, files, sweep, table, weights
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.config import Sweep, Task
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import PlannedRun

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kept:
    """A sweep that has been trained, at least in part.

    Parameters
    ----------
    sweep : Sweep
        The sweep file.
    work : Path
        Its work folder.
    runs : tuple of PlannedRun
        Those that are finished, in the plan's order, diverged ones left out.
    results : mapping of run_id to dict
        What was measured when they were trained.
    data : mapping of task to Path
        Each task's tokens.
    """

    sweep: Sweep
    work: Path
    runs: tuple[PlannedRun, ...]
    results: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Path]

    def model(self, run: PlannedRun) -> Decoder:
        """The run's model, with the weights that it ended with."""
        return weights.load(weights.path(self.work, run.config.run_id), run.config)

    def dataset(self, task: str) -> Dataset:
        """A task's tokens."""
        return dataset.load(self.data[task])

    def task(self, name: str) -> Task:
        """A task of the sweep by name."""
        for task in self.sweep.tasks:
            if task.name == name:
                return task
        raise TrainerError(
            f"sweep {self.sweep.name!r} has no task {name!r}; its tasks: "
            f"{', '.join(task.name for task in self.sweep.tasks)}"
        )

    def row(self, run: PlannedRun) -> dict[str, Any]:
        """The run's row of the runs table."""
        frame = table.assemble(self.results, [run])
        return {key: _plain(value) for key, value in frame.iloc[0].items()}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def open_kept(sweep_: Sweep, work: Path, cells: Sequence[str] = ()) -> Kept:
    """Find a sweep's finished runs.

    Parameters
    ----------
    sweep_ : Sweep
        The sweep file.
    work : Path
        Its work folder.
    cells : sequence of str
        Patterns of ARCHITECTURE/TASK; runs of other cells are left out. All where empty.

    Raises
    ------
    TrainerError
        If none is finished, or there are no weights of those that are.
    """
    if not (work / "results").exists():
        raise TrainerError(f"{work} has no finished run; call bayescale train with this sweep file first")
    planned, data = sweep.lay_out(sweep_, work, lambda line: None)
    results = table.read_results(work)
    finished = [
        run
        for run in planned
        if run.config.run_id in results
        and results[run.config.run_id]["status"] == "finished"
        and (not cells or any(fnmatch(f"{run.config.architecture}/{run.config.task}", c) for c in cells))
    ]
    if not finished:
        raise TrainerError(
            f"{work} has no finished run of {', '.join(cells) or 'this sweep'}; call bayescale train first"
        )
    there = [run for run in finished if weights.path(work, run.config.run_id).exists()]
    if not there:
        raise TrainerError(
            f"{work} has {len(finished)} finished runs and the weights of none; put keep_weights = true at the top "
            "of the sweep file and call bayescale train again"
        )
    return Kept(sweep_, work, tuple(there), results, data)


def each(
    kept: Kept,
    name: str,
    identity: Mapping[str, Any],
    measure: Callable[[PlannedRun], list[dict[str, Any]]],
    say: Say,
) -> Iterator[tuple[PlannedRun, list[dict[str, Any]]]]:
    """Measure every run once: rows already there for the same `identity` are read, not made again.

    Parameters
    ----------
    kept : Kept
        The runs.
    name : str
        The measurement, whose rows lie in a folder of that name in the work folder.
    identity : mapping
        What the rows depend on beside the run, fit for JSON.
    measure : callable
        Makes the rows of a run, fit for JSON.
    say : callable
        Told of each run that was measured.
    """
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    for number, run in enumerate(kept.runs, 1):
        path = kept.work / name / f"{run.config.run_id}-{key}.json"
        if path.exists():
            yield run, files.read_json(path)
            continue
        rows = measure(run)
        files.write_json(path, rows)
        c = run.config
        say(f"[{number}/{len(kept.runs)}] {name} of {c.architecture} on {c.task}, N={run.params_total:,}")
        yield run, rows


def write_rows(rows: Sequence[Mapping[str, Any]], out: Path) -> pd.DataFrame:
    """Write a table that is no runs table, atomically: .parquet, or .csv."""
    frame = pd.DataFrame(list(rows))
    if out.suffix == ".csv":
        files.write_bytes(out, frame.to_csv(index=False).encode())
    elif out.suffix == ".parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        files.write_bytes(out, buffer.getvalue())
    else:
        raise TrainerError(f"{out} is neither .parquet nor .csv; give it one of these endings")
    return frame


def write_measured(rows: Sequence[Mapping[str, Any]], out: Path, source: str) -> pd.DataFrame:
    """Write a runs table whose losses were measured after training, with its conventions."""
    frame = pd.DataFrame(list(rows))
    conventions = Conventions(
        params="total", flops="counted", loss="nats/token", evaluation="shared", source=source
    )
    with files.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_runs(frame, out, conventions=conventions)
    return frame
