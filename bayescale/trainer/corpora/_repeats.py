"""What train has already, taken out of held-out: exact copies, copied blocks of code, nearly equal documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from bayescale.trainer.corpora._common import Corpus, Document, split

BLOCK_LINES = 8
BLOCK_CHARACTERS = 160

SHINGLE = 8  # words; a phrase that long rarely occurs twice unless it was copied
NEAR = 0.5  # of a document's shingles that train has, from which on it is nearly a copy

WORD = re.compile(r"\w+")


def prose_corpus(
    documents: Iterable[Document],
    source: str,
    licence: str,
    version: str = "",
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> Corpus:
    """Split documents by name into a corpus without exact copies, and without nearly equal ones in held-out."""
    everything = list(documents)
    train, held_out = split(everything)
    exact = len(everything) - len(train) - len(held_out)
    kept = unlike(train, held_out)
    return Corpus(
        tuple(train),
        tuple(kept),
        source,
        licence,
        version,
        removed={"documents_twice": exact, "held_out_documents_near_train": len(held_out) - len(kept)},
        facts=facts,
    )


def code_corpus(documents: Iterable[Document], source: str, licence: str, version: str = "") -> Corpus:
    """Split files by name into a corpus without copied files, and without copied blocks in held-out.

    Whole files that repeat are kept once. Blocks of `BLOCK_LINES` lines (blank ones and indentation aside, at
    least `BLOCK_CHARACTERS` characters) that a train file has as well are cut out of the held-out files.
    """
    everything = list(documents)
    train, held_out = split(everything)
    exact = len(everything) - len(train) - len(held_out)
    known = {block for document in train for _, block in blocks(document.text.splitlines())}
    cut = [_without(document, known) for document in held_out]
    lines = sum(d.text.count("\n") for d in held_out) - sum(d.text.count("\n") for d in cut)
    return Corpus(
        tuple(train),
        tuple(d for d in cut if d.text.strip()),
        source,
        licence,
        version,
        removed={"documents_twice": exact, "held_out_lines_in_train": lines},
    )


def blocks(lines: list[str]) -> Iterable[tuple[list[int], int]]:
    """Yield every run of BLOCK_LINES non-blank lines: the lines' numbers, and a hash of what they say."""
    full = [(number, line.strip()) for number, line in enumerate(lines) if line.strip()]
    for start in range(len(full) - BLOCK_LINES + 1):
        block = full[start : start + BLOCK_LINES]
        said = "\n".join(text for _, text in block)
        if len(said) >= BLOCK_CHARACTERS:
            # The built-in hash differs from process to process, but only equality within this one counts.
            yield [number for number, _ in block], hash(said)


def _without(document: Document, known: set[int]) -> Document:
    lines = document.text.splitlines()
    repeated = {number for numbers, block in blocks(lines) if block in known for number in numbers}
    if not repeated:
        return document
    kept = [line for number, line in enumerate(lines) if number not in repeated]
    return Document(document.name, "\n".join(kept) + "\n")


def unlike(train: Sequence[Document], held_out: Sequence[Document]) -> list[Document]:
    """Keep the held-out documents of which train has at most the share `NEAR`.

    The share is counted exactly, over all stretches of `SHINGLE` words, case and punctuation aside: with
    corpora of megabytes there is no need to estimate it from sketches.
    """
    numbers: dict[str, int] = {}
    # Only words that held-out has can be part of a stretch that both have; all others are one number, 0.
    for document in held_out:
        for word in WORD.findall(document.text.lower()):
            numbers.setdefault(word, len(numbers) + 1)
    # Filtered document by document, so that a large corpus is not held as one array of hashes.
    wanted = np.unique(
        np.concatenate([np.empty(0, np.uint64), *(_shingles(d.text, numbers) for d in held_out)])
    )
    there = np.unique(
        np.concatenate(
            [
                np.empty(0, np.uint64),
                *(_among(_shingles(d.text, numbers), wanted) for d in train),
            ]
        )
    )

    def is_near(document: Document) -> bool:
        shingles = _shingles(document.text, numbers)
        return len(_among(shingles, there)) > NEAR * len(shingles)

    return [d for d in held_out if not is_near(d)]


def _among(values: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Select the values that a sorted array has; unlike `numpy.isin`, without sorting that again."""
    if not len(known):
        return values[:0]
    return values[known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values]


def _shingles(text: str, numbers: dict[str, int]) -> npt.NDArray[np.uint64]:
    """Hash every stretch of SHINGLE words; one shorter than that is a single stretch."""
    words = [numbers.get(word, 0) for word in WORD.findall(text.lower())]
    padded = list(chain(words, [0] * (SHINGLE - len(words)))) if words else []
    ids = np.asarray(padded, dtype=np.uint64)
    if not len(ids):
        return ids
    windows = np.lib.stride_tricks.sliding_window_view(ids, SHINGLE)
    multiplier, hashed = np.uint64(0x9E3779B97F4A7C15), np.zeros(len(windows), dtype=np.uint64)
    for column in range(SHINGLE):
        hashed = (hashed ^ windows[:, column]) * multiplier  # wraps around, as a hash may
        hashed ^= hashed >> np.uint64(29)
    return hashed
