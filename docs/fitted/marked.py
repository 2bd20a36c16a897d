"""Parts of a page that a command makes, between two marks; the rest of the page is written by hand."""

from __future__ import annotations

from pathlib import Path


def marks(name: str, command: str) -> tuple[str, str]:
    return f"<!-- {name}: made by `{command}` -->", f"<!-- end of {name} -->"


def put(page: Path, name: str, command: str, text: str) -> None:
    """Replace a part of a page; at its end where the page does not have it yet."""
    begin, end = marks(name, command)
    old = page.read_text("utf-8")
    part = f"{begin}\n\n{text.strip()}\n\n{end}"
    if begin in old:
        head, _, rest = old.partition(begin)
        new = head + part + rest.partition(end)[2]
    else:
        new = f"{old.rstrip()}\n\n{part}\n"
    page.write_text(new, "utf-8")


def kept(page: Path) -> str:
    """All marked parts of a page, for a command that makes the rest of it anew."""
    if not page.exists():
        return ""
    parts, rest = [], page.read_text("utf-8")
    while ": made by `" in rest:
        begin = rest.rindex("<!-- ", 0, rest.index(": made by `"))
        name = rest[begin + len("<!-- ") : rest.index(": made by `")]
        end = f"<!-- end of {name} -->"
        stop = rest.index(end) + len(end)
        parts.append(rest[begin:stop])
        rest = rest[stop:]
    return "\n\n".join(parts)
