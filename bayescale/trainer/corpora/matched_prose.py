"""Ordinary prose to hold against `simple_prose`: as much of the same documents, whatever its words.

A simplified corpus differs from the text it was filtered from in three ways: its words, its size, and how short
its spans are. Here the last two, and the share of each document, are the same, so that what is left is the words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import prose_corpus
from bayescale.trainer.corpora._words import facts
from bayescale.trainer.corpora.simple_prose import SENTENCE, filtered


def collect(sources: str = "bible,dictionary", words: int = 5000) -> Corpus:
    """Gather the counterpart of `simple_prose` with the same options.

    Parameters
    ----------
    sources : str
        The corpora to take it from, separated by commas.
    words : int
        Vocabulary of the `simple_prose` that this is the counterpart of; it filters nothing here.

    Raises
    ------
    TrainerError
        If a source is not there, or no span passes the filter.
    """
    kept = filtered(sources, words)
    documents = [
        Document(document.name, "\n\n".join(found) + "\n")
        for document, spans in kept.documents
        if (found := list(stretches(document.text, [len(span) for span in spans], document.name)))
    ]
    return prose_corpus(
        documents,
        source=f"stretches of {sources}, as long and as many of a document as simple_prose of {words} words has",
        licence=kept.licence,
        version=kept.version,
        facts=facts(documents),
    )


def stretches(text: str, lengths: Sequence[int], seed: str) -> Iterator[str]:
    """Yield stretches of about these lengths, in the text's order, each from the start of a sentence.

    A length for which there is no room left (in a text that passes the filter whole, say) gets none.

    Parameters
    ----------
    text : str
        What they are cut from.
    lengths : sequence of int
        Characters of each; it then ends with the word that it is in.
    seed : str
        Decides which sentences.
    """
    generator = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()[:8]))
    starts = np.array([0, *(m.end() for m in SENTENCE.finditer(text))])
    taken: list[tuple[int, int]] = []
    for length in sorted(lengths, reverse=True):  # the long ones while there is room
        for start in generator.permutation(starts):
            end = text.find(" ", min(start + length, len(text)))
            end = len(text) if end < 0 else end
            fits = end - start >= length and all(end <= first or start >= last for first, last in taken)
            if fits:
                taken.append((int(start), end))
                break
    for start, end in sorted(taken):
        if stretch := text[start:end].strip():
            yield stretch
