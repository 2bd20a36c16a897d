"""Tables to buy runs from: published ones, the bundled ones, and two worlds that are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

import bayescale as bs
from benchmarks.published.tables import available, table

START = 8
"""Cheapest runs that every policy begins with."""

ACTIONS = 6
"""Held-out runs that are the decision's actions."""


@dataclass(frozen=True, eq=False)
class World:
    """A table whose dear end is what the forecast and the decision are about.

    Attributes
    ----------
    name : str
    model : Model
        What is fitted by every policy.
    offered : DataFrame
        Runs that may be bought, cheapest first; the first `START` are there from the beginning.
    dear : DataFrame
        Runs that are forecast and never bought.
    """

    name: str
    model: bs.Model
    offered: pd.DataFrame
    dear: pd.DataFrame

    @property
    def cost(self) -> np.ndarray:
        return self.offered["flops"].to_numpy(float)

    def decision(self) -> bs.Decision:
        """Which of some dear runs to make, or none: the loss saved, in nats, less the compute, priced so that the
        dearest run costs half of what the losses differ by."""
        from bayescale.decide import Action, Costs, Utility

        chosen = self.actions()
        groups = [c for c in self.model.grouping_columns if c in chosen and len(self.offered[c].unique()) > 1]
        start = self.offered.head(START)["loss"].min()
        stake = 0.5 * (start - self.dear["loss"].min())
        return bs.Decision(
            baseline_loss=start,
            first_share=0.0,
            reach=9.0,
            utility=Utility(unit="nats", per_nat=1.0),
            costs=Costs(per_flop=stake / chosen["flops"].max()),
            actions=(
                Action(name="nothing", kind="nothing"),
                *(
                    Action(
                        name=str(i),
                        params=row["params"],
                        tokens=row["tokens"],
                        flops=row["flops"],
                        groups={c: str(row[c]) for c in groups},
                    )
                    for i, row in chosen.iterrows()
                ),
            ),
        )

    def actions(self) -> pd.DataFrame:
        """Dear runs spread evenly over their compute."""
        at = np.unique(np.linspace(0, len(self.dear) - 1, ACTIONS).round().astype(int))
        return self.dear.sort_values("flops").iloc[at].reset_index(drop=True)


def _split(name: str, runs: pd.DataFrame, model: bs.Model, most: int = 150) -> World:
    """Cheapest first; the runs that say holdout, or the top tenth of compute, are the dear end."""
    runs = runs.copy()
    if "flops" not in runs:
        runs["flops"] = 6 * runs["params"] * runs["tokens"]
    runs = runs.sort_values("flops", kind="stable").reset_index(drop=True)
    dear = runs["split"] == "holdout" if "split" in runs else runs["flops"] > runs["flops"].quantile(0.9)
    offered = runs[~dear].reset_index(drop=True)
    if len(offered) > most:  # evenly over compute: the shop is large, not endless
        offered = offered.iloc[np.unique(np.linspace(0, len(offered) - 1, most).round().astype(int))]
    return World(name, model, offered.reset_index(drop=True), runs[dear].reset_index(drop=True))


def _published(file: str, where: Callable[[pd.DataFrame], pd.Series] | None = None) -> pd.DataFrame:
    runs = table(file)
    return runs if where is None else runs[where(runs)].reset_index(drop=True)


def _one_group() -> bs.Model:
    return bs.Model(name="chinchilla-one", law="chinchilla")


def _pooled() -> bs.Model:
    """Few unknowns, so that importance sampling holds: groups differ in the floor and the data term."""
    return bs.Model(
        name="chinchilla-few",
        law="chinchilla",
        pooling={"E": "1 + (1|architecture) + (1|task)", "B": "1 + (1|task)"},
        priors={"E": {"range": [0.2, 4.0]}, "A": {"range": [0.05, 3.0]}, "B": {"range": [0.05, 3.0]}},
    )


def _porian(recipe: int) -> Callable[[], World]:
    def make() -> World:
        runs = table("porian_2024_isoflop")
        held = runs[runs["split"] == "holdout"].groupby(["architecture", "task"], sort=True).size()
        architecture, task = held.sort_values(ascending=False, kind="stable").index[recipe]
        mine = runs[(runs["architecture"] == architecture) & (runs["task"] == task)]
        return _split(f"porian, {architecture} on {task}", mine.reset_index(drop=True), _one_group())

    return make


def _muennighoff() -> World:
    runs = _published("muennighoff_2023_repeated", lambda r: r["tokens"] <= 4.000001 * r["unique_tokens"])
    return _split("muennighoff, up to four epochs", runs, _one_group())


def _bundled(folder: str, cells: tuple[str, ...] = ()) -> pd.DataFrame:
    runs = bs.read_runs(bs.bundled("runs") / folder / "runs.parquet", where='status == "finished"')
    if cells:
        runs = runs[runs["task"].isin(cells)]
    return runs.reset_index(drop=True)


def simulated(name: str, seed: int) -> World:
    """A grid of IsoFLOP runs over four decades, the last of which is the dear end.

    ``hoffmann`` is that law; in ``bent`` the small runs have an excess of their own, as small runs have, and size and
    data combine otherwise (p = 0.6): the law that is fitted is not true there.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for flops in np.geomspace(1e17, 1e21, 9):
        for ratio in (3.0, 8.0, 20.0, 50.0, 130.0):
            params = np.sqrt(flops / 6 / ratio)
            tokens = flops / 6 / params
            if name == "hoffmann":
                loss = 1.8 + 480.0 * params**-0.35 + 1200.0 * tokens**-0.34
            else:
                size, data = 480.0 * params**-0.35, 1200.0 * tokens**-0.34
                loss = 1.8 + (size ** (1 / 0.6) + data ** (1 / 0.6)) ** 0.6
                loss *= 1 + 0.04 * np.exp(-np.log10(flops / 1e17))
            rows.append(
                {
                    "params": params,
                    "tokens": tokens,
                    "flops": flops,
                    "loss": loss * np.exp(0.004 * rng.standard_t(6)),
                    "split": "holdout" if flops > 3e20 else "fit",
                }
            )
    return _split(f"simulated, {name}, seed {seed}", pd.DataFrame(rows), _one_group())


KINDS = ("hoffmann", "bent")
WORLDS: dict[str, tuple[str, Callable[[], World]]] = {
    "hoffmann": (
        "hoffmann_2022_digitised",
        lambda: _split("hoffmann", table("hoffmann_2022_digitised"), _one_group()),
    ),
    "porian-1": ("porian_2024_isoflop", _porian(0)),
    "porian-2": ("porian_2024_isoflop", _porian(1)),
    "porian-3": ("porian_2024_isoflop", _porian(2)),
    "porian-4": ("porian_2024_isoflop", _porian(3)),
    "muennighoff": ("muennighoff_2023_repeated", _muennighoff),
    "small-lm": ("", lambda: _split("small-lm (bundled)", _bundled("small-lm"), _pooled())),
    **{
        f"simulated-{kind}-{seed}": ("", partial(simulated, kind, seed))
        for seed in range(4)
        for kind in KINDS
    },
}
"""By name: the published table that it needs, and how it is made."""


def there(name: str) -> bool:
    """Whether the world's table is here."""
    file = WORLDS[name][0]
    return not file or available(file)
