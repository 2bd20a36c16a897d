"""The Collaborative International Dictionary of English, from Debian's package dict-gcide.

To install it: apt-get install dict-gcide
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

from bayescale.trainer.corpora import _debian
from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import prose_corpus

PAGE = 20_000  # characters of a document, about: entries are too short to be split apart one by one

SOURCE_TAG = re.compile(r"\s*\[(1913 Webster|Webster 1913 Suppl\.|PJC|WordNet [\d.]+)(\s*\+\s*\w+)?\]")
ENTRY = re.compile(r"\n(?=\S)")  # a headword starts at the margin, all else is indented


def collect(every: int = 4) -> Corpus:
    """Gather pages of entries in the dictionary's order, without the marks that say where an entry is from.

    Parameters
    ----------
    every : int
        Keep one page in so many; all of it is some 38 MB.

    Raises
    ------
    TrainerError
        If the package is not installed.
    """
    version = _debian.version("dictionary", "dict-gcide")
    (path,) = _debian.files("dict-gcide", "*.dict.dz")
    with gzip.open(path) as file:  # dictzip is gzip, with an index in its header
        text = file.read().decode("utf-8", "replace")
    pages = list(_pages(SOURCE_TAG.sub("", text)))
    return prose_corpus(
        (page for number, page in enumerate(pages) if number % every == 0),
        source="Collaborative International Dictionary of English (Webster 1913 and WordNet), Debian package "
        f"dict-gcide, one page in {every}",
        licence="GPL-2.0-or-later",
        version=version,
    )


def _pages(text: str) -> Iterator[Document]:
    page: list[str] = []
    size = number = 0
    for entry in ENTRY.split(text):
        if entry.startswith("00-database"):  # about the file, not the language
            continue
        page.append(entry.rstrip() + "\n")
        size += len(page[-1])
        if size >= PAGE:
            yield Document(f"page {number}", "".join(page))
            page, size, number = [], 0, number + 1
    if page:
        yield Document(f"page {number}", "".join(page))
