"""What every verb prints with: text, notes, tables, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


def say(text: str) -> None:
    typer.echo(text)


def note(text: str) -> None:
    typer.echo(text, err=True)


_HEALTH: ContextVar[dict[str, Any] | None] = ContextVar("health", default=None)


@contextmanager
def with_health(health: dict[str, Any]) -> Iterator[None]:
    """Add the health of the fit that is answered from to all JSON printed inside."""
    token = _HEALTH.set(health)
    try:
        yield
    finally:
        _HEALTH.reset(token)


def say_json(value: Any) -> None:
    health = _HEALTH.get()
    if health is not None:
        value = {"health": health, **value}
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
