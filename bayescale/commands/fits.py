"""What every verb does with a posterior: make one, read one, check where it goes, end by its health."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bayescale.commands.console import note, plain
from bayescale.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.api import Posterior
    from bayescale.inference import Settings
    from bayescale.models import Model
    from bayescale.runs import Problem


def models_of(names: str) -> list[Model]:
    """Models and laws by their names, separated by commas."""
    from bayescale.models import Model

    return [Model.load(name.strip()) for name in names.split(",") if name.strip()]


def read_for(models: Sequence[Model], runs: Path, where: str | None) -> pd.DataFrame:
    """A runs table with what these models take; what is odd about it is said."""
    from bayescale.runs import BadRuns, read_runs

    inputs = tuple(dict.fromkeys(c for model in models for c in model.definition.inputs))
    try:
        table = read_runs(runs, where=where, inputs=inputs)
    except BadRuns as error:
        instead = other_laws(runs, error.problems, inputs)
        raise BadRuns([*error.problems, *instead]) from None
    for warning in table.attrs["warnings"]:
        note(f"warning: {warning}")
    return table


def other_laws(path: Path, problems: Iterable[Problem], inputs: Sequence[str]) -> list[Problem]:
    """Return a note that names the laws which the table's columns fit, where the asked law's are not there."""
    from bayescale.laws import laws_for
    from bayescale.runs import BadRuns, Problem, read_runs

    if not any(p.severity == "error" and p.column in inputs and p.row is None for p in problems):
        return []
    try:
        columns = read_runs(path, check=False).columns
    except BadRuns:
        return []
    fitting = laws_for(set(map(str, columns)) - {"loss"})
    if not fitting:
        return []
    said = ", ".join(f"{name} ({', '.join(law.inputs)})" for name, law in fitting.items())
    return [Problem("note", path.name, f"its columns fit the laws {said}", "Give one of them by --model.")]


def fit_table(table: pd.DataFrame, model: Any, seed: int, settings: Settings | None) -> Posterior:
    from bayescale.api import fit as fit_runs

    return fit_runs(table, model, seed, settings, command=shlex.join(["bayescale", *sys.argv[1:]]))


def settings_of(chains: int, warmup: int, draws: int, target_accept: float) -> Settings:
    from bayescale.inference import Settings

    try:
        return Settings(chains, warmup, draws, target_accept)
    except ValueError as error:
        raise UserError(str(error)) from None


def load_fit(path: Path) -> Posterior:
    from bayescale.api import load

    posterior = load(path)
    if posterior.health().verdict != "PASS":
        note(str(posterior.health()))
    return posterior


@contextmanager
def fit_of(path: Path) -> Iterator[Posterior]:
    """A posterior to answer from; the command ends with status 1 where it failed its health gate."""
    posterior = load_fit(path)
    yield posterior
    exit_by_health(posterior)


def writable(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file in it")


def write_json(answer: Any, path: Path) -> None:
    from bayescale.runs.atomic import replace_files

    replace_files({path: (json.dumps(plain(answer), indent=1) + "\n").encode()})
    note(f"wrote {path}")


def unseen(posterior: Posterior, path: Path | None, where: str | None) -> pd.DataFrame | None:
    from bayescale.runs import read_runs

    return read_runs(path, where=where, inputs=posterior.model.definition.inputs) if path else None


def fits_beside(posterior: Posterior, paths: Sequence[Path] | None) -> dict[str, Posterior]:
    """Other fits by their models' names, and by their files' where these are the same."""
    others = [(path, load_fit(path)) for path in paths or ()]
    names = [posterior.model.name, *(one.model.name for _, one in others)]
    found = {
        one.model.name if names.count(one.model.name) == 1 else f"{one.model.name} ({path.stem})": one
        for path, one in others
    }
    if len(found) < len(others):
        raise UserError("--beside: two fits have one name; give each once")
    return found


def weights_in(path: Path | None) -> dict[str, float] | None:
    """Stacking weights from a backtest's file."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text("utf-8"))["weights"]
        return {str(name): float(weight) for name, weight in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: no weights there ({type(error).__name__}); write them with "
            "`bayescale backtest RUNS --model A,B --rolling 3 --out FILE`"
        ) from None


def cells_of(posterior: Posterior, labels: dict[str, str]) -> pd.DataFrame | None:
    """The fitted groups that have these labels; None, for all of them, where there are no labels."""
    cells, known = posterior.design.groups, posterior.design.cells.columns
    for column, label in labels.items():
        if column not in known:
            raise UserError(
                f"--for: the runs are not grouped by {column}; they are by {', '.join(known) or 'nothing'}"
            )
        kept = cells[cells[column].map(str) == label]
        if kept.empty:
            there = ", ".join(map(str, dict.fromkeys(cells[column])))
            raise UserError(
                f"--for: no group has {column} = {label} (with what comes before it): there are {there}"
            )
        cells = kept
    return cells.reset_index(drop=True) if labels else None


def exit_by_health(posterior: Posterior) -> None:
    if posterior.health().verdict == "FAIL":
        raise typer.Exit(1)
