"""Whole sentences of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

END = re.compile(r"(?<=[.!?;:])\s+|\n\n+")
WHOLE = re.compile(r"[A-Z][^\n]*(?:\n[^\n]+)*[.!?;:]")


def sentences(texts: Sequence[str]) -> Iterator[str]:
    """Yield what starts with a capital and ends with a stop, line breaks made spaces, each sentence once.

    A colon and a semicolon end one too: old prose goes on for paragraphs.
    """
    seen = set()
    for text in texts:
        for part in END.split(text):
            sentence = " ".join(part.split())
            if WHOLE.fullmatch(sentence) and sentence not in seen:
                seen.add(sentence)
                yield sentence
