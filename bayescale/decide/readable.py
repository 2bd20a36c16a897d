"""Tables of plans as a person reads them: a median and its interval in one cell, counts with their suffix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayescale.numerals import count, scientific, significant

ENDS = ("_q0.05", "_q0.95")
COUNTS = ("params", "tokens", "safe", "batch_tokens", "datastore_tokens")
SCIENTIFIC = ("flops", "training_flops", "service_flops", "datastore_flops", "crossing")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every number written out, and with the ends of an interval beside its median."""
    shown: dict[str, Any] = {}
    for column in map(str, table.columns):
        if column.endswith(ENDS):
            continue
        written = [_written(column, x) for x in table[column]]
        if f"{column}{ENDS[0]}" in table:
            low, high = ([_written(column, x) for x in table[f"{column}{end}"]] for end in ENDS)
            written = [f"{m} ({a} to {b})" for m, a, b in zip(written, low, high, strict=True)]
        shown[column] = written
    return pd.DataFrame(shown)


def three(name: str, draws: np.ndarray, nearest: bool = False) -> dict[str, float]:
    """A column of a table with the ends of its interval: median, 5 and 95 %; `nearest` where draws may be infinite."""
    found = np.quantile(draws, (0.5, 0.05, 0.95), method="nearest" if nearest else "linear")
    return {
        name: float(found[0]),
        **{f"{name}{end}": float(x) for end, x in zip(ENDS, found[1:], strict=True)},
    }


def _written(column: str, x: Any) -> str:
    if not isinstance(x, (int, float)) or isinstance(x, bool):
        return str(x)
    if x != x:
        return "none"
    if column in SCIENTIFIC:
        return scientific(x) if x < float("inf") else significant(x)
    if column == "tokens_per_param":
        return significant(x, 3)
    if column.startswith(COUNTS):
        return count(x) if x < float("inf") else significant(x)
    return significant(x, 4 if "loss" in column else 3)
