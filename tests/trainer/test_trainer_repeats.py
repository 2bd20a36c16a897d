"""What train has is not held out: copies, copied blocks, documents that are nearly equal."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.trainer.corpora._common import Document, is_held_out
from bayescale.trainer.corpora._repeats import code_corpus, prose_corpus, unlike

HELD_OUT = [f"{n}" for n in range(1000) if is_held_out(f"{n}")]
TRAIN = [f"{n}" for n in range(1000) if not is_held_out(f"{n}")]


def words(seed: int, count: int = 400) -> list[str]:
    generator = np.random.default_rng(seed)
    return [f"w{n}" for n in generator.integers(0, 5000, size=count)]


@pytest.mark.parametrize(
    ("shared", "kept"), [(0, True), (100, True), (180, True), (230, False), (400, False)]
)
def test_a_document_is_dropped_when_train_has_most_of_it(shared: int, kept: bool) -> None:
    train = [Document("a", " ".join(words(0))), Document("b", " ".join(words(1)))]
    # The shared stretch has other case and punctuation, which hide nothing.
    copy = ", ".join(words(0)[:shared]).upper() + ". " + " ".join(words(2)[shared:])
    assert bool(unlike(train, [Document("c", copy)])) is kept


def test_order_of_words_counts() -> None:
    train = [Document("a", " ".join(words(0)))]
    assert unlike(train, [Document("b", " ".join(sorted(words(0))))])


def test_short_and_empty_documents_are_compared_whole() -> None:
    train = [Document("a", "three short words"), Document("b", "...")]
    kept = unlike(
        train, [Document("c", "Three, short words!"), Document("d", "three other words"), Document("e", "--")]
    )
    assert [d.name for d in kept] == ["d", "e"]
    assert unlike([], [Document("a", "b c")]) and unlike(train, []) == []


def test_the_manifest_counts_what_was_removed() -> None:
    text = " ".join(words(0))
    corpus = prose_corpus(
        [
            Document(TRAIN[0], text),
            Document(TRAIN[1], text),  # a copy within train
            Document(HELD_OUT[0], text + " and a little more of it"),
            Document(HELD_OUT[1], " ".join(words(1))),
        ],
        source="s",
        licence="l",
        version="v 1",
    )
    assert [len(corpus.train), len(corpus.held_out)] == [1, 1]
    manifest = corpus.manifest()
    assert manifest["removed"] == {"documents_twice": 1, "held_out_documents_near_train": 1}
    assert (manifest["source"], manifest["licence"], manifest["version"]) == ("s", "l", "v 1")


def test_lines_of_copied_blocks_are_counted() -> None:
    block = "".join(f"    statement number {n} of the copied block = value\n" for n in range(12))
    corpus = code_corpus(
        [Document(TRAIN[0], f"a\n{block}"), Document(HELD_OUT[0], f"own\n{block}more\n")], "s", "l"
    )
    assert corpus.held_out[0].text == "own\nmore\n"
    assert corpus.manifest()["removed"] == {"documents_twice": 0, "held_out_lines_in_train": 12}
