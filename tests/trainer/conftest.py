"""A task small enough to train on in seconds, and sweeps over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bayescale.trainer import dataset
from bayescale.trainer.config import Task
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.plan import RunConfig

CONTEXT = 32
VOCAB = 300

SWEEP = """
name = "tiny"
architectures = ["gpt", "llama"]

[[tasks]]
name = "chain"
corpus = "folder"
options = {{ path = "{texts}" }}

[data]
vocab = 300
context = 32

[training]
batch_coefficient = 1.0
batch_min = 256

[[sizes]]
width = 8
depth = 1
heads = 1

[[budgets]]
flops = {flops}
tokens_per_param = [1]
"""


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, as figures are the same bit for bit only with the same number of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty files of a chain of words: each has three successors, so a model that learns them knows much."""
    folder = tmp_path_factory.mktemp("texts")
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(generator.choice(letters, size=generator.integers(2, 7))) for _ in range(60)]
    successors = generator.integers(0, len(words), size=(len(words), 3))
    for number in range(80):
        word, said = int(generator.integers(len(words))), []
        for _ in range(400):
            said.append(words[word])
            word = int(successors[word, generator.integers(3)])
        (folder / f"{number:02}.txt").write_text(" ".join(said), "utf-8")
    return folder


@pytest.fixture(scope="session")
def chain(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The chain's tokens."""
    task = Task(name="chain", corpus="folder", options={"path": str(texts)})
    return dataset.load(dataset.prepare(task, VOCAB, tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def tiny(chain: Dataset) -> RunConfig:
    """A run on the chain of a second or so."""
    return RunConfig(
        architecture="gpt",
        task="chain",
        corpus_sha256=chain.manifest["corpus_sha256"],
        tokenizer_sha256=chain.manifest["tokenizer_sha256"],
        vocab=VOCAB,
        context=CONTEXT,
        width=16,
        depth=1,
        heads=2,
        steps=60,
        batch_tokens=256,
        learning_rate=1e-2,
        embedding_learning_rate=3e-2,
        warmup_steps=6,
        final=0.1,
        weight_decay=0.1,
        held_out_tokens=100_000,
        seed=0,
    )


@pytest.fixture
def variant(tiny: RunConfig) -> Callable[..., RunConfig]:
    """Make `tiny` with some things changed; a mixture of experts has four."""

    def make(**changes: Any) -> RunConfig:
        mixture = {"experts": 4, "granularity": 2} if changes.get("architecture") == "moe" else {}
        return replace(tiny, **{**mixture, **changes})

    return make


@pytest.fixture
def sweep_file(texts: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep over the chain; `more` is appended."""

    def write(flops: float = 2e8, more: str = "") -> Path:
        path = tmp_path / "sweep.toml"
        path.write_text(SWEEP.format(texts=texts.as_posix(), flops=flops) + more, "utf-8")
        return path

    return write
