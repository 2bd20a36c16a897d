"""Which runs to make, several chosen together: for a decision until nothing is worth its cost, or for knowledge.

Greedy with one step of look-ahead: single runs, and pairs (two seeds of one point among them), since one run may
change no decision where two would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from bayescale.decide.candidates import Candidates, candidate_flops, make_candidates, per_cell
from bayescale.decide.decision import Decision, DecisionError
from bayescale.decide.evsi import Value, evsi
from bayescale.decide.first_information import FirstKnowledge
from bayescale.decide.information import About, Knowledge, open_candidates, quantity, single
from bayescale.decide.local_information import LocalKnowledge, within
from bayescale.decide.measurements import Measurements, reach_of
from bayescale.decide.outcomes import Outcomes, outcomes, point_of, points_of
from bayescale.decide.spending import spending
from bayescale.decide.stakes import Stakes, stakes
from bayescale.numerals import count, scientific, significant
from bayescale.posterior import PosteriorData

AHEAD = 6
"""How many of the best single runs are tried in pairs."""

MOST = 8
"""Runs in a batch, where nobody says otherwise."""

LITTLE = 0.01
"""Nats of information below which another run teaches nothing to speak of."""

AnyKnowledge: TypeAlias = Knowledge | LocalKnowledge | FirstKnowledge

SURE = 2.0
"""Monte Carlo standard errors by which a value has to be above its cost."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Runs to make, and why no more.

    Attributes
    ----------
    runs : DataFrame
        Chosen runs in the order they were added, with ``flops``, ``cost`` and ``gain``, what each adds.
    candidates : DataFrame
        Every candidate by itself: ``flops``, ``cost``, ``gain``, ``gain_per_flop``; best first.
    gain, error : float
        What the batch is worth before its cost, with its Monte Carlo standard error: expected value of sample
        information in the utility's unit, or nats of information.
    cost : float
        Of the batch, in the unit; FLOPs where the gain is information.
    unit : str
    stopped : str
        Why there are no more runs in it.
    chosen : ndarray of int or None
        For a decision, the action that each draw would lead to after what the batch measured.
    """

    runs: pd.DataFrame
    candidates: pd.DataFrame
    gain: float
    error: float
    cost: float
    unit: str
    stopped: str
    chosen: np.ndarray | None = None

    @property
    def worth_it(self) -> bool:
        """Whether there is a batch, and its gain covers its cost and its Monte Carlo error."""
        if self.chosen is None:
            return len(self.runs) > 0
        return len(self.runs) > 0 and self.gain - self.cost > SURE * self.error

    @property
    def sentence(self) -> str:
        """The plan for people."""
        if not len(self.runs):
            return f"{self.stopped}."
        runs = ", ".join(
            f"{count(row['params'])} params on {count(row['tokens'])} tokens"
            for row in self.runs.to_dict("records")
        )
        if self.chosen is None:
            return (
                f"run {runs} ({scientific(float(self.runs['flops'].sum()))} FLOPs): expected to give "
                f"{significant(self.gain, 3)} nats of information; {self.stopped}."
            )
        verb = "run" if self.worth_it else "do not run"
        return (
            f"{verb} {runs}: what they would tell is worth {significant(self.gain, 3)} {self.unit} "
            f"(± {significant(self.error, 2)}), and they cost {significant(self.cost, 3)}; {self.stopped}."
        )

    def __str__(self) -> str:
        shown = self.runs if len(self.runs) else self.candidates.head(5)
        return f"{self.sentence}\n{shown.to_string(index=False, float_format='{:.4g}'.format)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sentence": self.sentence,
            "worth_it": self.worth_it,
            "gain": self.gain,
            "error": self.error,
            "cost": self.cost,
            "unit": self.unit,
            "stopped": self.stopped,
            "runs": self.runs.to_dict("records"),
            "candidates": self.candidates.to_dict("records"),
        }


def plan_for_decision(
    posterior: PosteriorData,
    decision: Decision,
    candidates: pd.DataFrame | None = None,
    budget: float | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Plan:
    """Runs whose expected value of sample information for this decision is above their cost.

    Parameters
    ----------
    posterior : PosteriorData
    decision : Decision
        With a utility and costs; its actions of kind ``first`` are set aside.
    candidates : DataFrame, optional
        Runs to choose from, a column ``cost`` among theirs where the decision's costs do not apply; generated where
        absent, in the groups of the action that would be chosen now among those that train.
    budget : float, optional
        FLOPs of all runs together; `first_share` of the dearest action's where absent.
    most : int
        Runs in the batch.
    seed : int

    Raises
    ------
    DecisionError
        The decision has no utility, candidates have no cost, or none is cheap enough.
    """
    if decision.utility is None:
        raise DecisionError(
            "what runs are worth to a decision is in the unit of its utility: give the decision a [utility] and [costs]"
        )
    found = outcomes(posterior, decision, seed)
    spent = spending(posterior, decision, seed)
    at_stake = stakes(decision, found, spent.of_all(found.actions))
    budget = default_budget(decision, found) if budget is None else budget
    target = point_of(found.actions[_leading(at_stake, found)].run)
    offered = make_candidates(posterior, target, budget, candidates, spent)
    measurements = Measurements(posterior, offered.runs, seed, reach_of(posterior, points_of(found.actions)))
    return _grow(measurements, offered, at_stake, np.log(found.expected), budget, most, decision.utility.unit)


def default_budget(decision: Decision, found: Outcomes) -> float:
    """FLOPs that runs made first may cost together."""
    return decision.first_share * float(found.flops.max())


def _leading(at_stake: Stakes, found: Outcomes) -> int:
    """The best action among those that train."""
    trained = [i for i, action in enumerate(found.actions) if action.trains]
    score = at_stake.score()
    return max(trained, key=lambda i: score[i])


def _grow(
    measurements: Measurements,
    offered: Candidates,
    at_stake: Stakes,
    log_loss: np.ndarray,
    budget: float,
    most: int,
    unit: str,
) -> Plan:
    utility, chains = at_stake.given_loss, chains_of(measurements.posterior)

    def value(batch: tuple[int, ...]) -> Value:
        return evsi(measurements, batch, utility, log_loss, chains)

    alone = np.array([value((i,)).smooth for i in range(len(offered.flops))])
    batch: tuple[int, ...] = ()
    have, gains = 0.0, list[float]()
    stopped = f"{most} runs are as many as were asked for"
    while len(batch) < most:
        room = budget * (1 + 1e-9) - offered.flops[list(batch)].sum()
        free = [i for i in open_candidates(batch, len(alone)) if offered.flops[i] <= room]
        if not free:
            stopped = "the budget is spent"
            break
        step = _step(value, batch, free, offered, room, have, alone if not batch else None)
        if step is None:
            stopped = "nothing else is worth its cost" if batch else "nothing is worth its cost"
            break
        for i in step:
            after = value((*batch, i)).smooth
            batch, gains, have = (*batch, i), [*gains, after - have], after
    final = value(batch)
    rows = offered.runs.iloc[list(batch)].assign(
        flops=offered.flops[list(batch)], cost=offered.cost[list(batch)], gain=gains
    )
    return Plan(
        rows.reset_index(drop=True),
        _ranked(offered, alone, alone - offered.cost),
        final.evsi,
        final.error,
        float(offered.cost[list(batch)].sum()),
        unit,
        stopped,
        final.chosen,
    )


def _step(
    value: Any,
    batch: tuple[int, ...],
    free: list[int],
    offered: Candidates,
    room: float,
    have: float,
    known: np.ndarray | None,
) -> tuple[int, ...] | None:
    """The run, or the pair, of the highest value above its cost; None where there is none."""
    single = {i: (known[i] if known is not None else value((*batch, i)).smooth - have) for i in free}
    net: dict[tuple[int, ...], float] = {(i,): gain - offered.cost[i] for i, gain in single.items()}
    ahead = sorted(free, key=lambda i: single[i] - offered.cost[i], reverse=True)[: AHEAD // 2]
    ahead += [i for i in sorted(free, key=lambda i: single[i], reverse=True) if i not in ahead][: AHEAD // 2]
    for i, j in combinations_with_replacement(ahead, 2):
        cost = offered.cost[i] + offered.cost[j]
        if offered.flops[i] + offered.flops[j] <= room and (
            i != j or j in open_candidates((*batch, i), j + 1)
        ):
            net[(i, j)] = value((*batch, i, j)).smooth - have - cost
    best = max(net, key=lambda step: net[step])
    return best if net[best] > 0 else None


def plan_for_knowledge(
    posterior: PosteriorData,
    about: About | Sequence[About],
    candidates: pd.DataFrame | None = None,
    budget: float | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Plan:
    """Runs that tell most about quantities together, within a budget of FLOPs.

    The better of two greedy batches, by information and by information per FLOP (Krause & Guestrin 2005): either alone
    can be arbitrarily bad under a budget, the better of the two cannot.

    Parameters
    ----------
    posterior : PosteriorData
        Or a prior, before there are any data (`bayescale.posterior.prior_posterior`).
    about : quantity or sequence of quantities
        See `bayescale.decide.information.quantity`.
    candidates : DataFrame, optional
        Made in every cell of the fit where absent, or in the run's own where a run is meant.
    budget : float, optional
        FLOPs of all runs together; a tenth of the run's that is meant, or what the dearest fitted run cost.
    most : int
    seed : int
    """
    wanted: list[About] = list(about) if isinstance(about, (list, tuple)) else [about]
    budget = _budget(posterior, about) if budget is None else budget
    if candidates is None and not isinstance(about, pd.DataFrame):
        candidates = per_cell(posterior, budget)
    target = about if isinstance(about, pd.DataFrame) else posterior.runs.head(1)
    offered = make_candidates(posterior, target, budget, candidates)
    knowledge = _knowledge(posterior, offered.runs, wanted, seed)
    alone = knowledge.each()
    tried = [_greedy(knowledge, offered, budget, most, per_flop) for per_flop in (False, True)]
    batch, stopped = max(tried, key=lambda one: knowledge.gain(one[0]))
    gains = [knowledge.gain(batch[: i + 1]) - knowledge.gain(batch[:i]) for i in range(len(batch))]
    rows = offered.runs.iloc[list(batch)].assign(
        flops=offered.flops[list(batch)], cost=offered.flops[list(batch)], gain=gains
    )
    return Plan(
        rows.reset_index(drop=True),
        _ranked(offered, alone, alone / offered.flops),
        knowledge.gain(batch),
        0.0,
        float(offered.flops[list(batch)].sum()),
        "nats",
        stopped,
    )


def _knowledge(posterior: PosteriorData, runs: pd.DataFrame, wanted: list[About], seed: int) -> AnyKnowledge:
    """By the law linearised at draws where that can be, of the prior or for losses; else by their covariance."""
    if posterior.provenance.get("prior"):
        return FirstKnowledge(posterior, runs, wanted, seed)
    targets = [single(one) for one in wanted if isinstance(one, pd.DataFrame)]
    together = pd.concat(targets, ignore_index=True) if targets else None
    reach = {} if together is None else reach_of(posterior, together)
    measurements = Measurements(posterior, runs, seed, reach)
    losses = together is not None and len(targets) == len(wanted)
    if losses and within(posterior, runs) and within(posterior, together):
        return LocalKnowledge(measurements, together)
    return Knowledge(measurements, np.stack([quantity(posterior, one) for one in wanted], axis=1))


def _budget(posterior: PosteriorData, about: Any) -> float:
    if isinstance(about, pd.DataFrame) and {"params", "tokens"} <= set(about):
        return 0.1 * float(candidate_flops(posterior, about)[0])
    return posterior.dearest


def _greedy(
    knowledge: AnyKnowledge, offered: Candidates, budget: float, most: int, per_flop: bool
) -> tuple[tuple[int, ...], str]:
    batch: tuple[int, ...] = ()
    while len(batch) < most:
        room = budget * (1 + 1e-9) - offered.flops[list(batch)].sum()
        free = [i for i in open_candidates(batch, len(offered.flops)) if offered.flops[i] <= room]
        if not free:
            return batch, "the budget is spent"
        gain = knowledge.each(batch)
        if max(gain[i] for i in free) < LITTLE:
            return batch, "no other run teaches anything to speak of"
        batch = (*batch, max(free, key=lambda i: gain[i] / (offered.flops[i] if per_flop else 1.0)))
    return batch, f"{most} runs are as many as were asked for"


def _ranked(offered: Candidates, alone: np.ndarray, by: np.ndarray) -> pd.DataFrame:
    out = offered.runs.assign(
        flops=offered.flops, cost=offered.cost, gain=alone, gain_per_flop=alone / offered.flops
    )
    return out.iloc[np.argsort(-by, kind="stable")].reset_index(drop=True)


def chains_of(posterior: PosteriorData) -> int:
    """Number of chains that the draws come from."""
    return int(posterior.tree["unconstrained_posterior"]["z"].shape[0])
