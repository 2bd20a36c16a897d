"""A task's tokens: a corpus and its tokenizer, prepared once, kept in the work folder, read as arrays."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bayescale.trainer import corpora, files, tokenizer
from bayescale.trainer.config import Task
from bayescale.trainer.corpora._common import Document
from bayescale.trainer.errors import TrainerError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UInt16 = npt.NDArray[np.uint16]
Int32 = npt.NDArray[np.int32]

# Raised when what is prepared from the same files changes, so that a work folder of before is not read.
FORMAT = 1


@dataclass(frozen=True)
class Dataset:
    """A task's tokens.

    Parameters
    ----------
    train : array of uint16
        The train documents' tokens, each document closed by its end token (but for a synthetic language).
    held_out : array of uint16
        The same for the held-out documents.
    held_out_documents : array of int32
        Which held-out document each of those tokens belongs to.
    manifest : dict
        Where the text came from and what there is of it; holds `corpus_sha256`, `tokenizer_sha256` and
        `bytes_per_token` (bytes of held-out text over its tokens, ends of documents aside).
    """

    train: UInt16
    held_out: UInt16
    held_out_documents: Int32
    manifest: dict[str, Any]


def prepare(task: Task, vocab: int, folder: Path) -> Path:
    """Make a task's tokens, or find them made, in a subfolder of `folder`; return that.

    The folder's name holds what the tokens depend on: the task, the vocabulary, the version of the running
    Python, whose library the corpora are made of.

    Raises
    ------
    TrainerError
        If the corpus does not take the task's options, or has too little text.
    """
    key = hashlib.sha256(
        repr((FORMAT, task.corpus, sorted(task.options.items()), vocab, platform.python_version())).encode()
    ).hexdigest()
    made = folder / f"{task.name}-{key[:8]}"
    manifest_path = made / "manifest.json"
    if manifest_path.exists() and "path" not in task.options:
        return made
    corpus = corpora.collect(task.corpus, task.options)
    # Files of a folder may have changed since; tokens of those that did not are not made again.
    if manifest_path.exists() and files.read_json(manifest_path)["corpus_sha256"] == corpus.sha256():
        return made
    for name, documents in (("train", corpus.train), ("held-out", corpus.held_out)):
        if not documents:
            raise TrainerError(
                f"task {task.name!r} has no {name} document; the split is by file, so give it more files"
            )
    if corpus.alphabet:
        # A token a symbol, so that what is known of the language in nats per symbol holds per token.
        bpe, end = tokenizer.characters(corpus.alphabet), []
    else:
        bpe, end = tokenizer.train(corpus.train, vocab), [tokenizer.END_ID]
    text = bpe.to_str()
    train, _ = _encode(bpe, corpus.train, end)
    held_out, owners = _encode(bpe, corpus.held_out, end)
    held_out_bytes = sum(len(d.text.encode()) for d in corpus.held_out)
    manifest = corpus.manifest()
    manifest["corpus_sha256"] = manifest.pop("sha256")
    manifest |= {
        "task": task.name,
        "corpus": task.corpus,
        "tokenizer_sha256": tokenizer.sha256(text),
        "vocab": bpe.get_vocab_size(),
        "train_tokens": len(train),
        "held_out_tokens": len(held_out),
        "bytes_per_token": held_out_bytes / (len(held_out) - len(end) * len(corpus.held_out)),
        "held_out_names": [d.name for d in corpus.held_out],
    }
    files.write_bytes(made / "tokenizer.json", text.encode())
    for name, array in (("train", train), ("held_out", held_out), ("held_out_documents", owners)):
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        files.write_bytes(made / f"{name}.npy", buffer.getvalue())
    # Last, because it says that the rest is there.
    files.write_json(manifest_path, manifest)
    return made


def load(folder: Path) -> Dataset:
    """Read what `prepare` made, without holding it in memory."""
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("train", "held_out", "held_out_documents")
    }
    return Dataset(**arrays, manifest=files.read_json(folder / "manifest.json"))


def _encode(bpe: Tokenizer, documents: Sequence[Document], end: list[int]) -> tuple[UInt16, Int32]:
    ids = [[*encoding.ids, *end] for encoding in bpe.encode_batch([d.text for d in documents])]
    owners = np.repeat(np.arange(len(ids), dtype=np.int32), [len(i) for i in ids])
    return np.concatenate([np.asarray(i, dtype=np.uint16) for i in ids]), owners


class Order:
    """The order in which a run sees its train split: windows without overlap, shuffled anew in every epoch.

    It follows from the seed and the window's number alone, so a resumed run needs no state to go on.

    Parameters
    ----------
    tokens : array of uint16
        The train split.
    context : int
        Tokens that a window predicts; it spans one more.
    seed : int
        The run's seed.
    unique_tokens : int
        Train on a fixed subset of about that many tokens, the same for every seed; 0 is on all.
    """

    def __init__(self, tokens: UInt16, context: int, seed: int, unique_tokens: int = 0) -> None:
        self.tokens, self.context, self.seed = tokens, context, seed
        self.windows = (len(tokens) - 1) // context
        self._subset: npt.NDArray[np.int64] | None = None
        if self.windows < 1:
            raise TrainerError(
                f"the train split has {len(tokens)} tokens, fewer than one context of {context}"
            )
        if unique_tokens:
            if not context <= unique_tokens <= self.windows * context:
                raise TrainerError(
                    f"unique_tokens is {unique_tokens}; give at least one context of {context}, and at most the "
                    f"{self.windows * context} tokens of the train split"
                )
            # Drawn from all over the split, whose beginning would be other documents, not fewer of the same.
            self._subset = np.random.default_rng(0).permutation(self.windows)[: unique_tokens // context]
            self.windows = len(self._subset)
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def batch(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """Ids of `count` windows from number `first` of the run: (count, context + 1)."""
        starts = self.starts(first, count)
        return self.tokens[starts[:, None] + np.arange(self.context + 1)].astype(np.int64)

    def starts(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """Where in the train split these windows start."""
        return np.array([self._window(number) for number in range(first, first + count)]) * self.context

    def _window(self, number: int) -> int:
        epoch, place = divmod(number, self.windows)
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch, self._permutation = epoch, generator.permutation(self.windows)
        window = self._permutation[place]
        return int(window if self._subset is None else self._subset[window])

    def unique_tokens(self, windows: int) -> int:
        """Distinct train tokens that a run of that many windows predicts."""
        return min(windows, self.windows) * self.context
