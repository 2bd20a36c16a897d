"""The published tables, which lie beside a checkout and are no part of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT.parent / "shared" / "data"


def available(name: str) -> bool:
    return (FOLDER / f"{name}.csv").is_file()


def table(name: str) -> pd.DataFrame:
    """A published table, every split of it.

    Raises
    ------
    FileNotFoundError
        It is not there.
    """
    return pd.read_csv(FOLDER / f"{name}.csv")
