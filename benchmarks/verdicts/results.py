"""Worlds that were asked, a JSON line each in a file a family: hours of them, that any machine goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayescale.revisions import outdated
from benchmarks import kept
from benchmarks.published.tables import ROOT
from benchmarks.verdicts.worlds import FAMILIES, PER_TABLE, REVISION

FOLDER = ROOT / "benchmarks" / "verdicts" / "results"

Record = dict[str, Any]


def path_of(folder: Path, family: str) -> Path:
    """Return the file of a family."""
    return folder / f"{family.replace(' ', '-')}.jsonl"


def known(folder: Path, fresh: bool = False) -> list[Record]:
    """Return the worlds there are, by family and index: the last line of each, of the present worlds' revision.

    When `fresh`, only those that the package's present revisions made.
    """
    found: dict[tuple[str, int], Record] = {}
    for family in FAMILIES:
        for record in kept.read_lines(path_of(folder, family)):
            current = record["revision"] == REVISION
            if current and not (fresh and outdated(record["revisions"])):
                found[family, record["index"]] = record
    order = list(FAMILIES)
    return [found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), key[1]))]


def add(folder: Path, records: list[Record]) -> None:
    """Keep worlds."""
    for family in dict.fromkeys(record["family"] for record in records):
        kept.append_lines(path_of(folder, family), [r for r in records if r["family"] == family])


def missing_tables(records: list[Record], families: list[str], tables: int) -> list[tuple[str, int]]:
    """Return the tables, by kind and number, that some world is missing of: table by table, every kind in turn."""
    there = {(record["family"], record["index"]) for record in records}
    missing = {
        (FAMILIES[family], index // PER_TABLE): None
        for index in range(PER_TABLE * tables)
        for family in families
        if (family, index) not in there
    }
    return list(missing)
