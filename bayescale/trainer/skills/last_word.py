"""Cloze: the last word of a sentence among four. Chance is one in four.

As in LAMBADA (Paperno et al., 2016, arXiv:1606.06031), but as a choice, which small models can be told apart by. The
wrong words are the last words of other sentences: whoever goes by how frequent a word is has no advantage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bayescale.trainer.skills._item import Item, shuffled
from bayescale.trainer.skills._sentences import sentences

CHOICES = 4
LAST = re.compile(r"(?P<before>(?:\S+ ){4,24}?\S+)(?P<word> [a-z]{3,})(?P<stop>[.!?;:])")


def items(texts: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Make one item of every sentence of 6 to 26 words that ends in a plain word of at least three letters."""
    found = [match for sentence in sentences(texts) if (match := LAST.fullmatch(sentence))]
    ends = [match["word"] for match in found]
    if len(set(ends)) < CHOICES:
        return []
    made = []
    for match in found:
        wrong: list[str] = []
        while len(wrong) < CHOICES - 1:
            other = ends[int(generator.integers(len(ends)))]
            if other != match["word"] and other not in wrong:
                wrong.append(other)
        stop = match["stop"]
        made.append(shuffled(match["before"], match["word"] + stop, [w + stop for w in wrong], generator))
    return made
