"""Agreement: the verb that a pronoun asks for, and the one that another would. Chance is one half.

Of every pair of verbs (is and are, say) there are as many items with either as the right one, so that a model that
prefers one of them whatever the pronoun scores one half. Old forms (thou art, he hath) are pairs of their own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from bayescale.trainer.skills._item import Item, balanced, shuffled
from bayescale.trainer.skills._sentences import sentences

PAIRS = (
    ("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"), ("am", "is"),
    ("hath", "have"), ("doth", "do"), ("art", "is"), ("hast", "hath"), ("hast", "have"), ("wast", "was"),
    ("shalt", "shall"), ("wilt", "will"), ("dost", "doth"), ("didst", "did"), ("canst", "can"), ("am", "art"),
)  # fmt: skip
# What each subject may go with; a form that it never goes with is what makes the other choice wrong.
_ALL = ("shall", "will", "did", "can")
_THIRD = frozenset(("is", "was", "has", "does", "hath", "doth", *_ALL))
_PLURAL = frozenset(("are", "were", "have", "do", *_ALL))
TAKES = {
    **dict.fromkeys(("he", "she", "it", "this"), _THIRD),
    **dict.fromkeys(("they", "we", "ye", "you", "these", "those"), _PLURAL),
    "i": frozenset(("am", "was", "have", "do", *_ALL)),
    "thou": frozenset(("art", "wast", "hast", "shalt", "wilt", "dost", "didst", "canst")),
}
BEFORE = 12  # words of context at most
_VERBS = "|".join(sorted({verb for pair in PAIRS for verb in pair}, key=len, reverse=True))
FOUND = re.compile(rf"\b(?P<subject>{'|'.join(TAKES)}) (?P<verb>{_VERBS})\b", re.IGNORECASE)


def items(texts: Sequence[str], generator: np.random.Generator) -> list[Item]:
    """Make items of pronouns with a verb right behind them that fits."""
    pairs: dict[tuple[str, str], dict[Hashable, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for sentence in sentences(texts):
        for match in FOUND.finditer(sentence):
            takes, verb = TAKES[match["subject"].lower()], match["verb"]
            if verb not in takes:  # "if he were", "he that do"
                continue
            before = sentence[: match.end("subject")]
            context = " ".join(before.split()[-BEFORE:])
            for pair in PAIRS:
                if verb not in pair:
                    continue
                other = pair[1 - pair.index(verb)]
                if other not in takes:
                    pairs[pair][verb].append(shuffled(context, f" {verb}", [f" {other}"], generator))
    return [item for pair in PAIRS if len(pairs[pair]) == 2 for item in balanced(pairs[pair], generator)]
