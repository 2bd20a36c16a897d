"""From a source to tokens: a bundled corpus, a folder, a file, or the token ids of your own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bayescale.corpus.errors import CorpusError
from bayescale.trainer import corpora, tokenizer
from bayescale.trainer.corpora._common import Document
from bayescale.trainer.errors import TrainerError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Array = np.ndarray

MOST_TOKENS = 2_000_000
"""Counted at most, in documents drawn at random: more costs minutes, and the theory errs by more than it brings."""

MOST_CHARACTERS = 64_000_000
"""That a tokenizer of a user's own text is trained on."""

LEAST_TOKENS = 50_000
LEAST_HELD_OUT = 2_000
HELD_OUT_SHARE = 0.05
PIECE = 20_000
"""Characters of a piece where there are too few documents to hold some of them out."""

FEW_DOCUMENTS = 20
PIECE_TOKENS = 4_096


@dataclass(frozen=True, eq=False)
class Text:
    """A corpus as tokens.

    Attributes
    ----------
    name : str
    vocab : int
        Ids lie below it.
    train, held_out : ndarray of int
        Documents one after another, in random order, each closed by an end token.
    piece : ndarray of int, shape of train
        Which document each train token is of.
    documents : int
        That the corpus has, or pieces where it was cut.
    """

    name: str
    vocab: int
    train: Array
    held_out: Array
    piece: Array
    documents: int


def read_text(source: str | Path, vocab: int, seed: int, pattern: str = "**/*.txt") -> Text:
    """Read and tokenise a corpus.

    Parameters
    ----------
    source : str or path
        A name of `bayescale.trainer.corpora`, a folder, a text file, or a ``.npy`` file of token ids.
    vocab : int
        Entries of the byte-level BPE, trained on the train documents as the trainer does; not used for ids.
    seed : int
        Of the order of documents and of what is held out.
    pattern : str
        Which files of a folder.

    Raises
    ------
    CorpusError
        No such corpus, not text, or too little of it.
    """
    rng = np.random.default_rng([seed, 0])
    path = Path(source)
    name = str(source) if path.name == "" else path.name
    if path.suffix == ".npy" and path.exists():
        return _checked(_of_ids(path, rng))
    if vocab < tokenizer.SMALLEST_VOCAB:
        raise CorpusError(
            f"--vocab {vocab}: a byte-level tokenizer has at least {tokenizer.SMALLEST_VOCAB} entries; ask for more"
        )
    if find_spec("tokenizers") is None:
        raise CorpusError(
            'reading text needs tokenizers, not installed here; run: pip install "bayescale[train]"'
        )
    train, held_out = _documents(source, path, pattern, rng)
    train = [train[i] for i in rng.permutation(len(train))]
    try:
        bpe = tokenizer.train(train, vocab)
    except TrainerError:
        raise CorpusError(
            f"{name}: too little text for a tokenizer of {vocab} entries; ask for fewer with --vocab, or add text"
        ) from None
    ids = _encode(bpe, train, MOST_TOKENS)
    lengths = [len(i) for i in ids]
    counted = np.concatenate(ids)[:MOST_TOKENS] if ids else np.empty(0, np.int64)
    piece = np.repeat(np.arange(len(ids)), lengths)[:MOST_TOKENS]
    held = _encode(bpe, held_out, MOST_TOKENS // 10)
    unseen = np.concatenate(held) if held else np.empty(0, np.int64)
    return _checked(Text(name, vocab, counted, unseen, piece, len(train) + len(held_out)))


def _documents(
    source: str | Path, path: Path, pattern: str, rng: np.random.Generator
) -> tuple[list[Document], list[Document]]:
    bundled = [name for name in corpora.names() if name != "folder"]
    try:
        if path.is_dir():
            found = corpora.collect("folder", {"path": str(path), "pattern": pattern})
            return _own(path.name, [*found.train, *found.held_out], rng)
        if path.is_file():
            return _own(path.name, [Document(path.name, path.read_text("utf-8"))], rng)
        if str(source) in bundled:
            corpus = corpora.collect(str(source), {})
            return list(corpus.train), list(corpus.held_out)
    except TrainerError as error:
        raise CorpusError(str(error)) from None
    except UnicodeDecodeError:
        raise CorpusError(
            f"{path}: not UTF-8 text; convert it, or give token ids as a .npy file of whole numbers"
        ) from None
    raise CorpusError(
        f"{source}: no such file or folder, nor a bundled corpus; bundled are {', '.join(bundled)}"
    )


def _own(
    name: str, documents: list[Document], rng: np.random.Generator
) -> tuple[list[Document], list[Document]]:
    """Hold out whole documents, or pieces of them where there are few."""
    documents = [d for d in documents if d.text.strip()]
    if not documents:
        raise CorpusError(f"{name}: no text in it; give a file or folder that has some")
    if len(documents) < FEW_DOCUMENTS:
        documents = [piece for document in documents for piece in _pieces(document)]
    documents = [documents[i] for i in rng.permutation(len(documents))]
    kept = np.cumsum([len(d.text) for d in documents]) <= MOST_CHARACTERS
    documents = [d for d, keep in zip(documents, kept, strict=True) if keep] or documents[:1]
    held = max(1, round(HELD_OUT_SHARE * len(documents)))
    return documents[held:], documents[:held]


def _pieces(document: Document) -> list[Document]:
    """Runs of whole lines of about `PIECE` characters; a line longer than that is cut."""
    pieces: list[Document] = []
    text = document.text
    while text:
        end = text.rfind("\n", PIECE // 2, PIECE) + 1 or PIECE
        pieces.append(Document(f"{document.name}:{len(pieces)}", text[:end]))
        text = text[end:]
    return pieces


def _encode(bpe: Tokenizer, documents: Sequence[Document], most: int) -> list[Array]:
    """Ids of documents until there are `most`; a batch at a time, for a corpus may be far longer than that."""
    ids: list[Array] = []
    for start in range(0, len(documents), 64):
        batch = bpe.encode_batch([d.text for d in documents[start : start + 64]])
        ids += [np.array([*e.ids, tokenizer.END_ID], dtype=np.int64) for e in batch]
        if sum(map(len, ids)) >= most:
            break
    return ids


def _of_ids(path: Path, rng: np.random.Generator) -> Text:
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise CorpusError(f"{path}: not a NumPy array of whole numbers ({error})") from None
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise CorpusError(
            f"{path}: token ids are one row of whole numbers; this array has shape {ids.shape}, type {ids.dtype}"
        )
    return of_tokens(ids, path.name, rng)


def of_tokens(ids: Array, name: str, rng: np.random.Generator) -> Text:
    """A stream of token ids, cut into pieces, some of them held out."""
    most = MOST_TOKENS + MOST_TOKENS // 10
    if len(ids) and int(ids.min()) < 0:
        raise CorpusError(f"{name}: a token id is negative; ids count from 0")
    starts = rng.permutation(range(0, len(ids), PIECE_TOKENS))[: most // PIECE_TOKENS]
    pieces = [np.asarray(ids[s : s + PIECE_TOKENS], dtype=np.int64) for s in starts]
    held = max(1, round(HELD_OUT_SHARE * len(pieces)))
    kept = pieces[held:]
    if not kept:
        raise CorpusError(_too_little(name, len(ids)))
    piece = np.repeat(np.arange(len(kept)), [len(p) for p in kept])
    train, held_out = np.concatenate(kept), np.concatenate(pieces[:held])
    vocab = int(max(train.max(), held_out.max())) + 1
    return Text(name, vocab, train, held_out, piece, len(pieces))


def _checked(text: Text) -> Text:
    if len(text.train) < LEAST_TOKENS:
        raise CorpusError(_too_little(text.name, len(text.train)))
    if len(text.held_out) < LEAST_HELD_OUT:
        raise CorpusError(
            f"{text.name}: only {len(text.held_out):,} tokens are held out, and {LEAST_HELD_OUT:,} are needed; add text"
        )
    return text


def _too_little(name: str, tokens: int) -> str:
    return (
        f"{name}: {tokens:,} tokens are too few to measure how entropy and correlations fall; "
        f"give at least {LEAST_TOKENS:,}, better a million"
    )
