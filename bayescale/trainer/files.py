"""The trainer's files: whole or not at all, and never pickled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayescale.runs.atomic import replace_files
from bayescale.trainer.errors import TrainerError


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, making its folder; whoever reads it finds the old file or the new one.

    Raises
    ------
    TrainerError
        If it cannot be written, on a full disk say.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_files({path: data})


def sweep(path: Path) -> None:
    """Take away what a process that was killed while it wrote `path` left beside it; its owner alone may call this."""
    for torn in path.parent.glob(f".{path.name}.*.tmp"):
        torn.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a line what kept a file from being written; what was there before is there still."""
    try:
        yield
    except OSError as error:
        raise TrainerError(
            f"{path} cannot be written ({error.strerror or error}); make room, or give another folder, and start "
            "again: nothing that was finished is lost"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by strict JSON: a NaN is an error, so say null."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def read_json(path: Path) -> Any:
    """Read JSON, or say which file is broken."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path} is not JSON ({error}); delete it, and it will be made again") from None
