"""What every verb prints with: text, notes, tables, JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


def say(text: str) -> None:
    typer.echo(text)


def note(text: str) -> None:
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    typer.echo(json.dumps(plain(value), indent=1))


def plain(value: Any) -> Any:
    """Python's own types, with None for what is not a number: JSON has no NaN."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def table_text(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format="{:.4g}".format)
