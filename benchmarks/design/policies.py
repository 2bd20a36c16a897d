"""Who buys which runs: each policy fills a budget from what is offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.optimize import minimize

import bayescale as bs
from bayescale.decide.local_information import LocalKnowledge
from bayescale.decide.measurements import Measurements, reach_of
from bayescale.models import make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import expected_loss, log_density, log_spreads, noise_of
from bayescale.models.layout import layout_of, split
from benchmarks.design.worlds import World


@dataclass(frozen=True, eq=False)
class Shop:
    """What a policy knows when it buys: never a loss that was not bought.

    Attributes
    ----------
    world : World
    bought : ndarray of bool, shape (offered,)
    posterior : Posterior
        Of the bought runs.
    room : float
        FLOPs that may be spent now.
    seed : int
    """

    world: World
    bought: np.ndarray
    posterior: bs.Posterior
    room: float
    seed: int

    @property
    def free(self) -> np.ndarray:
        return np.flatnonzero(~self.bought)


def random(shop: Shop) -> list[int]:
    return _fill(np.random.default_rng([shop.seed, 21]).permutation(shop.free), shop)


def cheapest(shop: Shop) -> list[int]:
    return _fill(shop.free, shop)


def everything(shop: Shop) -> list[int]:
    return list(map(int, shop.free))


def _fill(order: np.ndarray, shop: Shop) -> list[int]:
    chosen, spent = [], 0.0
    for i in order:
        if spent + shop.world.cost[i] <= shop.room * (1 + 1e-9):
            chosen.append(int(i))
            spent += shop.world.cost[i]
    return chosen


def ours(shop: Shop) -> list[int]:
    """Information on the expected losses that are decided about, the law linearised at draws, noise and drift in."""
    offered, dear = shop.world.offered, shop.world.actions()
    labels = list(shop.posterior.design.cells.columns)
    columns = ["params", "tokens", "flops", *labels]
    candidates = Measurements(shop.posterior, offered[columns], reach=reach_of(shop.posterior, dear[columns]))
    # The posterior's table is padded; its first rows are those that were bought.
    kept = np.arange(len(shop.posterior.runs)) < shop.bought.sum()
    knowledge = LocalKnowledge(candidates, dear[columns], kept)
    tried = [_informative(shop, knowledge, per_flop) for per_flop in (False, True)]
    return list(max(tried, key=knowledge.gain))


def _informative(shop: Shop, knowledge: LocalKnowledge, per_flop: bool) -> tuple[int, ...]:
    """A greedy basket, by information or by information per FLOP."""
    cost, batch = shop.world.cost, ()
    while True:
        room = shop.room * (1 + 1e-9) - cost[list(batch)].sum()
        free = [i for i in shop.free if i not in batch and cost[i] <= room]
        if not free:
            return batch
        gain = knowledge.each(batch)
        batch = (*batch, int(max(free, key=lambda i: gain[i] / (cost[i] if per_flop else 1.0))))


def v_optimal(shop: Shop) -> list[int]:
    """Mean variance of the dear runs' log loss, by the law linearised at the best fit."""
    slope, covariance, noise, wanted = _linearised(shop)
    both = np.vstack([slope, wanted])
    return _greedy(shop, both @ covariance @ both.T, noise, lambda left: -left.mean())


def d_optimal(shop: Shop) -> list[int]:
    """Log determinant of the information on the law's parameters, by the law linearised at the best fit."""
    slope, covariance, noise, _ = _linearised(shop)
    joint = slope @ covariance @ slope.T
    return _greedy(shop, joint, noise, None)


def _greedy(
    shop: Shop, joint: np.ndarray, noise: np.ndarray, worth: Callable[[np.ndarray], float] | None
) -> list[int]:
    """The better of two greedy baskets, by worth and by worth per FLOP.

    `joint` is the covariance of the candidates' log losses and then of what is wanted; `worth` rises as the variances
    of what is wanted fall. Without one, the worth is the information on the parameters themselves.
    """
    tried = [_basket(shop, joint.copy(), noise, worth, per_flop) for per_flop in (False, True)]
    return max(tried, key=lambda one: one[1])[0]


def _basket(shop, joint, noise, worth, per_flop):
    count, chosen, room, total = len(shop.world.cost), [], shop.room * (1 + 1e-9), 0.0
    cost = shop.world.cost
    while True:
        free = [i for i in shop.free if i not in chosen and cost[i] <= room]
        if not free:
            break
        own = np.diag(joint)[free]
        if worth is None:
            gain = 0.5 * np.log1p(own / noise[free])
        else:
            left = np.diag(joint)[count:]
            now = worth(left)
            removed = joint[np.ix_(free, range(count, len(joint)))] ** 2 / (own + noise[free])[:, None]
            gain = np.array([worth(np.maximum(left - r, 1e-12 * left)) - now for r in removed])
        k = int(np.argmax(gain / cost[free] if per_flop else gain))
        i = free[k]
        chosen.append(int(i))
        room -= cost[i]
        total += gain[k]
        joint -= np.outer(joint[:, i], joint[i]) / (joint[i, i] + noise[i])
    return chosen, total


@partial(jax.jit, static_argnums=1)
def _down(z, layout, data):
    return jax.value_and_grad(lambda x: -log_density(x, layout, data))(z)


@partial(jax.jit, static_argnums=1)
def _slopes(z, layout, data):
    return jax.jacfwd(lambda x: jnp.log(expected_loss(x, layout, data)))(z)[:, : layout.linear]


def _linearised(shop: Shop):
    """Slopes of the candidates' log losses and the dear runs', covariance of the unknowns, and noise variance."""
    dear = shop.world.actions()
    together = pd.concat([shop.world.offered, dear], ignore_index=True).drop(
        columns=["run_id"], errors="ignore"
    )
    # Losses that were not bought are masked; a placeholder keeps even their values out of reach.
    seen = np.concatenate([shop.bought, np.zeros(len(dear), dtype=bool)])
    together.loc[~seen, "loss"] = float(shop.world.offered.loc[shop.bought, "loss"].median())
    design = make_design(shop.world.model, together)
    layout, data = layout_of(design), data_of(design, seen)
    rng = np.random.default_rng([shop.seed, 22])

    def objective(z):
        value, gradient = _down(z, layout, data)
        value, gradient = float(value), np.asarray(gradient, float)
        good = np.isfinite(value) and np.isfinite(gradient).all()
        return (value, gradient) if good else (1e10, np.zeros_like(gradient))

    found = None
    for attempt in range(3):
        start = np.zeros(layout.size) if not attempt else rng.normal(scale=0.7, size=layout.size)
        start[layout.size - len(layout.noise)] = 2.0
        one = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
        found = one if found is None or one.fun < found.fun else found
    z = found.x
    slope = np.asarray(_slopes(z, layout, data))
    noise = float(noise_of(z, layout, data)["sigma"]) ** 2
    precision = np.ones(layout.linear)
    if layout.groups:
        tau = np.exp(np.asarray(log_spreads(split(z, layout).spreads, data)))
        precision[len(layout.law.parameters) :] = np.repeat(tau**-2, layout.groups)
    covariance = np.linalg.inv(np.diag(precision) + slope[seen].T @ slope[seen] / noise)
    count = len(shop.world.offered)
    return slope[:count], covariance, np.full(count, noise), slope[count:]


POLICIES: dict[str, Callable[[Shop], list[int]]] = {
    "ours": ours,
    "V-optimal": v_optimal,
    "D-optimal": d_optimal,
    "cheapest first": cheapest,
    "random": random,
}
RANDOM = 3
"""How often the random policy buys, averaged."""
