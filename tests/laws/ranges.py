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

CAN_HURT = {"kumar-post": ("tokens",), "kumar-rounded": ("tokens",)}
"""Inputs of which a law says that more can be worse: models trained on more data lose more by quantising."""

COMPLETED: dict[str, Mapping[str, float]] = {
    # Only the transfer is published; Kaplan's joint law stands in for the target task, to simulate from.
    "hernandez": {"N_c": 6.4e13, "a_N": 0.076, "D_c": 1.8e13, "a_D": 0.103},
}
"""Values for parameters that a publication leaves open."""

DOMAINS = {"E": 1.5, "alpha": 0.34, "beta": 0.37, "C_1": 3.0, "gamma_1": 0.6, "C_2": 0.5, "gamma_2": 0.3}
SIMULATED: dict[str, Mapping[str, float]] = {
    # A drop between two slopes. The medians have a first break that ends at the floor, and so no second one.
    "bnsl2": {"a": 0.5, "b": 16.0, "c0": 0.1}
    | {"f1": 0.15, "c1": 0.6, "d1": 1e9}
    | {"f2": 0.15, "c2": -0.5, "d2": 2e10},
    # Domains that differ, and amplitudes of Hoffmann's law.
    "mixture-1-2": {**DOMAINS, "A": 400.0, "B": 2000.0},
    "mixture-joint-1-2": {
        **DOMAINS,
        **{"gammaA": 1.0, "CA_1": 300.0, "CA_2": 600.0, "gammaB": 1.0, "CB_1": 3000.0, "CB_2": 1500.0},
    },
    # At the priors' medians domains do not differ, and nothing tells the floor from the rest.
    "mixing-1-2": {"c": 1.5, "k": 1.0, "t_1": -1.0, "t_2": 0.6},
}
"""Values to simulate from where nothing is published, and where the medians of the priors hide what a law is about."""


def design(law: Law, runs: int, seed: int = 0) -> pd.DataFrame:
    """Inputs drawn evenly on the log scale; shares sum to one, and no run has more unique tokens than tokens."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            name: np.exp(rng.uniform(np.log(low), np.log(high), runs))
            for name, (low, high) in ranges(law).items()
        }
    )
    shares = [name for name in table if name.startswith("share_")]
    table[shares] = table[shares].div(table[shares].sum(axis=1), axis=0)
    if "unique_tokens" in table:
        table["unique_tokens"] = table[["unique_tokens", "tokens"]].min(axis=1)
    return table


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
