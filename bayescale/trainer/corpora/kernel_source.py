"""C: the source of the Linux kernel's core, file systems and network, from Debian's package; a document is a file.

To install it: apt-get install linux-source-6.1
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from bayescale.trainer.corpora import _debian
from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import code_corpus
from bayescale.trainer.errors import TrainerError

PACKAGE = "linux-source-6.1"

FOLDERS = (
    "block",
    "crypto",
    "fs",
    "init",
    "io_uring",
    "ipc",
    "kernel",
    "lib",
    "mm",
    "net",
    "security",
    "sound",
    "virt",
)
"""Folders of the source that are read: what people wrote. Drivers hold tables of registers that a script made."""


def collect() -> Corpus:
    """Gather C files; blocks that train has, such as licences, are cut out of held-out files.

    Raises
    ------
    TrainerError
        If the package is not installed.
    """
    version = _debian.version("kernel_source", PACKAGE)
    archives = _debian.files(PACKAGE, "*.tar.xz")
    if not archives:
        raise TrainerError(
            f"{PACKAGE} is installed, and its archive under /usr/src is not there; install it again"
        )
    return code_corpus(
        _files(archives[0]),
        source=f"folders {', '.join(FOLDERS)} of the Linux kernel, Debian package {PACKAGE}",
        licence="GPL-2.0-only",
        version=version,
    )


def _files(archive: Path) -> Iterator[Document]:
    with tarfile.open(archive, "r:xz") as opened:
        for member in opened:
            _, _, name = member.name.partition("/")
            if not (member.isfile() and name.endswith((".c", ".h")) and name.split("/")[0] in FOLDERS):
                continue
            file = opened.extractfile(member)
            text = file.read().decode("utf-8", "replace") if file else ""
            if text.strip():
                yield Document(name, text)
