"""Groups that an average hides: does the gap between sub-populations grow with scale? (Diaz & Madaio 2023)

Losses of the same runs on parts of the held-out text (sections, rare and frequent words, lengths) are one runs
table with a column that names the part. A law pooled over that column is an ordinary posterior, whose rows share
their run's effect; what is asked of it here is whether groups drift apart, and whether some group stands still
while the average improves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from bayescale.skills.frontier import cells_of, dearest_of, points_along

PART = "part"
"""What groups are called in a posterior, where their own name is taken."""

GAIN = 0.01
"""Nats a token by which a loss has to fall to count as an improvement."""
NOTED = 0.05
"""Probability of being left behind that is worth a sentence."""
NATS, PER_BYTE = "nats", "nats per byte"


@dataclass(frozen=True, eq=False)
class Gaps:
    """How groups fare between two budgets.

    Attributes
    ----------
    groups : DataFrame
        A row a group (of a cell): ``loss`` and ``loss_later`` at the two budgets (medians), ``improves``
        (probability that it falls by more than a hundredth of a nat a token), ``left_behind`` (that it does not while
        the average does), ``behind`` (median gap to the average now), ``widens`` (probability that the gap to the
        average grows).
    pairs : DataFrame
        A row a pair of groups: ``worse``, ``better`` (now), ``gap``, ``gap_later``, ``grows`` (probability, in
        nats) and ``grows_relative`` (as a share of the better group's loss).
    places : DataFrame
        A row a cell of what else tells runs apart: ``average`` and ``average_later`` (medians), ``improves``, and
        ``left_behind``, the probability that the average improves while one group or more does not.
    flops, later : float
    by : str
    unit : str
        Of losses and gaps.
    """

    groups: pd.DataFrame
    pairs: pd.DataFrame
    places: pd.DataFrame
    flops: float
    later: float
    by: str
    unit: str = NATS

    @property
    def rest(self) -> list[str]:
        """The other columns that tell runs apart."""
        return [str(c) for c in self.groups.columns[: list(self.groups.columns).index(self.by)]]

    def place(self, row: Mapping[str, Any]) -> str:
        """Where a row is, in words; empty where there is one place only."""
        return ", ".join(str(row[c]) for c in self.rest) if len(self.places) > 1 else ""

    def sentences(self) -> list[str]:
        """What it comes to, most uneven pair first."""
        said = []
        for row in self.pairs.sort_values("gap", ascending=False).to_dict("records"):
            where = f", in {self.place(row)}," if self.place(row) else ""
            said.append(
                f"From {scientific(self.flops)} to {scientific(self.later)} FLOPs the gap between {row['worse']} and "
                f"{row['better']}{where} goes from {significant(row['gap'], 3)} to "
                f"{significant(row['gap_later'], 3)} {self.unit}: it grows with "
                f"probability {percent(row['grows'])} (as a share of the loss, {percent(row['grows_relative'])})."
            )
        return said + self.left_behind()

    def left_behind(self) -> list[str]:
        """Whom the average leaves behind."""
        behind = self.groups[self.groups["left_behind"] > NOTED]
        if not len(behind):
            return ["No group stands still while the average improves with a probability above 5 %."]
        said = []
        for row in behind.sort_values("left_behind", ascending=False).to_dict("records"):
            where = f" in {self.place(row)}" if self.place(row) else ""
            said.append(
                f"The average{where} improves while {row[self.by]} does not, with probability "
                f"{percent(row['left_behind'])}."
            )
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
            "places": self.places.to_dict("records"),
            "unit": self.unit,
        }


def group_model(law: str = "generalised", by: str = "group", also: tuple[str, ...] = ("task",)) -> Model:
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


def averaged_over(posterior: PosteriorData) -> str | None:
    """The grouping column whose groups an average of losses hides; None where there is none.

    Parts of the held-out text, which divide the same runs, come before tasks; nobody averages over architectures.
    """
    columns = list(map(str, posterior.design.cells.columns))
    run = posterior.design.run
    parts = [
        column
        for column in columns
        if pd.Series(posterior.runs[column].astype(str).to_numpy()).groupby(run).nunique().max() > 1
    ]
    chosen = next(iter(parts), "task" if "task" in columns else None)
    if chosen is None or not _places(posterior, chosen):
        return None
    return chosen


@dataclass(frozen=True, eq=False)
class Place:
    """The groups of one cell of what else tells runs apart, along compute.

    Attributes
    ----------
    labels : dict
        Of the other columns.
    cells : list of dict
        A cell a group.
    loss : ndarray, shape (draws, groups, budgets)
    share : ndarray, shape (groups,)
        In the average.
    scale : ndarray, shape (groups,)
        What losses in nats a token were divided by: one, or bytes a token.
    """

    labels: dict[str, Any]
    cells: list[dict[str, Any]]
    loss: np.ndarray
    share: np.ndarray
    scale: np.ndarray

    @property
    def average(self) -> np.ndarray:
        """Over groups, shape (draws, budgets)."""
        return np.asarray(np.einsum("dgb,g->db", self.loss, self.share))


def along(
    posterior: PosteriorData,
    by: str,
    flops: Sequence[float],
    weights: Mapping[str, float] | None = None,
) -> list[Place]:
    """Expected losses of groups at budgets, a place for every cell of the other columns with two groups or more.

    Per byte where groups have tokens of different lengths: nats per token of different tokenizers do not compare.
    """
    places = []
    for labels, mine in _places(posterior, by):
        points = pd.concat([points_along(posterior, cell, flops) for cell in mine], ignore_index=True)
        loss, _ = expected_loss(posterior, points)
        scale = _bytes_per_token(posterior, mine)
        loss = loss.reshape(len(loss), len(mine), len(flops)) / scale[None, :, None]
        places.append(Place(labels, mine, loss, _shares(posterior, mine, by, weights), scale))
    return places


def _places(posterior: PosteriorData, by: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Cells with two groups or more, by the labels of the other columns."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    rest = [c for c in posterior.design.cells.columns if c != by]
    for cell in cells_of(posterior):
        found.setdefault(tuple(cell[c] for c in rest), []).append(cell)
    return [(dict(zip(rest, key, strict=True)), cells) for key, cells in found.items() if len(cells) > 1]


def _bytes_per_token(posterior: PosteriorData, cells: list[dict[str, Any]]) -> np.ndarray:
    one = np.ones(len(cells))
    if "bytes_per_token" not in posterior.runs or not posterior.conventions.loss.startswith("nats/token"):
        return one
    each = np.array([posterior.runs_of(cell)["bytes_per_token"].median() for cell in cells], dtype=float)
    return each if np.isfinite(each).all() and np.ptp(each) > 1e-6 * each.max() else one


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
    if by not in posterior.design.cells.columns:
        raise SkillsError(
            f"the law was not pooled over {by!r}: fit it with bayescale skills groups RUNS --by {by}"
        )
    if not factor > 1:
        raise SkillsError(f"the factor of compute is above 1: got {factor:g}")
    start = flops or max(dearest_of(posterior, cell) for cell in cells_of(posterior))
    found, pairs, places = [], [], []
    per_byte = False
    for place in along(posterior, by, [start, start * factor], weights):
        now, later = place.loss[..., 0], place.loss[..., 1]
        average, average_later = place.average.T
        falls = (now - later) * place.scale > GAIN
        better_off = (average - average_later) * (place.share @ place.scale) > GAIN
        per_byte |= bool((place.scale != 1).any())
        places.append(
            {
                **place.labels,
                "average": float(np.median(average)),
                "average_later": float(np.median(average_later)),
                "improves": float(better_off.mean()),
                "left_behind": float((better_off & ~falls.all(axis=1)).mean()),
            }
        )
        for i, cell in enumerate(place.cells):
            gap, gap_later = now[:, i] - average, later[:, i] - average_later
            found.append(
                {
                    **place.labels,
                    by: cell[by],
                    "loss": float(np.median(now[:, i])),
                    "loss_later": float(np.median(later[:, i])),
                    "improves": float(falls[:, i].mean()),
                    "left_behind": float((~falls[:, i] & better_off).mean()),
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
                        **place.labels,
                        "worse": place.cells[worse][by],
                        "better": place.cells[better][by],
                        "gap": float(np.median(before)),
                        "gap_later": float(np.median(after)),
                        "grows": float((after > before).mean()),
                        "grows_relative": float((after / later[:, better] > before / now[:, better]).mean()),
                    }
                )
    if not found:
        raise SkillsError(f"there is one group in {by!r} only; a gap is between two")
    return Gaps(
        pd.DataFrame(found),
        pd.DataFrame(pairs),
        pd.DataFrame(places),
        start,
        start * factor,
        by,
        PER_BYTE if per_byte else NATS,
    )


def _shares(
    posterior: PosteriorData, cells: list[dict[str, Any]], by: str, weights: Mapping[str, float] | None
) -> np.ndarray:
    if weights is not None:
        missing = [cell[by] for cell in cells if str(cell[by]) not in weights]
        if missing:
            raise SkillsError(f"no weight is given for the group {missing[0]!r}")
        share = np.array([float(weights[str(cell[by])]) for cell in cells])
    elif "share" in posterior.runs:
        share = np.array([float(posterior.runs_of(cell)["share"].mean()) for cell in cells])
    else:
        share = np.ones(len(cells))
    return share / share.sum()
