"""The source of the running Python's standard library, split by file."""

from __future__ import annotations

from bayescale.trainer.corpora._common import Corpus, Document, library_files
from bayescale.trainer.corpora._repeats import code_corpus


def collect() -> Corpus:
    """Gather the library's source.

    The library vendors and copies, and a copied block would be remembered, not predicted: see `code_corpus`.
    """
    return code_corpus(
        (Document(name, text) for name, text in library_files()),
        source="source of Python's standard library, its tests included",
        licence="PSF-2.0",
    )
