"""Brackets: which one closes what is open. Chance is one in as many kinds as the text has, three in code.

As many items of each kind, so that closing with ")" always scores at chance.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from bayescale.trainer.skills._item import Item, balanced, shuffled

OPEN = {"(": ")", "[": "]", "{": "}"}
NEAREST, FARTHEST = 4, 60  # characters from the opening bracket to the closing one
BEFORE = 100  # characters of context
KINDS_AT_LEAST = 10  # items of a kind, or the kind is left out


def items(texts: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Make items of brackets on one line, with a word before and white space after.

    A tokenizer may join a bracket with other punctuation beside it, and what it joins is no choice of its own.
    """
    kinds: dict[Hashable, list[str]] = defaultdict(list)
    for text in texts:
        for closing, context in _closings(text):
            kinds[closing].append(context)
    kept = {kind: sorted(set(found)) for kind, found in kinds.items()}
    kept = {kind: found for kind, found in sorted(kept.items()) if len(found) >= KINDS_AT_LEAST}
    if len(kept) < 2:
        return []
    drawn = balanced(
        {kind: [(kind, context) for context in found] for kind, found in kept.items()}, generator
    )
    return [
        shuffled(context, str(kind), [str(other) for other in kept if other != kind], generator)
        for kind, context in drawn
    ]


def _closings(text: str) -> Iterator[tuple[str, str]]:
    """Yield each closing bracket that matches, with the text before it."""
    opened: list[int] = []
    for found in re.finditer(r"[()\[\]{}\n]", text):
        sign, at = found.group(), found.start()
        if sign == "\n":
            opened.clear()
        elif sign in OPEN:
            opened.append(at)
        elif not opened or OPEN[text[opened[-1]]] != sign:
            opened.clear()  # not code as we know it: a smile, a half-open interval
        else:
            first = opened.pop()
            alone = text[at - 1].isalnum() and (at + 1 == len(text) or text[at + 1].isspace())
            if alone and NEAREST <= at - first <= FARTHEST:
                start = max(0, at - BEFORE)
                # From the start of a word or line, so that no token is cut.
                cut = next((i for i in range(start, first + 1) if i == 0 or text[i - 1].isspace()), first)
                yield sign, text[cut:at]
