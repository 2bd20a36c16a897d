"""Progress of sampling: a bar on a terminal, a line that changes in Jupyter, a line every ten seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from bayescale.inference.nuts import Progress as Report

LINE_EVERY = 10.0
"""Seconds between lines where the output is neither a terminal nor a notebook."""

UPDATE_EVERY = 1.0
"""Seconds between updates of the line in a notebook."""

WIDE = 76
"""Columns of a terminal from which on the time left fits beside the rest of the bar."""

PREPARING = "finding a start, compiling"


class SamplingState:
    """What chains have told so far; safe to use from several threads.

    A fit samples in phases: all runs first, then refits without the largest of them. Iterations of one phase have one
    total per chain, by which a new phase is recognised.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, tuple[int, int]] = {}
        self._per_chain = 0
        self.phase = 0
        self.all_done = 0

    def report(self, chain: int, done: int, total: int, divergences: int) -> None:
        """Take what one chain tells: iterations done, iterations of the phase, divergences so far."""
        with self._lock:
            if total != self._per_chain:
                self._seen, self._per_chain, self.phase = {}, total, self.phase + 1
            before, _ = self._seen.get(chain, (0, 0))
            self.all_done += max(0, done - before)
            self._seen[chain] = (done, divergences)

    @property
    def description(self) -> str:
        return (PREPARING, "sampling")[self.phase] if self.phase < 2 else "refits of known runs"

    @property
    def total(self) -> int | None:
        """Iterations of this phase over the chains that have told of it; None before the first."""
        with self._lock:
            return self._per_chain * len(self._seen) if self._seen else None

    @property
    def done(self) -> int:
        with self._lock:
            return sum(done for done, _ in self._seen.values())

    @property
    def divergences(self) -> int:
        with self._lock:
            return sum(divergences for _, divergences in self._seen.values())

    @property
    def counts(self) -> str:
        """Iterations done and to do, and divergences; empty before the first iteration."""
        total = self.total
        return f"{self.done}/{total}, {self.divergences} divergences" if total else ""

    def line(self, seconds: float) -> str:
        """Return the state as one line of text."""
        return "; ".join(part for part in (self.description, self.counts, f"{seconds:.0f} s") if part)


@contextmanager
def sampling_bar() -> Iterator[Report]:
    """A reporter for `fit` that shows progress on standard error, or in the notebook's cell."""
    console = Console(stderr=True)
    if console.is_jupyter:
        with _notebook_line() as report:
            yield report
    elif console.is_terminal:
        with _terminal_bar(console) as report:
            yield report
    else:
        with _lines(console) as report:
            yield report


@contextmanager
def _terminal_bar(console: Console) -> Iterator[Report]:
    def text(template: str) -> TextColumn:
        return TextColumn(template, table_column=Column(no_wrap=True))

    columns = [
        SpinnerColumn(),
        text("{task.description}"),
        BarColumn(bar_width=None if console.width < WIDE else 30),
        text("{task.fields[counts]}"),
    ]
    if console.width >= WIDE:
        columns.append(TimeRemainingColumn())
    state = SamplingState()
    with Progress(*columns, console=console, transient=True, expand=console.width < WIDE) as bar:
        task = bar.add_task(PREPARING, total=None, counts="")

        def report(chain: int, done: int, total: int, divergences: int) -> None:
            phase = state.phase
            state.report(chain, done, total, divergences)
            if state.phase != phase:
                bar.reset(task, total=state.total)
            bar.update(
                task,
                description=state.description,
                total=state.total,
                completed=state.done,
                counts=state.counts,
            )

        yield report


@contextmanager
def _lines(console: Console) -> Iterator[Report]:
    with _repeated(LINE_EVERY, lambda line: print(line, file=console.file, flush=True)) as state:
        yield state.report


@contextmanager
def _notebook_line() -> Iterator[Report]:
    from IPython.display import Pretty, display

    handle = display(Pretty(PREPARING), display_id=True)
    with _repeated(UPDATE_EVERY, lambda line: handle.update(Pretty(line))) as state:
        yield state.report
    handle.update(Pretty(f"sampled {state.all_done} iterations"))


@contextmanager
def _repeated(every: float, show: Callable[[str], None]) -> Iterator[SamplingState]:
    """A state that is shown as a line at intervals, by a thread of its own: compiling tells nothing by itself."""
    state, over, began = SamplingState(), threading.Event(), time.monotonic()

    def run() -> None:
        while not over.wait(every):
            show(state.line(time.monotonic() - began))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        over.set()
        thread.join()
