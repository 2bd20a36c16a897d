"""Figures kept as JSON, so that a command that was interrupted resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from bayescale.revisions import outdated
from bayescale.runs.atomic import replace_files


class Dated(Protocol):
    """A result that names the revisions it was made with."""

    @property
    def revisions(self) -> dict[str, int]: ...


Result = TypeVar("Result")
DatedResult = TypeVar("DatedResult", bound=Dated)


def read(path: Path, schema: type[Result]) -> Result | None:
    """What was kept, if anything."""
    return schema(**json.loads(path.read_text())) if path.is_file() else None


def read_unless(fresh: bool, path: Path, schema: type[DatedResult]) -> DatedResult | None:
    """What was kept, if anything; where `fresh` is asked for, only what the present revisions made."""
    result = read(path, schema)
    return None if result is None or (fresh and outdated(result.revisions)) else result


def plain(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures as JSON has them: NumPy's scalars as Python's, None for what is not finite."""
    return {name: _plain(value) for name, value in figures.items()}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write(path: Path, result: Any) -> None:
    """Write a dataclass, or what JSON has, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(result) if is_dataclass(result) and not isinstance(result, type) else result)
    replace_files({path: text.encode()})


def append_lines(path: Path, records: Sequence[Any]) -> None:
    """Append records as JSON lines, in one write: each is there whole, or torn, which `read_lines` leaves out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(record)}\n" for record in records)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, f"{chr(10) * torn}{text}".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> Iterator[Any]:
    """Read the JSON lines of a file, none where there is no file; torn lines are left out."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # the machine stopped in the middle of it
