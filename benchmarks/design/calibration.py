"""Worlds drawn from the model itself: are stated probabilities of success right, and is the choice better than the
usual rule's, the point forecast of the best fit?"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.decide import Action, Costs, Utility
from bayescale.decide.outcomes import cost_of, outcomes
from bayescale.decide.stakes import stakes
from bayescale.forecast import loss_draws
from bayescale.inference.drift import drift_draws
from bayescale.inference.quantities import prior_draws
from bayescale.models import make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import cell_parameters, noise_of
from bayescale.models.layout import layout_of
from bayescale.models.noise import row_scale
from benchmarks import kept
from benchmarks.design.inference import padded, quick_fit
from benchmarks.design.race import CACHE

CHUNK = 25
"""Worlds that are kept in a file together."""

DEAR = (3e19, 1e20, 3e20, 1e21)
PRICE = (0.05, 0.1, 0.2, 0.4)
"""Compute of the actions, and what each costs, as a share of what reaching the target is worth."""

MODEL = bs.Model(name="chinchilla-one", law="chinchilla")


def cheap_runs() -> pd.DataFrame:
    """Twenty-five runs at five budgets, 1e17 to 1e19 FLOPs, without their losses."""
    rows = []
    for flops in np.geomspace(1e17, 1e19, 5):
        for ratio in (4.0, 10.0, 20.0, 45.0, 110.0):
            params = np.sqrt(flops / 6 / ratio)
            rows.append({"params": params, "tokens": flops / 6 / params, "flops": flops, "loss": 1.0})
    return pd.DataFrame(rows)


def dear_runs() -> pd.DataFrame:
    """The actions: twenty tokens per parameter."""
    params = np.sqrt(np.array(DEAR) / 6 / 20)
    return pd.DataFrame({"params": params, "tokens": 20 * params, "flops": DEAR})


def world(number: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Runs of a law drawn from the model's prior, and the losses that the dear runs would measure, drift and all."""
    rng = np.random.default_rng([number, 31])
    runs, dear = cheap_runs(), dear_runs()
    design = make_design(MODEL, padded(runs))
    layout, data = layout_of(design), data_of(design)
    z = prior_draws(design, 1, rng)[0]
    values = {name: float(x[0]) for name, x in cell_parameters(z, layout, data).items()}
    noise = {name: float(x) for name, x in noise_of(z, layout, data).items()}

    def measured(points: pd.DataFrame, shift: np.ndarray) -> np.ndarray:
        inputs = {name: points[name].to_numpy() for name in MODEL.definition.inputs}
        decades = np.log10(points["flops"].to_numpy() / design.typical_flops)
        t = rng.standard_t(noise["nu"], size=len(points))
        scale = row_scale(noise, decades, np.zeros(len(points)))
        return np.asarray(MODEL.definition.loss(values, inputs)) * np.exp(shift + scale * t)

    # Of the prior too, and with it whether the law holds beyond the runs.
    efold = drift_draws(design, (), 1, rng)
    drift = np.zeros(len(dear))
    for axis, inside in design.axes.items():
        at = np.log(dear["flops"] / design.typical_flops) if axis == "flops" else np.log(dear[axis])
        drift += efold[axis][0] * rng.normal() * np.maximum(0.0, at.to_numpy() - inside.max())
    runs["loss"] = measured(runs, np.zeros(len(runs)))
    return runs, measured(dear, drift)


def one(number: int) -> dict[str, Any]:
    """What is stated and what happens in one world.

    The target is a forecast quantile of the third action, drawn evenly, so that all probabilities come up.
    """
    runs, truth = world(number)
    quick, dear = quick_fit(runs, MODEL, number), dear_runs()
    rng = np.random.default_rng([number, 32])
    forecast = loss_draws(quick.posterior, dear, "run", seed=number + 1)[0]
    target = float(np.quantile(forecast[:, 2], rng.uniform(0.05, 0.95)))
    decision = bs.Decision(
        target_loss=target,
        baseline_loss=float(runs["loss"].min()),
        first_share=0.0,
        utility=Utility(unit="worth", at_target=1.0),
        costs=Costs(),
        actions=(
            *(
                Action(name=f"{flops:g}", params=row["params"], tokens=row["tokens"], flops=flops, cost=price)
                for flops, price, (_, row) in zip(DEAR, PRICE, dear.iterrows(), strict=True)
            ),
            Action(name="nothing", kind="nothing"),
        ),
    )
    made = outcomes(quick.posterior, decision, number)
    cost = np.array([cost_of(quick.posterior, decision, a) for a in made.actions])
    at_stake = stakes(decision, made, cost)
    # Doing nothing reaches a target that the cheap runs have reached already.
    nothing = float(runs["loss"].min() <= target)
    realised = np.append((truth <= target).astype(float), nothing) - cost
    # The usual rule takes the best fit at its word.
    point = np.append((quick.best_fit(dear) <= target).astype(float), nothing) - cost
    ours, usual = at_stake.choice(), int(point.argmax())
    return {
        "world": number,
        "ess": quick.ess,
        "p": at_stake.p_reached.mean(axis=0)[:-1].tolist(),
        "reached": (truth <= target).tolist(),
        "stated": float(at_stake.score()[ours]),
        "ours": float(realised[ours]),
        "usual": float(realised[usual]),
        "best": float(realised.max()),
        "chosen": ours,
        "chosen_by_usual": usual,
    }


def worlds(count: int) -> list[dict[str, Any]]:
    """The first so many worlds, from the cache where they have been run."""
    found: list[dict[str, Any]] = []
    for start in range(0, count, CHUNK):
        path = CACHE / f"calibration-{start}.json"
        if not path.is_file():
            made = [one(number) for number in range(start, start + CHUNK)]
            kept.write(path, made)
            print(f"  calibration: {start + CHUNK} worlds", flush=True)
        found += json.loads(path.read_text())
    return found[:count]
