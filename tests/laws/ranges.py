"""Runs to test each law on: drawn from its usual inputs, and points beyond them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayescale.laws import Law
from bayescale.laws.usual import ranges, reference

GROWING = (
    "params",
    "tokens",
    "unique_tokens",
    "flops",
    "flops_min",
    "steps",
    "position",
    "context",
    "experts",
)
"""Inputs of which a tenfold is a forecast."""

CAN_HURT = {"kumar-post": ("tokens",)}
"""Inputs of which a law says that more can be worse: models trained on more data lose more by quantising."""

COMPLETED: dict[str, Mapping[str, float]] = {
    # Only the transfer is published; Kaplan's joint law stands in for the target task, to simulate from.
    "hernandez": {"N_c": 6.4e13, "a_N": 0.076, "D_c": 1.8e13, "a_D": 0.103},
}
"""Values for parameters that a publication leaves open."""


def design(law: Law, runs: int, seed: int = 0) -> pd.DataFrame:
    """Inputs drawn evenly on the log scale."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            name: np.exp(rng.uniform(np.log(low), np.log(high), runs))
            for name, (low, high) in ranges(law).items()
        }
    )


def beyond(law: Law) -> pd.DataFrame:
    """One point at ten times the largest inputs; those that are not scales stay in the middle."""
    middle = reference(law)
    return pd.DataFrame(
        {name: [10 * high if name in GROWING else middle[name]] for name, (_, high) in ranges(law).items()}
    )


def complete(law: Law) -> list[dict[str, float]]:
    """Published values, those that a publication leaves open filled in; sets that stay incomplete are left out."""
    sets = [{**COMPLETED.get(law.name, {}), **published.values} for published in law.published]
    return [
        {name: float(v[name]) for name in law.parameter_names}
        for v in sets
        if set(law.parameter_names) <= set(v)
    ]
