"""What every corpus is: documents split into train and held-out, and a manifest that says what they are."""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HELD_OUT_SHARE = 0.05

# Tables that a script wrote, not people (pydoc_data is prose; python_docs reads it itself), and the record of
# how this Python was built, which differs from machine to machine.
GENERATED = ("encodings/", "pydoc_data/", "config-", "_sysconfigdata")
NOT_THE_LIBRARY = ("site-packages/", "dist-packages/", "__pycache__/")


@dataclass(frozen=True)
class Document:
    """One text and the name it is split and reported by."""

    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """Documents split into train and held-out.

    Parameters
    ----------
    train, held_out : tuple of Document
        Disjoint by document; exact duplicates occur once.
    source : str
        What the text is, for the manifest; no path of the machine.
    licence : str
        What the text may be used under.
    version : str
        Which release of the source, where it has any.
    removed : mapping of str to int
        What was taken out because it occurs twice, by kind.
    alphabet : str
        The symbols of a synthetic language: each is a token, and no token stands between its documents, which
        are stretches of one process. Empty for text.
    facts : mapping
        What else is known of the corpus, for the manifest; no part of its identity.
    """

    train: tuple[Document, ...]
    held_out: tuple[Document, ...]
    source: str
    licence: str
    version: str = ""
    removed: Mapping[str, int] = field(default_factory=dict)
    alphabet: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def sha256(self) -> str:
        """Hash names, texts, order and split."""
        digest = hashlib.sha256()
        for split in (self.train, self.held_out):
            digest.update(len(split).to_bytes(8, "little"))
            for document in split:
                for part in (document.name, document.text):
                    data = part.encode()
                    digest.update(len(data).to_bytes(8, "little"))
                    digest.update(data)
        return digest.hexdigest()

    def manifest(self) -> dict[str, object]:
        """Say what there is: source, licence, documents and bytes by split, hash."""

        def count(documents: tuple[Document, ...]) -> dict[str, int]:
            return {"documents": len(documents), "bytes": sum(len(d.text.encode()) for d in documents)}

        return {
            "source": self.source,
            "version": self.version,
            "licence": self.licence,
            "removed": dict(self.removed),
            **self.facts,
            "python": platform.python_version(),
            "train": count(self.train),
            "held_out": count(self.held_out),
            "sha256": self.sha256(),
        }


def is_held_out(name: str, share: float = HELD_OUT_SHARE) -> bool:
    """Decide a document's split from its name alone: the same in every corpus and on every machine."""
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return draw < share


def library_files() -> Iterator[tuple[str, str]]:
    """Yield (relative path, text) of the running Python's standard library, in order of path.

    Its own test suite is part of it. Installed packages, generated tables, and files that are not UTF-8 (some
    are so on purpose, in the tests) are not.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        if name.startswith(GENERATED) or any(part in f"{name}/" for part in NOT_THE_LIBRARY):
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip():
            yield name, text.replace("\r\n", "\n")


def split(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    """Split by name into train and held-out, each exact text once; one that both would have is in train."""
    train: list[Document] = []
    held_out: list[Document] = []
    for document in documents:
        (held_out if is_held_out(document.name) else train).append(document)
    seen: set[str] = set()

    def unseen(these: list[Document]) -> list[Document]:
        kept = []
        for document in these:
            if document.text not in seen:
                seen.add(document.text)
                kept.append(document)
        return kept

    return unseen(train), unseen(held_out)
