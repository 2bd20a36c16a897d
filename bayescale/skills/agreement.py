"""Do held-out runs agree with what was said of their skills, as often as it said?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.predict import loss_draws
from bayescale.numerals import percent
from bayescale.posterior import PosteriorData
from bayescale.skills.accuracy import SkillFit, unit_columns
from bayescale.skills.emergence import MARGIN, paired
from bayescale.skills.errors import SkillsError

MASSES = (0.5, 0.8, 0.9)
BINS = (0.0, 0.1, 0.5, 0.9, 1.0)
RARE = 0.05


@dataclass(frozen=True, eq=False)
class Agreement:
    """Held-out runs and skills, with what was forecast of each before it was measured.

    Attributes
    ----------
    rows : DataFrame
        A row a held-out run and skill: ``probability`` (that its *measured* accuracy exceeds chance by the margin),
        ``above`` (whether it does), ``accuracy``, ``median``, and ``rank`` (share of forecasts below what was
        measured).
    replicated : ndarray, shape (draws,)
        How many rows are above in sets of measurements that the posteriors themselves make: rows share runs and
        laws, so that independent coin tosses would be the wrong measure.
    margin : float
    """

    rows: pd.DataFrame
    replicated: np.ndarray
    margin: float

    @property
    def expected(self) -> float:
        """How many rows should be above."""
        return float(self.rows["probability"].sum())

    @property
    def found(self) -> int:
        """How many rows are above."""
        return int(self.rows["above"].sum())

    @property
    def p_value(self) -> float:
        """How often the forecast itself makes a count at least so far from the expected one."""
        distance = np.abs(self.replicated - self.expected)
        return float(np.mean(distance >= abs(self.found - self.expected) - 1e-9))

    @property
    def broken(self) -> bool:
        """Whether the forecasts and the measurements disagree by more than chance would often make them."""
        return self.p_value < RARE

    def inside(self, mass: float) -> float:
        """Share of measured accuracies inside the central band of this mass, half of a tie counting."""
        low, high = (1 - mass) / 2, (1 + mass) / 2
        return float(((self.rows["rank"] >= low) & (self.rows["rank"] <= high)).mean())

    @property
    def brier(self) -> float:
        """Mean squared error of the probabilities; 0.25 is what saying a half to everything gets."""
        return float(((self.rows["probability"] - self.rows["above"]) ** 2).mean())

    def bins(self) -> pd.DataFrame:
        """By what was said: how many rows, how many above were expected, and how many are."""
        cut = pd.cut(self.rows["probability"], BINS, include_lowest=True)
        groups = self.rows.groupby(cut, observed=True)
        table = groups.agg(rows=("above", "size"), expected=("probability", "sum"), above=("above", "sum"))
        return table.reset_index(names="said")

    def by(self, *columns: str) -> pd.DataFrame:
        """The same counts within groups of the held-out rows, by task and skill say.

        Returns
        -------
        DataFrame
            A row a group: ``rows``, ``expected`` and ``above``, ``inside90``, and ``rank``, the mean rank of what was
            measured among what was forecast: a half where forecasts lean neither way.
        """
        middle = self.rows["rank"].between(0.05, 0.95)
        groups = self.rows.assign(middle=middle).groupby(list(columns), sort=False, observed=True)
        return groups.agg(
            rows=("above", "size"),
            expected=("probability", "sum"),
            above=("above", "sum"),
            inside90=("middle", "mean"),
            rank=("rank", "mean"),
        ).reset_index()

    def __str__(self) -> str:
        runs = self.rows["run_id"].nunique()
        bands = ", ".join(f"{percent(self.inside(m))} inside the {percent(m)} band" for m in MASSES)
        verdict = "They disagree" if self.broken else "They agree"
        return "\n".join(
            [
                f"Held out: {len(self.rows)} accuracies of {runs} runs. Above chance by {self.margin:g}: {self.found}, "
                f"{self.expected:.1f} expected (a count so far off has probability {percent(self.p_value)} under "
                f"the forecast). {verdict}. Brier score of the probabilities {self.brier:.3f}.",
                f"Measured accuracies: {bands}.",
                self.bins().to_string(index=False, float_format="{:.1f}".format),
            ]
        )

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": len(self.rows),
            "expected": self.expected,
            "found": self.found,
            "p_value": self.p_value,
            "brier": self.brier,
            "inside": {str(m): self.inside(m) for m in MASSES},
            "bins": self.bins().astype({"said": str}).to_dict("records"),
            "by": self.by(*(c for c in ("task", "skill") if c in self.rows)).to_dict("records"),
        }


def agreement(
    fit: SkillFit, posterior: PosteriorData, rows: pd.DataFrame, margin: float = MARGIN, seed: int = 0
) -> Agreement:
    """Forecast held-out runs' measured accuracies from their inputs alone, and compare.

    Parameters
    ----------
    fit : SkillFit
    posterior : PosteriorData
        Of the loss. The held-out runs' own losses are not used: they are forecast too.
    rows : DataFrame
        A row a held-out run and skill, as `bayescale.skills.table.with_runs` makes them.
    margin : float
    seed : int

    Raises
    ------
    SkillsError
        No row, a run that was fitted, or no skill that was.
    """
    if rows.empty:
        raise SkillsError("no held-out run has a skill measured: there is nothing to agree with")
    both = set(rows["run_id"].astype(str)) & set(fit.rows["run_id"].astype(str))
    if both:
        raise SkillsError(
            f"{len(both)} held-out runs are among the fitted ones: they test nothing; leave them out"
        )
    columns = [c for c in unit_columns(fit.rows) if c in fit.units]
    index = {key: i for i, key in enumerate(fit.units[columns].itertuples(index=False, name=None))}
    unit = np.array([index.get(key, -1) for key in rows[columns].itertuples(index=False, name=None)])
    rows, unit = rows[unit >= 0].reset_index(drop=True), unit[unit >= 0]
    if rows.empty:
        raise SkillsError("the held-out runs have none of the fitted skills")
    runs = rows.drop_duplicates("run_id").reset_index(drop=True)
    place = runs.reset_index().set_index("run_id")["index"].reindex(rows["run_id"]).to_numpy()
    loss, _ = loss_draws(posterior, runs.drop(columns=["skill", "loss"]), "run", seed)
    which = paired(fit, len(loss), seed)
    rng = np.random.default_rng([seed, 13])
    items, correct = rows["items"].to_numpy(int), rows["correct"].to_numpy(int)
    made = np.empty((len(loss), len(rows)))
    for u in np.unique(unit):
        at = np.flatnonzero(unit == u)
        expected = fit.accuracy(int(u), loss[:, place[at]], which)
        made[:, at] = rng.binomial(items[at], fit.of_runs(int(u), expected, rng, which))
    bar = (rows["chance"].to_numpy(float) + margin) * items
    rank = (made < correct).mean(axis=0) + 0.5 * (made == correct).mean(axis=0)
    out = rows.assign(
        accuracy=correct / items,
        median=np.median(made, axis=0) / items,
        probability=(made > bar).mean(axis=0),
        above=correct > bar,
        rank=rank,
    )
    return Agreement(out, (made > bar).sum(axis=1), margin)
