"""Labels as text."""

from __future__ import annotations

from typing import Any


def label_text(value: Any) -> str:
    """A label as text: a whole number is the same label whether a blank cell made its column floats or not."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
