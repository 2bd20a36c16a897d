"""A datastore to read from as a third thing to buy beside params and tokens: C = k N D + r S (Shao et al. 2024).

At a size, a budget leaves so many tokens to train on. A share of what these would take goes into the datastore
instead: r FLOPs for each of its tokens, a forward pass of the retriever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from bayescale.decide.constraints import Constraints
from bayescale.decide.errors import AllocationError, ConstraintError
from bayescale.decide.golden import narrowed
from bayescale.flops import FlopRule
from bayescale.laws import Law
from bayescale.numerals import count, significant
from bayescale.posterior import PosteriorData

INPUT = "datastore_tokens"
COST = "datastore_flops"
"""A column of what making the datastore took."""

FORWARD = 1 / 3
"""Of what a token takes in training, a forward pass over it takes."""
RETRIEVER = 2.0
"""FLOPs of a retriever's forward pass, a param and token (Shao et al. 2024)."""

SMALLEST, LARGEST = 1e-9, 1 - 1e-6
"""Shares of a budget that the datastore may take: where none is allowed, it is tried too."""
COARSE, STEPS = 14, 20
"""Shares on the first grid, equal steps in their logarithm, and golden sections between the best one's neighbours: to
a relative 2e-4, at which the loss is flat."""


class Split(NamedTuple):
    """What is trained on, what is read from, and the loss; all of one shape."""

    tokens: np.ndarray
    datastore: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Datastore:
    """What a datastore costs, and how large it may be.

    Attributes
    ----------
    per_token : float
        FLOPs for each of its tokens, whatever the model.
    per_param_token : float
        The same for each param of the model, where that makes its own keys.
    at_most : float
        Tokens that there are.
    origin : str
        Where the cost comes from.
    """

    per_token: float
    per_param_token: float
    at_most: float = np.inf
    origin: str = ""

    def flops_per_token(self, params: Any) -> np.ndarray:
        """r at a size."""
        return np.asarray(self.per_token + self.per_param_token * np.asarray(params, dtype=float))

    def split(
        self,
        loss: Callable[[np.ndarray, np.ndarray], np.ndarray],
        params: np.ndarray,
        tokens: np.ndarray,
        rule: FlopRule,
        may_be_none: bool,
    ) -> Split:
        """The best split of a budget that would train on so many tokens without a datastore.

        Parameters
        ----------
        loss : callable
            ``(tokens, datastore) -> loss``.
        params, tokens : ndarray
            Of one shape.
        rule : FlopRule
            What training costs.
        may_be_none : bool
            Whether the law knows models without a datastore.
        """
        budget = np.asarray(rule.flops(params, tokens))
        price = self.flops_per_token(params)
        highest = np.log(np.clip(price * self.at_most / np.maximum(budget, 1e-300), SMALLEST, LARGEST))

        def at(log_share: np.ndarray) -> Split:
            share = np.exp(log_share)
            trained, store = (1 - share) * tokens, share * budget / price
            return Split(trained, store, loss(trained, store))

        def better(one: Split, other: Split) -> Split:
            wins = other.loss < one.loss
            return Split(*(np.where(wins, b, a) for a, b in zip(one, other, strict=True)))

        step = (highest - np.log(SMALLEST)) / (COARSE - 1)
        place, best = highest, at(highest)
        for i in range(1, COARSE):
            here = at(highest - i * step)
            place = np.where(here.loss < best.loss, highest - i * step, place)
            best = better(best, here)
        low, high = np.maximum(place - step, np.log(SMALLEST)), np.minimum(place + step, highest)
        best = better(best, at(narrowed(lambda x: at(x).loss, low, high, STEPS)))
        if may_be_none:
            none = np.zeros_like(best.tokens)
            best = better(best, Split(tokens + none, none, loss(tokens + none, none)))
        return best

    def __str__(self) -> str:
        return (
            f"flops are those of training and of the datastore: {self.price} for each of its tokens ({self.origin}); "
            "looking things up in service is not counted"
        )

    @property
    def price(self) -> str:
        """r in words."""
        if self.per_param_token:
            return f"{significant(self.per_param_token, 3)} FLOPs a param"
        return f"{significant(self.per_token, 3)} FLOPs"


def is_free(law: Law, given: Any) -> bool:
    """Whether the law takes a datastore and nothing says how large it is."""
    return INPUT in law.inputs and INPUT not in given


def datastore_of(posterior: PosteriorData, constraints: Constraints) -> Datastore:
    """What a datastore costs, by the constraints or else by the runs.

    Raises
    ------
    AllocationError
        Neither says.
    ConstraintError
        Together with a constraint that is about tokens alone.
    """
    for name, there in (
        ("unique_tokens", constraints.unique_tokens),
        ("batch", constraints.batch),
        ("a measured cost", constraints.measured),
        ("a price of tokens", constraints.price.token or None),
    ):
        if there is not None:
            raise ConstraintError(
                f"{name} goes with a datastore of a size that is given: fix it with --at {INPUT}=VALUE, or leave "
                f"{name} out"
            )
    most = constraints.max_datastore_tokens or np.inf
    retriever = constraints.retriever
    if retriever == "self":
        return Datastore(
            0.0, FORWARD * posterior.flops_per_param_token, most, "a forward pass of the model itself"
        )
    if retriever is not None:
        return Datastore(RETRIEVER * retriever, 0.0, most, f"a retriever of {count(retriever)} params")
    learned = _measured(posterior.runs)
    if learned is None:
        raise AllocationError(
            f"the law {posterior.model.law} splits a budget among params, tokens and a datastore, and the runs have no "
            f"column {COST}: say what making one takes, --retriever PARAMS (Contriever has 1.77e8) or --retriever self "
            f"where the model makes its own keys; or fix its size with --at {INPUT}=VALUE"
        )
    which, price = learned
    keys = "each model makes its own keys" if which == "self" else "one retriever serves all"
    origin = f"by the column {COST} of the runs, where {keys}"
    return Datastore(*((0.0, price) if which == "self" else (price, 0.0)), most, origin)


def _measured(runs: pd.DataFrame) -> tuple[Literal["self", "fixed"], float] | None:
    """What a datastore token took in the runs, and whether that grows with the model; None where no run tells."""
    if not {COST, INPUT, "params"} <= set(runs.columns):
        return None
    cost, store, params = (
        pd.to_numeric(runs[c], errors="coerce").to_numpy(float) for c in (COST, INPUT, "params")
    )
    known = np.isfinite(cost) & (cost > 0) & (store > 0)
    if not known.any():
        return None
    each = np.log(cost[known] / store[known])
    by_param = each - np.log(params[known])
    if by_param.std() < each.std():
        return "self", float(np.exp(by_param.mean()))
    return "fixed", float(np.exp(each.mean()))


def check_fixed(law: Law, given: Any, constraints: Constraints) -> None:
    """A ConstraintError where what is said about a datastore means nothing, or is more than there is."""
    about = [name for name in ("retriever", "max_datastore_tokens") if getattr(constraints, name) is not None]
    if about and INPUT not in law.inputs:
        raise ConstraintError(
            f"{about[0]} is about a datastore, which the law {law.name} does not take: fit datastore-log or "
            f"datastore-power to runs with a column {INPUT}"
        )
    if INPUT not in given:
        return
    if constraints.retriever is not None:
        raise ConstraintError(
            f"retriever prices a datastore that the budget buys, and {INPUT} says that it is there: give one"
        )
    largest, most = float(np.max(given[INPUT])), constraints.max_datastore_tokens
    if most is not None and largest > most:
        raise ConstraintError(
            f"a datastore of {largest:.3g} tokens is larger than the corpus, max_datastore_tokens = {most:.3g}: ask "
            "for less, or raise that"
        )
