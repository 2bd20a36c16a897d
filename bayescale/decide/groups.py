"""Which groups an allocation is for, with the law's parameters and its other inputs in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.constraints import Constraints
from bayescale.decide.errors import AllocationError
from bayescale.decide.optimum import other_inputs
from bayescale.forecast.expected import CellDraws, Predictor
from bayescale.posterior import PosteriorData


def groups_of(
    posterior: PosteriorData,
    groups: pd.DataFrame | None,
    fixed: Mapping[str, float] | None,
    constraints: Constraints,
    free: tuple[str, ...] = (),
) -> tuple[pd.DataFrame, list[dict[str, Any]], CellDraws]:
    """Groups, a row each; what the law takes beside params and tokens in each; and the draws of its parameters.

    Where no groups are given, they are those of the fit, each at the mean of its runs' covariates. `free` inputs are
    not asked for.

    Raises
    ------
    AllocationError
        An input is missing, means nothing to the law, or is given twice.
    """
    given = dict(fixed or {})
    if constraints.unique_tokens is not None and "unique_tokens" in posterior.model.definition.inputs:
        if "unique_tokens" in given or (groups is not None and "unique_tokens" in groups):
            raise AllocationError(
                "unique_tokens is given twice, among the constraints and beside them: leave one out"
            )
        given["unique_tokens"] = constraints.unique_tokens
    groups = posterior.design.groups if groups is None else groups
    if groups.empty and len(groups.columns) == 0:
        groups = pd.DataFrame(index=[0])
    # A shape that is given is meant, not that of the groups' runs.
    instead = [
        scaled.covariate.column
        for scaled in posterior.design.covariates
        if scaled.covariate.columns and set(scaled.covariate.columns) <= set(given)
    ]
    groups = groups.drop(columns=[name for name in instead if name in groups])
    groups = groups.assign(**{name: float(x) for name, x in given.items()})
    _known_inputs(posterior, given)
    cells = Predictor(posterior).parameters(groups)
    others = [other_inputs(cells.law, labels, free) for labels in groups.to_dict("records")]
    return groups, others, cells


def _known_inputs(posterior: PosteriorData, fixed: Mapping[str, float]) -> None:
    others = [name for name in posterior.model.definition.inputs if name not in ("params", "tokens")]
    covariates = {name for scaled in posterior.design.covariates for name in scaled.covariate.names}
    for name, value in fixed.items():
        if name in covariates:
            continue
        if name not in others:
            takes = ", ".join([*others, *sorted(covariates)]) or "nothing"
            raise AllocationError(
                f"the law {posterior.model.law} takes {takes} beside params and tokens; {name} does not matter to it"
            )
        zero = name in posterior.model.definition.may_be_zero
        if not np.isfinite(value) or value < 0 or (value == 0 and not zero):
            raise AllocationError(f"{name} must be positive: got {value:g}")
