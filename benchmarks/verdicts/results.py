"""Worlds that were asked, a JSON line each in a file a family: hours of them, that any machine goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayescale.revisions import outdated
from benchmarks import kept
from benchmarks.published.tables import ROOT
from benchmarks.verdicts.worlds import FAMILIES, PER_TABLE, REVISION, table_of

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


def missing_tables(records: list[Record], families: list[str], worlds: int) -> list[tuple[str, int]]:
    """Return the tables, by kind and number, that some of the first worlds of a family are missing of.

    In an order that makes every family's worlds in step, so that an interrupted run is of all of them.
    """
    there = {(record["family"], record["index"]) for record in records}
    missing = {
        (FAMILIES[family], table_of(family, index)): None
        for family in families
        for index in range(worlds)
        if (family, index) not in there
    }
    return sorted(missing, key=lambda at: (at[1] * PER_TABLE[at[0]], list(FAMILIES.values()).index(at[0])))
