"""How rich the words of a text are: what a group of runs is told apart by when its language was simplified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from bayescale.trainer.corpora._common import Document
from bayescale.trainer.corpora._repeats import WORD


def word_entropy(counts: Iterable[int]) -> float:
    """Entropy of one word drawn from a text, in nats; the plug-in estimate, without a correction for bias."""
    share = np.array([c for c in counts if c], dtype=float)
    share /= share.sum()
    return float(-(share * np.log(share)).sum())


def facts(documents: Iterable[Document]) -> dict[str, float | int]:
    """Words, distinct words, and `word_entropy` of a text, lower-cased, for a corpus's manifest."""
    counts = Counter(word for d in documents for word in WORD.findall(d.text.lower()))
    return {
        "words": sum(counts.values()),
        "distinct_words": len(counts),
        "word_entropy": round(word_entropy(counts.values()), 4),
    }
