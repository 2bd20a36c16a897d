"""Figures kept as JSON, so that a command that was interrupted resumes."""

from __future__ import annotations

import json
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
