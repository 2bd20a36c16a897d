"""A bar for sampling: chains, draws, divergences, time left; nothing where nobody watches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bayescale.inference import Settings
from bayescale.inference.nuts import Progress as Report


@contextmanager
def sampling_bar(settings: Settings) -> Iterator[Report | None]:
    """A reporter for `fit` that moves a bar on standard error, or None where that is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} iterations"),
        TextColumn("{task.fields[divergences]} divergences"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        start = bar.add_task("finding a start, compiling", total=None, divergences=0)
        task = bar.add_task(f"{settings.chains} chains", total=1, divergences=0, visible=False)
        seen: dict[int, tuple[int, int]] = {}
        lock = threading.Lock()
        length = 0

        def report(chain: int, done: int, total: int, divergences: int) -> None:
            nonlocal length
            with lock:
                seen[chain] = (done, divergences)
                bar.update(start, visible=False)
                length = length or total
                bar.update(
                    task,
                    description=f"{settings.chains} chains" if total == length else "forecasts of known runs",
                    visible=True,
                    total=total * settings.chains,
                    completed=sum(d for d, _ in seen.values()),
                    divergences=sum(d for _, d in seen.values()),
                )

        yield report
