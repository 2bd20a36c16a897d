"""Simplified language: stretches of prose whose words all stay inside a small vocabulary.

Muckatira et al. (2024), arXiv:2404.02204: a span starts at the start of a sentence, has at least 32 words, and
at most 1 % of them are outside the vocabulary. Theirs is the vocabulary of speech to children and their text
SlimPajama; here it is the most frequent words of the text itself, which needs no download.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bayescale.trainer import corpora
from bayescale.trainer.corpora._common import Corpus, Document, is_held_out
from bayescale.trainer.corpora._repeats import WORD, prose_corpus
from bayescale.trainer.corpora._words import facts
from bayescale.trainer.errors import TrainerError

SHORTEST = 32  # words
OUTSIDE = 0.01  # of a span's words, at most

SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]['\")]))\s+(?=[\"'(]?[A-Z])|\n\n+")


def collect(sources: str = "bible,dictionary", words: int = 5000) -> Corpus:
    """Filter prose.

    Parameters
    ----------
    sources : str
        The corpora to take it from, separated by commas.
    words : int
        Size of the vocabulary: the most frequent words of the sources' train documents, lower-cased.

    Raises
    ------
    TrainerError
        If a source is not there, or no span passes.
    """
    kept = filtered(sources, words)
    # Under the source's name, so that a document is in train or held out as it is there.
    documents = [Document(d.name, "\n\n".join(found) + "\n") for d, found in kept.documents]
    return prose_corpus(
        documents,
        source=f"spans of {sources} inside their {words} most frequent words",
        licence=kept.licence,
        version=kept.version,
        facts=facts(documents),
    )


@dataclass(frozen=True)
class Filtered:
    """Documents and the spans of each that stay inside the vocabulary; documents without one are left out."""

    documents: tuple[tuple[Document, list[str]], ...]
    licence: str
    version: str


def filtered(sources: str, words: int) -> Filtered:
    """Gather the sources and find their spans; parameters and errors as of `collect`."""
    gathered = [corpora.collect(name, {}) for name in sources.replace(" ", "").split(",") if name]
    frequent = Counter(
        word for corpus in gathered for d in corpus.train for word in WORD.findall(d.text.lower())
    )
    vocabulary = frozenset(word for word, _ in frequent.most_common(words))
    documents = tuple(
        (d, found)
        for corpus in gathered
        for d in (*corpus.train, *corpus.held_out)
        if (found := list(spans(d.text, vocabulary)))
    )
    for part in (False, True):
        if not any(is_held_out(d.name) == part for d, _ in documents):
            raise TrainerError(
                f"corpus 'simple_prose': no span of {SHORTEST} words of {sources} stays inside {words} words; "
                "raise words, or add sources"
            )
    return Filtered(
        documents,
        licence=" AND ".join(sorted({c.licence for c in gathered})),
        version="; ".join(c.version for c in gathered),
    )


def spans(text: str, vocabulary: frozenset[str]) -> Iterator[str]:
    """Yield the spans of a text that stay inside a vocabulary, none overlapping another.

    A span grows from the start of a sentence by whole sentences while the share of words outside the
    vocabulary stays within `OUTSIDE`; it counts if it then has `SHORTEST` words. A last sentence may be cut
    short, ahead of the word that leaves, where it takes that to reach `SHORTEST`.
    """
    starts = [0, *(m.end() for m in SENTENCE.finditer(text))]
    ends = [*(m.start() for m in SENTENCE.finditer(text)), len(text)]
    first = 0
    while first < len(starts):
        count = outside = 0
        whole, last = None, first
        for number in range(first, len(starts)):
            cut = None
            for match in WORD.finditer(text, starts[number], ends[number]):
                outside += match.group().lower() not in vocabulary
                if outside > OUTSIDE * max(count + 1, SHORTEST):
                    cut = match.start()
                    break
                count += 1
            if cut is not None:
                if whole is None and count >= SHORTEST:
                    whole, last = cut, number
                break
            if count >= SHORTEST:
                whole, last = ends[number], number
        if whole is None:
            first += 1
            continue
        yield text[starts[first] : whole].strip()
        first = last + 1
