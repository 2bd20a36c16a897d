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
from bayescale.commands.gate import answering
from bayescale.errors import UserError

NEW = "--new-groups"
"""How the command line says that a label is new."""

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


@contextmanager
def fit_of(path: Path, as_json: bool = False, despite: bool = False) -> Iterator[Posterior]:
    """A posterior to answer from; a fit that failed its health gate gets no answer, and status 1.

    See `bayescale.commands.gate.answering`.
    """
    from bayescale.api import load

    posterior = load(path)
    with answering(posterior.health(), as_json, despite, str(path)):
        yield posterior


def other_fits(paths: Sequence[Path], as_json: bool = False, despite: bool = False) -> list[Posterior]:
    """Fits that an answer is compared with, each through the gate."""
    from bayescale.api import load

    found = []
    for path in paths:
        one = load(path)
        try:
            with answering(one.health(), as_json, despite, str(path)):
                pass
        except typer.Exit:
            if not despite:
                raise
        found.append(one)
    return found


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


def fits_beside(
    posterior: Posterior, paths: Sequence[Path] | None, as_json: bool = False, despite: bool = False
) -> dict[str, Posterior]:
    """Other fits by their models' names, and by their files' where these are the same."""
    others = list(zip(paths or (), other_fits(paths or (), as_json, despite), strict=True))
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


def cells_of(posterior: Posterior, labels: dict[str, str], new_groups: bool = False) -> pd.DataFrame | None:
    """The groups that have these labels; None, for all of the fit's, where there are no labels."""
    from bayescale.forecast.known_labels import LabelError, groups_with

    if not labels:
        return None
    try:
        return groups_with(posterior.design, posterior.design.groups, labels, new_groups, NEW)
    except LabelError as error:
        raise UserError(f"--for: {error}") from None


def exit_by_health(posterior: Posterior) -> None:
    if posterior.health().verdict == "FAIL":
        raise typer.Exit(1)
