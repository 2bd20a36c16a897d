"""Pairs of groups at ten times the dearest run: a difference that the runs show, or none."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from bayescale.decide.curves import curves
from bayescale.decide.equivalence import Equivalence, contrast
from bayescale.decide.errors import AllocationError
from bayescale.decide.readable import three
from bayescale.report.subject import Subject

EVALUATION = "task"
"""Losses on two evaluation sets are not rivals: a task that is easier is no better."""

LEVEL = 10.0
"""Times the compute of the dearest run."""


def contrasts(subject: Subject) -> pd.DataFrame:
    """Return pairs of shown groups that differ in one label, each at its own optimum of one budget.

    Returns
    -------
    DataFrame
        ``a``, ``b``, ``difference`` (the loss of b less that of a, with its interval), ``equivalence`` and what
        `bayescale.decide.equivalence.contrast` says; empty where no two groups are rivals, or the law has no optimum.
    """
    posterior = subject.posterior
    cells = posterior.design.cells.iloc[subject.shown].astype(str).reset_index(drop=True)
    flops = LEVEL * subject.dearest
    pairs = [(i, j) for i, j in combinations(range(len(cells)), 2) if _rivals(cells.loc[i], cells.loc[j])]
    if not pairs or not np.isfinite(flops):
        return pd.DataFrame()
    groups = subject.groups(subject.shown)
    try:
        loss = [curve.best(np.array([flops])).loss[:, 0] for curve in curves(posterior, groups)]
    except AllocationError:
        return pd.DataFrame()
    rows = []
    for i, j in pairs:
        points = groups.iloc[[i, j]].assign(flops=flops).reset_index(drop=True)
        region = Equivalence().at(posterior, points, float(np.median(loss[i]) + np.median(loss[j])) / 2)
        names = {"a": subject.cells[subject.shown[i]], "b": subject.cells[subject.shown[j]]}
        difference = loss[j] - loss[i]
        rows.append(
            {
                **names,
                **three("difference", difference),
                "equivalence": region,
                **contrast(difference, region),
            }
        )
    return pd.DataFrame(rows)


def _rivals(one: pd.Series, other: pd.Series) -> bool:
    """Whether two groups differ in one label, and are evaluated on the same set."""
    apart = [column for column in one.index if one[column] != other[column]]
    return len(apart) == 1 and apart[0] != EVALUATION
