"""C: the headers of the kernel's interface and of the C library, from Debian's packages; a document is a file.

To install them: apt-get install linux-libc-dev libc6-dev
"""

from __future__ import annotations

from collections.abc import Iterator

from bayescale.trainer.corpora import _debian
from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import code_corpus

PACKAGES = ("linux-libc-dev", "libc6-dev")


def collect() -> Corpus:
    """Gather the headers; blocks that train has, such as licences, are cut out of held-out files.

    Raises
    ------
    TrainerError
        If a package is not installed.
    """
    versions = [_debian.version("c_headers", package) for package in PACKAGES]
    return code_corpus(
        _headers(),
        source=f"headers of Debian packages {' and '.join(PACKAGES)}",
        licence="GPL-2.0-only WITH Linux-syscall-note AND LGPL-2.1-or-later",
        version=", ".join(versions),
    )


def _headers() -> Iterator[Document]:
    for package in PACKAGES:
        for path in _debian.files(package, "*.h"):
            text = path.read_text("utf-8", "replace")
            if text.strip():
                yield Document(path.as_posix().removeprefix("/usr/include/"), text)
