"""The readable text of an HTML page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

SILENT = frozenset({"script", "style", "nav", "header", "footer", "head", "title", "svg", "form", "button"})
"""Elements whose text is not read: code, styles, and what every page of a site repeats."""

BLOCK = frozenset(
    {"p", "div", "li", "tr", "dt", "dd", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "br", "table", "section"}
)
VOID = frozenset({"br", "img", "hr", "input", "meta", "link", "col", "wbr", "area", "base", "source"})

BLANK = re.compile(r"[ \t]+\n|\n{3,}")


class _Reader(HTMLParser):
    """Collects text, of the page's main element alone where it says which that is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.everything: list[str] = []
        self.main: list[str] = []
        self._silent, self._main, self._preformatted = 0, 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            if tag in BLOCK:
                self._add("\n")
            return
        if self._main or tag in ("main", "article") or ("role", "main") in attrs:
            self._main += 1
        self._silent += tag in SILENT
        self._preformatted += tag == "pre"
        if tag in BLOCK:
            self._add("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        self._main = max(0, self._main - 1)
        self._silent = max(0, self._silent - (tag in SILENT))
        self._preformatted = max(0, self._preformatted - (tag == "pre"))
        if tag in BLOCK:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._add(data if self._preformatted else re.sub(r"\s+", " ", data))

    def _add(self, text: str) -> None:
        self.everything.append(text)
        if self._main:
            self.main.append(text)


def text_of(page: str) -> str:
    """Return the text of a page: of its main element where there is one, without scripts and navigation."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    text = "".join(reader.main or reader.everything).replace("\u00b6", "")
    lines = (line.strip(" \t") if not line.startswith("    ") else line.rstrip() for line in text.split("\n"))
    return BLANK.sub("\n\n", "\n".join(lines)).strip() + "\n"
