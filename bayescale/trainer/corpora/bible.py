"""The King James Bible, from Debian's package bible-kjv; a document is a chapter.

To install it: apt-get install bible-kjv
"""

from __future__ import annotations

import re
import subprocess

from bayescale.trainer.corpora import _debian
from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import prose_corpus
from bayescale.trainer.errors import TrainerError

VERSE = re.compile(r"(\w+?)(\d+):(\d+) (.*)")  # "1Jo1:1 That which was": books may start with a digit


def collect() -> Corpus:
    """Gather the Bible, a verse a line, without the verses' numbers.

    Raises
    ------
    TrainerError
        If the package is not installed.
    """
    version = _debian.version("bible", "bible-kjv")
    # The text is packed in a format of the package's own, which its program reads.
    done = subprocess.run(
        ["bible", "-f", "Gen1:1-Rev22:21"], capture_output=True, text=True, check=False, timeout=60
    )
    chapters: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if found := VERSE.fullmatch(line):
            book, chapter, _, text = found.groups()
            chapters.setdefault(f"{book} {chapter}", []).append(text)
    if not chapters:
        raise TrainerError(f"bible -f printed no verse ({done.stderr.strip()}); install bible-kjv again")
    return prose_corpus(
        (Document(name, "\n".join(verses) + "\n") for name, verses in chapters.items()),
        source="King James Version of the Bible, Debian package bible-kjv",
        licence="public domain",
        version=version,
    )
