"""The table as a page of the docs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.published.row import Row, Section

HEAD = """# Published figures beside ours

Written by `python benchmarks/published.py`, which reads the published tables from a folder beside the checkout and
fits them by NUTS through the health gate. A fit that does not pass has no figure. **no** in the column *agrees* marks
what we do not reproduce; the notes say why. A dash there: the row shows something and claims nothing.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "-"


def _line(row: Row) -> str:
    agrees = {True: "yes", False: "**no**", None: "-"}[row.agrees]
    cells = (row.quantity, row.published, row.ours, row.agreement, agrees, row.health)
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def markdown(sections: Sequence[Section]) -> str:
    """Return the page."""
    out = [HEAD]
    claims = [r.agrees for s in sections for r in s.rows if r.agrees is not None]
    out.append(f"{sum(claims)} of {len(claims)} claims hold.\n")
    for section in sections:
        out += [f"## {section.title}\n", section.intro + "\n"]
        out += ["| quantity | published | ours | agreement | agrees | health |", "|---|---|---|---|---|---|"]
        out += [_line(row) for row in section.rows]
        out.append("")
        out += [note + "\n" for note in section.notes]
    return "\n".join(out).rstrip() + "\n"
