"""Groups that an average hides: does the gap between sub-populations grow with scale? (Diaz & Madaio 2023)

Losses of the same runs on parts of the held-out text (sections, rare and frequent words, lengths) are one runs
table with a column that names the part. A law pooled over that column is an ordinary posterior, whose rows share
their run's effect; what is asked of it here is whether groups drift apart, and whether some group stands still
while the average improves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.expected import expected_loss
from bayescale.models import Model
from bayescale.models.design import RESERVED
from bayescale.numerals import percent, scientific, significant
from bayescale.posterior import PosteriorData
from bayescale.skills.errors import SkillsError
from bayescale.skills.frontier import cells_of, dearest_of, points_along, rows_of

PART = "part"
"""What groups are called in a posterior, where their own name is taken."""

GAIN = 0.01
"""Nats by which a loss has to fall to count as an improvement."""


@dataclass(frozen=True, eq=False)
class Gaps:
    """How groups fare between two budgets.

    Attributes
    ----------
    groups : DataFrame
        A row a group (of a cell): ``loss`` and ``loss_later`` at the two budgets (medians), ``improves``
        (probability that it falls by more than a hundredth of a nat), ``left_behind`` (that it does not while the
        average does), ``behind`` (median gap to the average now), ``widens`` (probability that the gap to the
        average grows).
    pairs : DataFrame
        A row a pair of groups: ``worse``, ``better`` (now), ``gap``, ``gap_later``, ``grows`` (probability, in
        nats) and ``grows_relative`` (as a share of the better group's loss).
    flops, later : float
    by : str
    """

    groups: pd.DataFrame
    pairs: pd.DataFrame
    flops: float
    later: float
    by: str

    def sentences(self) -> list[str]:
        """What it comes to, most uneven pair first."""
        said = [
            f"From {scientific(self.flops)} to {scientific(self.later)} FLOPs the gap between {row['worse']} and "
            f"{row['better']} goes from {significant(row['gap'], 3)} to {significant(row['gap_later'], 3)} nats: "
            f"it grows with "
            f"probability {percent(row['grows'])} (as a share of the loss, {percent(row['grows_relative'])})."
            for row in self.pairs.sort_values("gap", ascending=False).to_dict("records")
        ]
        for row in self.groups[self.groups["left_behind"] > 0.05].to_dict("records"):
            said.append(
                f"The average improves while {row[self.by]} does not, with probability {percent(row['left_behind'])}."
            )
        if not (self.groups["left_behind"] > 0.05).any():
            said.append("No group stands still while the average improves with a probability above 5 %.")
        return said

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "flops": self.flops,
            "later": self.later,
            "groups": self.groups.to_dict("records"),
            "pairs": self.pairs.to_dict("records"),
        }


def group_model(law: str = "chinchilla", by: str = "group", also: tuple[str, ...] = ("task",)) -> Model:
    """A law with every parameter pooled over the groups, and over what else tells runs apart."""
    plain = Model.of_law(law)
    formula = " + ".join(["1", *(f"(1|{column})" for column in (*also, by))])
    names = plain.definition.parameter_names
    return plain.model_copy(
        update={"name": f"{law}-by-{by}", "pooling": dict.fromkeys(names, formula)}, deep=True
    )


def renamed(runs: pd.DataFrame, by: str = "group") -> tuple[pd.DataFrame, str]:
    """The table with its groups under a name that can be pooled over, and that name.

    ``group``, as `bayescale measure groups` calls them, is what predictions say of a point's own groups.
    """
    if by not in RESERVED:
        return runs, by
    out = runs.rename(columns={by: PART})
    out.attrs = runs.attrs
    return out, PART


def gaps(
    posterior: PosteriorData,
    by: str = "group",
    factor: float = 10.0,
    flops: float | None = None,
    weights: Mapping[str, float] | None = None,
) -> Gaps:
    """Whether the gaps between groups grow.

    Parameters
    ----------
    posterior : PosteriorData
        Fitted to a table with a row a run and group, pooled over `by`.
    by : str
    factor : float
        Between the two budgets.
    flops : float, optional
        The first budget; that of the dearest fitted run where absent.
    weights : mapping, optional
        Share of each group in the average; a column ``share`` of the runs, or equal shares, where absent.

    Raises
    ------
    SkillsError
        Not pooled over `by`, or fewer than two groups.
    """
    cells = cells_of(posterior)
    if by not in posterior.design.cells.columns:
        raise SkillsError(
            f"the law was not pooled over {by!r}: fit it with bayescale skills groups RUNS --by {by}"
        )
    if not factor > 1:
        raise SkillsError(f"the factor of compute is above 1: got {factor:g}")
    found, pairs = [], []
    start = flops or max(dearest_of(posterior, cell) for cell in cells)
    rest = [c for c in posterior.design.cells.columns if c != by]
    places = list(dict.fromkeys(tuple(cell[c] for c in rest) for cell in cells))
    for place in places:
        mine = [cell for cell in cells if tuple(cell[c] for c in rest) == place]
        if len(mine) < 2:
            raise SkillsError(f"there is one group in {by!r} only; a gap is between two")
        points = pd.concat(
            [points_along(posterior, cell, [start, start * factor]) for cell in mine], ignore_index=True
        )
        loss, _ = expected_loss(posterior, points)
        now, later = loss[:, ::2], loss[:, 1::2]
        share = _shares(posterior, mine, by, weights)
        average, average_later = now @ share, later @ share
        labels = dict(zip(rest, place, strict=True))
        falls = now - later > GAIN
        for i, cell in enumerate(mine):
            gap, gap_later = now[:, i] - average, later[:, i] - average_later
            found.append(
                {
                    **labels,
                    by: cell[by],
                    "loss": float(np.median(now[:, i])),
                    "loss_later": float(np.median(later[:, i])),
                    "improves": float(falls[:, i].mean()),
                    "left_behind": float((~falls[:, i] & (average - average_later > GAIN)).mean()),
                    "behind": float(np.median(gap)),
                    "widens": float((np.abs(gap_later) > np.abs(gap)).mean()),
                }
            )
        order = np.argsort(-np.median(now, axis=0))
        for a, worse in enumerate(order):
            for better in order[a + 1 :]:
                before, after = now[:, worse] - now[:, better], later[:, worse] - later[:, better]
                pairs.append(
                    {
                        **labels,
                        "worse": mine[worse][by],
                        "better": mine[better][by],
                        "gap": float(np.median(before)),
                        "gap_later": float(np.median(after)),
                        "grows": float((after > before).mean()),
                        "grows_relative": float((after / later[:, better] > before / now[:, better]).mean()),
                    }
                )
    return Gaps(pd.DataFrame(found), pd.DataFrame(pairs), start, start * factor, by)


def _shares(
    posterior: PosteriorData, cells: list[dict[str, Any]], by: str, weights: Mapping[str, float] | None
) -> np.ndarray:
    if weights is not None:
        missing = [cell[by] for cell in cells if str(cell[by]) not in weights]
        if missing:
            raise SkillsError(f"no weight is given for the group {missing[0]!r}")
        share = np.array([float(weights[str(cell[by])]) for cell in cells])
    elif "share" in posterior.runs:
        share = np.array([float(rows_of(posterior, cell)["share"].mean()) for cell in cells])
    else:
        share = np.ones(len(cells))
    return share / share.sum()
