"""Word order: a sentence, and the same with two neighbouring words exchanged. Chance is one half.

Both have the same words, so that only their order tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bayescale.trainer.skills._item import Item, shuffled
from bayescale.trainer.skills._sentences import sentences

SHORTEST, LONGEST = 5, 18  # words of a sentence
PLAIN = re.compile(r"[a-z]+")
WORD = re.compile(r"\S+")


def items(texts: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Make one item of every sentence that has two plain words in a row inside it."""
    made = []
    for sentence in sentences(texts):
        words = list(WORD.finditer(sentence))
        if not SHORTEST <= len(words) <= LONGEST:
            continue
        pairs = [
            (first, second)
            for first, second in pairwise(words[1:-1])
            if PLAIN.fullmatch(first.group())
            and PLAIN.fullmatch(second.group())
            # The same word twice has no other order, and a letter is as often a label as a word.
            and first.group() != second.group()
            and min(len(first.group()), len(second.group())) > 1
        ]
        if not pairs:
            continue
        first, second = pairs[int(generator.integers(len(pairs)))]
        between = sentence[first.end() : second.start()]
        swapped = (
            sentence[: first.start()] + second.group() + between + first.group() + sentence[second.end() :]
        )
        made.append(shuffled("", sentence, [swapped], generator))
    return made
