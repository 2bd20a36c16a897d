"""Utilities of the actions, draw by draw: what an expected utility, a regret and a flip are computed from.

Given a draw of the law an action's worth is its expectation over the noise of a run, without simulation. So regret and
the value of perfect information compare laws and not lucky runs: where the law is known both are zero.
"""

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
        Of runs at equally probable quantiles of the noise, in the utility's unit: what CVaR goes by.
    cost : ndarray, shape (actions,) or (draws, repeats, actions)
        Known, or of every simulated run where it was learned.
    reached : ndarray of bool, shape (draws, repeats, actions)
        Whether the target is reached, or without one whether worth covers cost.
    attitude : str
    worst : float
        Share of outcomes that CVaR is the mean of.
    mean_worth : ndarray, shape (draws, actions), optional
        Expectation of worth over the noise given each draw; the mean over `worth` where absent.
    p_success : ndarray, shape (draws, actions), optional
        Probability of success given each draw; the mean over `reached` where absent.
    """

    names: tuple[str, ...]
    worth: np.ndarray
    cost: np.ndarray
    reached: np.ndarray
    attitude: Attitude = "expected value"
    worst: float = 0.1
    mean_worth: np.ndarray | None = None
    p_success: np.ndarray | None = None

    @property
    def given_law(self) -> np.ndarray:
        """Expected utility given each draw of the laws, of loss and of cost, noise integrated out: (draws, actions)."""
        cost = self.cost.mean(axis=1) if self.cost.ndim == 3 else self.cost
        return np.asarray(self._worth_given_law - cost)

    @property
    def given_loss(self) -> np.ndarray:
        """The same with costs as they are expected, shape (draws, actions): runs that tell of losses tell no costs."""
        return np.asarray(self._worth_given_law - self.expected_cost)

    @property
    def _worth_given_law(self) -> np.ndarray:
        return np.asarray(self.worth.mean(axis=1) if self.mean_worth is None else self.mean_worth)

    @property
    def expected_cost(self) -> np.ndarray:
        """Shape (actions,)."""
        return np.asarray(self.cost.reshape(-1, len(self.names)).mean(axis=0))

    @property
    def p_reached(self) -> np.ndarray:
        """Probability of success given each draw, shape (draws, actions)."""
        return np.asarray(self.reached.mean(axis=1) if self.p_success is None else self.p_success)

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
        return replace(self, worth=factor * self.worth, mean_worth=factor * self._worth_given_law)

    def regret(self, chosen: int) -> np.ndarray:
        """What knowing the law would have gained over the chosen action, shape (draws,), never negative."""
        utility = self.given_law
        return np.asarray(utility.max(axis=1) - utility[:, chosen])

    def perfect_information(self) -> float:
        """Expected value of knowing the law itself, before choosing, over choosing now by expected value.

        Noise of single runs is nothing that can be known beforehand, and stays.
        """
        return float(self.regret(int(self.given_law.mean(axis=0).argmax())).mean())


def stakes(decision: Decision, found: Outcomes, cost: np.ndarray) -> Stakes:
    """Return the utilities of a decision's actions.

    Parameters
    ----------
    decision : Decision
    found : Outcomes
    cost : ndarray, shape (actions,) or (draws, repeats, actions)
    """
    names = tuple(a.name for a in found.actions)
    nothing = np.zeros(found.measured.shape)
    start = Stakes(names, nothing, np.zeros(len(names)), nothing > 0)
    if decision.utility is None:
        return at_target(start, decision, found, float(decision.target_loss or 0.0))
    start = replace(start, cost=cost, attitude=decision.attitude, worst=decision.worst)
    if decision.utility.at_target is not None:
        return at_target(start, decision, found, float(decision.target_loss or 0.0))
    each = range(len(names))
    worth = np.stack(
        [decision.utility.worth(found.measured[:, :, i], None, float(found.baseline[i])) for i in each],
        axis=2,
    )
    mean = found.losses.expectation(*decision.utility.lines(found.baseline))
    start = replace(start, worth=worth, reached=worth >= cost, mean_worth=mean)
    return start if decision.target_loss is None else at_target(start, decision, found, decision.target_loss)


def at_target(now: Stakes, decision: Decision, found: Outcomes, target: float) -> Stakes:
    """Return the stakes with another target: success is to reach it, which may be what a loss is worth."""
    reached, p = found.measured <= target, found.losses.p_at_most(target)
    now = replace(now, reached=reached, p_success=p)
    if decision.utility is None or decision.utility.at_target is not None:
        most = 1.0 if decision.utility is None else decision.utility.at_target
        return replace(now, worth=most * reached.astype(float), mean_worth=most * p)
    return now


def monte_carlo_error(values: np.ndarray, chains: int) -> float:
    """Standard error of the mean of draws, chains one after the other, by their effective number."""
    from arviz_stats.base import array_stats

    if np.ptp(values) < 1e-12 * max(1.0, float(np.abs(values).max())):
        return 0.0
    by_chain = values.reshape(chains, -1)[None]
    ess = float(array_stats.ess(by_chain, chain_axis=1, draw_axis=2, method="mean")[0])
    return float(values.std() / np.sqrt(max(ess, 1.0)))
