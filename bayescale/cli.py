"""The command line: the verbs of `bayescale.commands`, put together, and how errors end."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from bayescale.commands import (
    adapting,
    allocating,
    catalogue,
    comparing,
    deciding,
    fitting,
    story,
    studying,
    tables,
    testing,
    training,
)
from bayescale.commands.console import note
from bayescale.commands.measuring import app as measure
from bayescale.commands.skills import app as skills
from bayescale.commands.theory import app as theory
from bayescale.errors import DesignWarning, UserError

app = typer.Typer(
    name="bayescale",
    help="Bayesian scaling laws: from a table of small training runs to a decision about a bigger one.",
    epilog="Start with bayescale demo; then bayescale check RUNS, bayescale fit RUNS, bayescale report fit.nc.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(theory)
app.add_typer(measure)
app.add_typer(skills)

# In the order that --help lists them.
app.command()(story.demo)
app.command()(training.train)
app.command()(tables.check)
app.command()(fitting.fit)
app.command()(fitting.predict)
app.command()(testing.compare)
app.command()(testing.backtest)
app.command()(comparing.versus)
app.command()(allocating.allocate)
app.command()(adapting.adapt)
app.command()(deciding.decide)
app.command("next")(deciding.next_)
app.command()(studying.study)
app.command()(fitting.report)
app.command()(catalogue.laws)
app.command()(catalogue.models)
app.command()(catalogue.priors)


def main() -> None:
    """Entry point: user errors in a line, no traceback."""
    warnings.showwarning = _show_warning
    try:
        app()
    except UserError as error:
        typer.echo(str(error) if str(error).startswith("error: ") else f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(2)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    where = "" if issubclass(category, DesignWarning) else f"{filename}:{lineno}: "
    note(f"warning: {where}{message}")


if __name__ == "__main__":
    main()
