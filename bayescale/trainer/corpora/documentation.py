"""Documentation of software in English, from Debian's packages; a document is a page.

To install it: apt-get install linux-doc-6.1 python3.11-doc postgresql-doc-15 git-doc apache2-doc sqlite3-doc
python-scipy-doc python-django-doc libreoffice-help-en-us libboost1.74-doc
"""

from __future__ import annotations

from collections.abc import Iterator

from bayescale.trainer.corpora import _debian
from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._html import text_of
from bayescale.trainer.corpora._repeats import prose_corpus

LICENCES = {
    "linux-doc-6.1": "GPL-2.0-only",
    "python3.11-doc": "PSF-2.0",
    "postgresql-doc-15": "PostgreSQL",
    "git-doc": "GPL-2.0-only",
    "apache2-doc": "Apache-2.0",
    "sqlite3-doc": "blessing (public domain)",
    "python-scipy-doc": "BSD-3-Clause",
    "python-django-doc": "BSD-3-Clause",
    "libreoffice-help-en-us": "MPL-2.0",
    "libboost1.74-doc": "BSL-1.0",
}
"""Packages whose pages are read, and what they are licensed under."""

SHORTEST = 400
"""Characters of text below which a page is an index or a redirection."""


def collect() -> Corpus:
    """Gather the pages' text, without scripts and navigation.

    Raises
    ------
    TrainerError
        If a package is not installed.
    """
    versions = [_debian.version("documentation", package) for package in LICENCES]
    return prose_corpus(
        _pages(),
        source=f"HTML documentation of Debian packages {', '.join(LICENCES)}",
        licence="; ".join(f"{package}: {licence}" for package, licence in LICENCES.items()),
        version=", ".join(versions),
    )


def _pages() -> Iterator[Document]:
    for package in LICENCES:
        for path in _debian.files(package, "*.html"):
            text = text_of(path.read_text("utf-8", "replace"))
            if len(text) >= SHORTEST:
                yield Document(f"{package}{path.as_posix()}", text)
