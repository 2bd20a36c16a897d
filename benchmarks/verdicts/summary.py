"""What kept worlds come to: how often verdicts were right, what was refused, and the worst of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

ANSWERED = ("go", "no-go")
REFUSED = "not from these data"

EDGES = (0.0, 0.5, 0.8, 0.85, 0.95, 0.99, 1.0)
"""Edges of the bins of stated probability; the one from .85 to .95 is called 90 %."""

NINETY = (0.85, 0.95)

RIGHT_AT_90, MOST_NEEDLESS = 0.85, 0.15
"""Thresholds: least share right of verdicts stated at 90 % in each family, where five points allow for laws that no
prior expects; and most needless refusals within a decade, above which people would look for another tool."""

DISTANCES = ((-9.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0))
"""Decades of compute beyond the runs, by which verdicts are told apart."""


@dataclass(frozen=True)
class Share:
    """A mean with its standard error, verdicts of one table counted together; NaN of a single table."""

    value: float
    error: float
    count: int

    def __str__(self) -> str:
        if not self.count:
            return "-"
        error = f" ± {100 * self.error:.0f}" if np.isfinite(self.error) else ""
        return f"{100 * self.value:.0f} %{error} ({self.count})"


def frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a row a verdict, with what is known of its world."""
    world = ("family", "index", "table", "held_out", "held_out_runs", "health")
    rows = [
        {name: record[name] for name in world} | verdict
        for record in records
        for verdict in record["verdicts"]
    ]
    columns = [
        *world,
        "ask",
        "decades",
        "answer",
        "why",
        "beyond",
        "stated",
        "right",
        "regret",
        "stated_regret",
    ]
    found = pd.DataFrame(rows, columns=columns)
    numbers = ["stated", "right", "regret", "stated_regret", "decades"]
    return found.astype(dict.fromkeys(numbers, float)).assign(beyond=found["beyond"].astype(bool))


def share(values: pd.Series, of: pd.DataFrame) -> Share:
    """Return the mean of a column of verdicts, with its standard error over tables."""
    if not len(of):
        return Share(float("nan"), float("nan"), 0)
    value = float(values.mean())
    kind = of["family"].where(of["family"] != "law drifts", "law right")  # these share their tables
    sums = (values - value).groupby([kind, of["table"]]).sum()
    error = float(np.sqrt((sums**2).sum())) / len(of) if len(sums) > 1 else float("nan")
    return Share(value, error, len(of))


def for_a_target(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts on questions for a target."""
    return verdicts[verdicts["ask"].isin(("forecast", "target"))]


def by_utility(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts on choices by expected utility."""
    return verdicts[verdicts["ask"].isin(("worth", "nats"))]


def right_share(verdicts: pd.DataFrame, low: float = 0.0, high: float = 1.0) -> Share:
    """Return the share right of the GO and NO-GO stated between two probabilities."""
    said = verdicts[verdicts["answer"].isin(ANSWERED)]
    said = said[(said["stated"] >= low) & ((said["stated"] < high) | (high == 1.0))]
    return share(said["right"], said)


def stated_mean(verdicts: pd.DataFrame, low: float, high: float) -> float:
    """Return the mean stated probability of the GO and NO-GO stated between two probabilities."""
    said = verdicts[verdicts["answer"].isin(ANSWERED)]
    said = said[(said["stated"] >= low) & ((said["stated"] < high) | (high == 1.0))]
    return float(said["stated"].mean())


def fair(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the questions in worlds whose law is right and whose held-out runs are not wrong on purpose."""
    return verdicts[(verdicts["family"] != "law drifts") & (verdicts["held_out"] != "wrong")]


def answerable(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the questions of these whose every run is within a decade: a refusal of one is needless."""
    asked = fair(verdicts)
    return asked[asked["decades"] <= 1.0]


def refused(verdicts: pd.DataFrame, why: str = "") -> Share:
    """Return the share that was refused, for one reason or for any."""
    no = verdicts["answer"] == REFUSED
    return share((no & (verdicts["why"] == why) if why else no).astype(float), verdicts)


def beyond_belief(verdicts: pd.DataFrame, answer: str) -> pd.DataFrame:
    """Return the verdicts of one answer that hang on runs further out than forecasts may be believed."""
    return verdicts[(verdicts["answer"] == answer) & verdicts["beyond"]]


def worst(verdicts: pd.DataFrame, count: int = 12) -> pd.DataFrame:
    """Return GO and NO-GO for a target by what they were off most: stated less true probability."""
    said = for_a_target(verdicts)
    said = said[said["answer"].isin(ANSWERED)]
    off = (said["stated"] - said["right"]).sort_values(ascending=False, kind="stable")
    return said.loc[off.index].head(count)


def each_family(verdicts: pd.DataFrame, figure: Callable[[pd.DataFrame], Any]) -> dict[str, Any]:
    """Return a figure of every family there is."""
    return {str(name): figure(its) for name, its in verdicts.groupby("family", sort=False)}
