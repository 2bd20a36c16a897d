"""Utilities of the actions, draw by draw: what an expected utility, a regret and a flip are computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayescale.decide.decision import Decision
from bayescale.decide.outcomes import Outcomes
from bayescale.decide.utility import Attitude, cvar


@dataclass(frozen=True, eq=False)
class Stakes:
    """What is at stake.

    Attributes
    ----------
    names : tuple of str
    worth : ndarray, shape (draws, repeats, actions)
        Of every simulated run, in the utility's unit.
    cost : ndarray, shape (actions,) or (draws, repeats, actions)
        Known, or of every simulated run where it was learned.
    reached : ndarray of bool, shape (draws, repeats, actions)
        Whether the target is reached, or without one whether worth covers cost.
    attitude : str
    worst : float
        Share of outcomes that CVaR is the mean of.
    """

    names: tuple[str, ...]
    worth: np.ndarray
    cost: np.ndarray
    reached: np.ndarray
    attitude: Attitude = "expected value"
    worst: float = 0.1

    @property
    def given_law(self) -> np.ndarray:
        """Expected utility given each draw of the laws, of loss and of cost, noise averaged out: (draws, actions)."""
        return np.asarray((self.worth - self.cost).mean(axis=1))

    @property
    def given_loss(self) -> np.ndarray:
        """The same with costs as they are expected, shape (draws, actions): runs that tell of losses tell no costs."""
        return np.asarray(self.worth.mean(axis=1) - self.expected_cost)

    @property
    def expected_cost(self) -> np.ndarray:
        """Shape (actions,)."""
        return np.asarray(self.cost.reshape(-1, len(self.names)).mean(axis=0))

    @property
    def p_reached(self) -> np.ndarray:
        """Probability of success given each draw, shape (draws, actions)."""
        return np.asarray(self.reached.mean(axis=1))

    def score(self, weights: np.ndarray | None = None) -> np.ndarray:
        """What the attitude goes by, one figure an action; weights of the draws sum to one."""
        if self.attitude == "expected value":
            return np.asarray(np.average(self.given_law, axis=0, weights=weights))
        if self.attitude == "reach target":
            return np.asarray(np.average(self.p_reached, axis=0, weights=weights))
        each = None if weights is None else np.repeat(weights / self.worth.shape[1], self.worth.shape[1])
        flat = (self.worth - self.cost).reshape(-1, len(self.names))
        return np.array([cvar(column, self.worst, each) for column in flat.T])

    def choice(self, weights: np.ndarray | None = None) -> int:
        """The action that is chosen: the highest score, the cheapest of equals."""
        score = self.score(weights)
        equal = np.flatnonzero(score >= score.max() - 1e-12 * max(1.0, abs(score.max())))
        return int(equal[np.argmin(self.expected_cost[equal])])

    def scaled(self, factor: float) -> Stakes:
        """The same, everything reached worth so many times as much, costs as they are."""
        return replace(self, worth=factor * self.worth)

    def regret(self, chosen: int) -> np.ndarray:
        """What knowing the law would have gained over the chosen action, shape (draws,), never negative."""
        utility = self.given_law
        return np.asarray(utility.max(axis=1) - utility[:, chosen])

    def perfect_information(self) -> float:
        """Expected value of knowing the law itself, before choosing, over choosing now by expected value.

        Noise of single runs is nothing that can be known beforehand, and stays.
        """
        utility = self.given_law
        return float(utility.max(axis=1).mean() - utility.mean(axis=0).max())


def stakes(decision: Decision, found: Outcomes, cost: np.ndarray, target: float | None = None) -> Stakes:
    """Utilities of simulated actions; `target` is another one than the decision's."""
    target = decision.target_loss if target is None else target
    names = tuple(a.name for a in found.actions)
    if decision.utility is None:
        reached = found.measured <= float(target or 0.0)
        return Stakes(names, reached.astype(float), np.zeros(len(names)), reached)
    worth = np.stack(
        [
            decision.utility.worth(found.measured[:, :, i], target, float(found.baseline[i]))
            for i in range(len(names))
        ],
        axis=2,
    )
    reached = found.measured <= target if target is not None else worth >= cost
    return Stakes(names, worth, cost, reached, decision.attitude, decision.worst)


def monte_carlo_error(values: np.ndarray, chains: int) -> float:
    """Standard error of the mean of draws, chains one after the other, by their effective number."""
    from arviz_stats.base import array_stats

    if np.ptp(values) < 1e-12 * max(1.0, float(np.abs(values).max())):
        return 0.0
    by_chain = values.reshape(chains, -1)[None]
    ess = float(array_stats.ess(by_chain, chain_axis=1, draw_axis=2, method="mean")[0])
    return float(values.std() / np.sqrt(max(ess, 1.0)))
