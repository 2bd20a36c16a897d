"""Tokens in, windows out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bayescale.trainer import dataset, files, tokenizer
from bayescale.trainer.config import Task
from bayescale.trainer.corpora._common import Document
from bayescale.trainer.dataset import Dataset, Order


def test_the_tokenizer_is_the_same_each_time_and_loses_nothing() -> None:
    documents = [
        Document("a", "def f(x):\n    return x + 1\n" * 50),
        Document("b", "größer, 数, \t\x00 end" * 30),
    ]
    first, second = (tokenizer.train(documents, 280) for _ in range(2))
    assert first.to_str() == second.to_str()
    again = tokenizer.load(first.to_str())
    for text in ("unseen Ω text\r\n", *(d.text for d in documents)):
        assert again.decode(again.encode(text).ids) == text
    assert again.token_to_id(tokenizer.END_OF_DOCUMENT) == tokenizer.END_ID


def test_too_large_a_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not the 5000 that data\.vocab asks for"):
        tokenizer.train([Document("a", "few words")], 5000)


def test_arrays_and_manifest_agree(chain: Dataset) -> None:
    manifest = chain.manifest
    assert len(chain.train) == manifest["train_tokens"]
    assert len(chain.held_out) == len(chain.held_out_documents) == manifest["held_out_tokens"]
    for tokens, part in ((chain.train, "train"), (chain.held_out, "held_out")):
        assert (tokens == tokenizer.END_ID).sum() == manifest[part]["documents"]
    text = len(chain.held_out) - manifest["held_out"]["documents"]
    assert manifest["bytes_per_token"] == pytest.approx(manifest["held_out"]["bytes"] / text)


def test_tokens_are_made_once_and_again_when_the_text_changes(tmp_path: Path, texts: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for path in texts.glob("*.txt"):
        (folder / path.name).write_bytes(path.read_bytes())
    task = Task(name="t", corpus="folder", options={"path": str(folder)})
    made = dataset.prepare(task, 300, tmp_path / "data")
    before = (made / "train.npy").stat().st_mtime_ns
    assert dataset.prepare(task, 300, tmp_path / "data") == made
    assert (made / "train.npy").stat().st_mtime_ns == before
    old = files.read_json(made / "manifest.json")["corpus_sha256"]
    (folder / "00.txt").write_text("quite another text " * 50, "utf-8")
    dataset.prepare(task, 300, tmp_path / "data")
    assert files.read_json(made / "manifest.json")["corpus_sha256"] != old


def test_an_epoch_sees_every_window_once_in_an_order_of_its_own() -> None:
    order = Order(np.arange(1001, dtype=np.uint16), context=10, seed=3)
    first, second = order.batch(0, 100), order.batch(100, 100)
    for epoch in (first, second):
        assert sorted(epoch[:, 0]) == list(range(0, 1000, 10))
        assert (np.diff(epoch, axis=1) == 1).all()
    assert (first != second).any()
    assert (Order(order.tokens, 10, seed=4).batch(0, 100) != first).any()
    # A window is found again without its predecessors, which is what a resumed run does.
    assert (Order(order.tokens, 10, seed=3).batch(95, 10) == np.vstack([first[95:], second[:5]])).all()
    assert order.unique_tokens(40) == 400 and order.unique_tokens(350) == 1000


def test_a_subset_is_the_same_for_every_seed_and_from_all_over() -> None:
    tokens = np.arange(1001, dtype=np.uint16)
    subsets = [set(Order(tokens, 10, seed, unique_tokens=200).batch(0, 20)[:, 0]) for seed in (0, 1)]
    assert subsets[0] == subsets[1] and len(subsets[0]) == 20
    assert min(subsets[0]) < 200 and max(subsets[0]) > 800
    order = Order(tokens, 10, 0, unique_tokens=200)
    assert set(order.batch(20, 20)[:, 0]) == subsets[0]
    assert (order.batch(20, 20) != order.batch(0, 20)).any()
    assert order.unique_tokens(5) == 50 and order.unique_tokens(60) == 200
    for wrong in (5, 1010):
        with pytest.raises(ValueError, match=f"unique_tokens is {wrong}; give at least one context of 10"):
            Order(tokens, 10, 0, unique_tokens=wrong)


def test_a_text_shorter_than_a_context_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than one context of 32"):
        Order(np.zeros(9, dtype=np.uint16), 32, 0)
