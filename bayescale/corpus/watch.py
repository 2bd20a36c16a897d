"""A bar for measuring a corpus; nothing where nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bayescale.corpus.prior import Progress as Told


@contextmanager
def bar() -> Iterator[Told | None]:
    """A reporter for `corpus_prior` that moves a bar on standard error, or None where that is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("reading", total=None)

        def told(what: str, share: float) -> None:
            shown.update(task, description=what, total=1.0 if share else None, completed=share)

        yield told
