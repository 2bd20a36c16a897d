"""What options say, as names and numbers."""

from __future__ import annotations

import math

from bayescale.errors import UserError


def names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{option} takes numbers separated by commas: got {text!r}") from None


def assignments(text: str, option: str) -> dict[str, float]:
    return {name: numbers(value, option)[0] for name, value in labels_of(text, option).items()}


def labels_of(text: str, option: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"{option} takes NAME=VALUE, separated by commas: got {part!r}")
        found[name.strip()] = value.strip()
    return found


def levels_of(text: str) -> list[float]:
    if ":" not in text:
        return _checked(numbers(text, "--quantiles"))
    parts = text.split(":")
    if len(parts) != 3:
        raise UserError(f"--quantiles takes 0.05,0.5,0.95 or LOW:HIGH:STEP: got {text!r}")
    low, high, step = (numbers(part, "--quantiles")[0] for part in parts)
    if not (step > 0 and low <= high < math.inf):
        raise UserError(f"--quantiles LOW:HIGH:STEP needs LOW <= HIGH and a positive STEP: got {text!r}")
    # Counted and rounded, so that 0.01:0.99:0.01 names its columns q0.01, q0.02 and not q0.060000000000000005.
    steps = math.floor((high - low) / step + 1e-9) + 1
    return _checked([round(low + i * step, 10) for i in range(steps)])


def _checked(levels: list[float]) -> list[float]:
    if not all(0 < level < 1 for level in levels):
        raise UserError(f"--quantiles lie between 0 and 1, both excluded: got {levels}")
    return levels
