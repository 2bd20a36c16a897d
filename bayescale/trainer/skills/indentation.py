"""Indentation: whether the next line of code goes a step in, or stays. Chance is one half.

Half of the items follow a line that opens a block, half a plain statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bayescale.trainer.skills._item import Item, balanced, shuffled

STEP = 4  # spaces
BEFORE = 3  # lines of context at most
OPENS = re.compile(r" *(?:if|elif|else|for|while|try|except|finally|with|def|class)\b.*:")
STATEMENT = re.compile(r" *[A-Za-z_][\w.]* (?:=|\+=) [^#]*[\w\"')\]]")
START = re.compile(r"(?P<spaces> *)(?P<word>[A-Za-z_]+)")


def items(texts: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Make items of lines that follow a line which opens a block, or a whole assignment."""
    found: dict[str, dict[tuple[str, str], Item]] = {"in": {}, "stays": {}}
    for text in texts:
        lines = text.splitlines()
        for number in range(1, len(lines)):
            last, here = lines[number - 1], START.match(lines[number])
            if here is None:
                continue
            indent = len(last) - len(last.lstrip(" "))
            goes = len(here["spaces"]) - indent
            context = "\n".join(lines[max(0, number - BEFORE) : number]) + "\n"
            inner, same = f"{' ' * (indent + STEP)}{here['word']}", f"{' ' * indent}{here['word']}"
            if OPENS.fullmatch(last) and goes == STEP:
                found["in"][context, inner] = shuffled(context, inner, [same], generator)
            elif STATEMENT.fullmatch(last) and goes == 0 and _closed(last):
                found["stays"][context, same] = shuffled(context, same, [inner], generator)
    return balanced({kind: list(these.values()) for kind, these in found.items()}, generator)


def _closed(line: str) -> bool:
    return all(line.count(first) == line.count(last) for first, last in ("()", "[]", "{}"))
