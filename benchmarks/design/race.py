"""One policy in one world: buy, fit and score at each share of the total cost; kept as JSON, so that it resumes."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from bayescale.decide.outcomes import cost_of, outcomes
from bayescale.decide.stakes import stakes
from bayescale.forecast.scores import predicted_quantiles, score
from benchmarks import kept
from benchmarks.design.inference import quick_fit
from benchmarks.design.policies import POLICIES, Shop, everything
from benchmarks.design.worlds import START, World
from benchmarks.published.tables import ROOT

CACHE = ROOT / ".bayescale" / "design"
SHARES = (0.01, 0.03, 0.1, 0.3)
ALL = "everything"


def race(key: str, world: World, policy: str, seed: int) -> list[dict[str, Any]]:
    """Scores of a policy at every share; from the cache where it has been run."""
    path = CACHE / f"{key}-{policy.replace(' ', '-')}-{seed}.json"
    if path.is_file():
        return json.loads(path.read_text())
    began = time.process_time()
    bought = np.arange(len(world.offered)) < START
    posterior = quick_fit(world.offered[bought], world.model, seed, len(world.offered)).posterior
    rows = []
    if policy == ALL:
        bought[everything(Shop(world, bought, posterior, np.inf, seed))] = True
        rows.append(_scored(world, bought, 1.0, seed))
    else:
        total, spent = world.cost.sum(), 0.0
        for share in SHARES:
            room = share * total - spent
            basket = POLICIES[policy](Shop(world, bought, posterior, room, seed)) if room > 0 else []
            bought[basket] = True
            spent += world.cost[basket].sum()
            row, posterior = _scored(world, bought, share, seed, True)
            rows.append(row | {"spent": float(spent / total)})
    for row in rows:
        row |= {"world": key, "policy": policy, "seed": seed}
    kept.write(path, rows)
    print(f"  {key}, {policy}, seed {seed}: {time.process_time() - began:.0f} s of CPU", flush=True)
    return rows


def _scored(world: World, bought: np.ndarray, share: float, seed: int, also: bool = False) -> Any:
    quick = quick_fit(world.offered[bought], world.model, seed, len(world.offered))
    posterior = quick.posterior
    labels = list(posterior.design.cells.columns)
    dear = world.dear[["params", "tokens", "flops", *labels]]
    found = score(predicted_quantiles(posterior, dear), world.dear["loss"].to_numpy(float))
    decision = world.decision()
    made = outcomes(posterior, decision, seed)
    cost = np.array([cost_of(posterior, decision, a) for a in made.actions])
    chosen = stakes(decision, made, cost).choice()
    measured = np.append(world.offered["loss"].head(START).min(), world.actions()["loss"])
    realised = np.maximum(0.0, float(decision.baseline_loss or 0.0) - measured) - cost
    row = {
        "share": share,
        "runs": int(bought.sum()),
        "crps": found["crps"],
        "error": found["error"],
        "inside90": found["inside90"],
        "regret": float(realised.max() - realised[chosen]),
        "stake": float(realised.max() - realised.min()),
        "ess": quick.ess,
    }
    return (row, posterior) if also else row
