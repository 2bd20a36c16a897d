"""One allocation problem: a group's law, draw by draw, within limits; and the search for its best plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from bayescale.decide.critical_batch import loss_at_batch
from bayescale.decide.datastore import INPUT, Datastore, Split
from bayescale.decide.errors import AllocationError
from bayescale.decide.limits import Limits
from bayescale.decide.optimum import STRAY, optimum
from bayescale.decide.repetition import worth_of
from bayescale.decide.search import best_sizes
from bayescale.forecast.discrepancy import Discrepancy
from bayescale.laws import Law

NODES = 181
"""Sizes on the first grid, equal steps in log params: where every draw's search starts."""

FINER, ROUNDS = 17, 6
"""Each round looks at so many sizes between a draw's best one's neighbours: six leave a relative 1e-6 of the first
step."""

BETWEEN = 1e-4
"""Share of the loss by which the lower of two minima may be missed: a loss bends by some hundredths over an e-fold of
size, and a step of the grid is a twentieth of one."""

RULE = 20.0
"""Tokens per param of the rule of thumb (Hoffmann et al. 2022, table 3), the baseline that a plan has to beat."""


class Best(NamedTuple):
    """Sizes, tokens, expected loss and the datastore where one is bought, draw by draw, each of shape (draws,)."""

    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    datastore: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A group at a budget.

    Attributes
    ----------
    law : Law
    values : dict of ndarray, shape (draws,)
    fixed : dict
        The law's inputs beside params and tokens.
    limits : Limits
    discrepancy : Discrepancy, optional
        How far the expected loss is off the law's, wherever a run lies.
    unique_tokens : float, optional
        Distinct tokens, where the law itself takes none.
    worth : ndarray, shape (draws,), optional
        What repeating them is worth.
    batch : "critical" or float, optional
    datastore : Datastore, optional
        Where the budget buys one too: then the tokens that limits leave are those there would be without it, and
        every loss is that of the best split.
    """

    law: Law
    values: Mapping[str, np.ndarray]
    fixed: Mapping[str, Any]
    limits: Limits
    discrepancy: Discrepancy | None = None
    unique_tokens: float | None = None
    worth: Any = None
    batch: Literal["critical"] | float | None = None
    datastore: Datastore | None = None

    def loss(self, params: Any, tokens: Any) -> np.ndarray:
        """Expected loss at sizes of shape (draws,), or (draws, sizes)."""
        return self.loss_and_batch(params, tokens)[0]

    def loss_and_batch(self, params: Any, tokens: Any) -> tuple[np.ndarray, Any]:
        """The same with the batch size in tokens; None where no batch is asked for."""
        if self.datastore is not None:
            return self.split(params, tokens).loss, None
        wide = np.ndim(params) > 1
        values = {name: np.asarray(x)[:, None] if wide else x for name, x in self.values.items()}
        worth = np.asarray(self.worth)[:, None] if wide and np.ndim(self.worth) else self.worth

        def of_fresh(tokens: Any) -> Any:
            off = self._discrepancy(params, tokens)
            if self.unique_tokens is not None:
                tokens = worth_of(tokens, self.unique_tokens, worth)
            return off * np.asarray(self.law.loss(values, {**self.fixed, "params": params, "tokens": tokens}))

        loss, batch = loss_at_batch(of_fresh, tokens, self.batch)
        return np.asarray(loss), batch

    def _discrepancy(self, params: Any, tokens: Any) -> Any:
        """Factor by which the expected loss is off the law's, broadcastable against sizes."""
        if self.discrepancy is None:
            return 1.0
        run = {**self.fixed, "params": params, "tokens": tokens}
        off = np.exp(self.discrepancy.log_factor(run | {"flops": self.limits.rule.flops(params, tokens)}))
        return off if np.ndim(params) > 1 else off[:, 0]

    def loss_beside(self, params: Any, tokens: Any, datastore: Any) -> np.ndarray:
        """Expected loss with a datastore, at sizes of shape (draws,), or (draws, sizes)."""
        return replace(self, datastore=None, fixed={**self.fixed, INPUT: datastore}).loss(params, tokens)

    def split(self, params: np.ndarray, tokens: np.ndarray) -> Split:
        """The best split, draw by draw, of the tokens left at sizes of shape (draws,) or (draws, sizes)."""
        params, tokens = np.broadcast_arrays(params, tokens)
        return self._split(lambda trained, store: self.loss_beside(params, trained, store), params, tokens)

    def split_for_all(self, params: np.ndarray) -> Split:
        """One split for all draws, of least expected loss, for sizes of shape (sizes,)."""

        def expected(trained: np.ndarray, store: np.ndarray) -> np.ndarray:
            every = (np.broadcast_to(x, (self.draws, len(params))) for x in (params, trained, store))
            return np.asarray(self.loss_beside(*every).mean(axis=0))

        return self._split(expected, params, self.limits.tokens(params))

    def _split(
        self, loss: Callable[[np.ndarray, np.ndarray], np.ndarray], params: np.ndarray, tokens: np.ndarray
    ) -> Split:
        if self.datastore is None:
            raise AllocationError("no datastore is bought here: there is nothing to split")
        return self.datastore.split(loss, params, tokens, self.limits.rule, INPUT in self.law.may_be_zero)

    @cached_property
    def draws(self) -> int:
        return len(next(iter(self.values.values())))

    @cached_property
    def nodes(self) -> np.ndarray:
        """Sizes to look at, shape (sizes,)."""
        if len(self.limits.menu):
            return self.limits.menu
        return np.geomspace(self.limits.low, self.limits.high, NODES)

    @cached_property
    def profile(self) -> np.ndarray:
        """Expected loss at every node with as many tokens as the limits allow, shape (draws, sizes)."""
        return self._at(np.broadcast_to(self.nodes, (self.draws, len(self.nodes))))

    def _at(self, params: np.ndarray) -> np.ndarray:
        tokens = self.limits.tokens(params)
        # Where a limit leaves no tokens at all, no law has a loss.
        loss = self.loss(params, np.maximum(tokens, 1e-6))
        return np.where((tokens > 0) & np.isfinite(loss), loss, np.inf)

    @cached_property
    def best(self) -> Best:
        """The best plan of every draw.

        Raises
        ------
        AllocationError
            The loss falls to the edge of all sizes, more tokens make it worse, or the plan is beaten by the rule of
            thumb or by an end of the allowed sizes: then the search has failed.
        """
        if self.in_closed_form:
            found = optimum(self.law, self.values, self.limits.flops, self.limits.rule, self.fixed)
            # Draws that put it beyond all sizes that anyone has measured stay at their edge, as in a search.
            params = np.clip(np.broadcast_to(found[0], (self.draws,)), self.limits.low, self.limits.high)
            tokens = self.limits.tokens(params)
            plan = Best(params, tokens, self.loss(params, tokens))
            self.check(plan)
            return plan
        if self.unlimited:
            ends = (np.log(self.limits.low), np.log(self.limits.high))
            middle = np.log(
                optimum(self.law, self.values, self.limits.flops, self.limits.rule, self.fixed)[0]
            )
            kinks = () if self.discrepancy is None else self.discrepancy.kinks
            middle = np.broadcast_to(middle, (self.draws,))
            params = np.exp(best_sizes(lambda x: self._at(np.exp(x)), middle, *ends, kinks))
            tokens = self.limits.tokens(params)
            plan = Best(params, tokens, self.loss(params, tokens))
            self.check(plan)
            return plan
        nodes, profile = self.nodes, self.profile
        best = np.argmin(profile, axis=1)
        if not np.isfinite(profile.min(axis=1)).all():
            raise AllocationError(f"the law {self.law.name} has no finite loss at any size within the limits")
        if len(self.limits.menu):
            params = nodes[best]
        else:
            self._not_at_the_edge(best)
            params = self._refined(best)
        tokens = self.limits.tokens(params)
        if self.datastore is None:
            plan = Best(params, tokens, self.loss(params, tokens))
        else:
            bought = self.split(params, tokens)
            plan = Best(params, bought.tokens, bought.loss, bought.datastore)
        self.check(plan)
        return plan

    @property
    def in_closed_form(self) -> bool:
        """Whether nothing but a budget of FLOPs limits an exact law, and it has an optimum in closed form."""
        closed = self.law.optimum is not None and not self.limits.rule.moves
        return self.unlimited and closed and self.discrepancy is None

    @property
    def unlimited(self) -> bool:
        """Whether nothing but a budget of FLOPs limits it."""
        limits = self.limits
        return (
            limits.flops is not None
            and not len(limits.menu)
            and not (limits.explicit_low or limits.explicit_high)
            and self.unique_tokens is None
            and self.batch is None
            and self.datastore is None
        )

    def check(self, plan: Best) -> None:
        """An AllocationError unless the plan beats the rule of thumb, both ends of the sizes, and half the tokens."""
        # With a discrepancy a draw may have two minima, of which a grid of sizes tells the lower one only so well.
        tolerance = (1e-9 if self.discrepancy is None else BETWEEN) * np.abs(plan.loss) + 1e-12
        for what, params in (
            (f"{RULE:g} tokens per parameter", self.rule_of_thumb()),
            ("the smallest size allowed", float(self.nodes[0])),
            ("the largest size allowed", float(self.nodes[-1])),
        ):
            size = np.full(self.draws, params)
            if (self._at(size[:, None])[:, 0] < plan.loss - tolerance).any():
                raise AllocationError(
                    f"the plan found for the law {self.law.name} is beaten by {what}: do not trust its optimum here"
                )
        # By the law: a drift may well rise with compute in some draws, and none of them is a reason to stop early.
        law, tokens = replace(self, discrepancy=None), self.limits.tokens(plan.params)
        whole, half = (law.loss(plan.params, share * tokens) for share in (1.0, 0.5))
        if (half < whole - 1e-9 * np.abs(whole) - 1e-12).any():
            raise AllocationError(
                f"the law {self.law.name} says that half the tokens would be better here: limit them by max_epochs"
            )

    def rule_of_thumb(self) -> float:
        """The size with `RULE` tokens per param, or the nearest that is allowed."""
        if len(self.limits.menu):
            distance = np.abs(np.log(self.limits.tokens(self.nodes) / self.nodes / RULE))
            return float(self.nodes[int(np.argmin(distance))])
        low, high = np.log(self.limits.low), np.log(self.limits.high)
        for _ in range(60):
            middle = (low + high) / 2
            size = np.exp(middle)
            low, high = (middle, high) if float(self.limits.tokens(size)) > RULE * size else (low, middle)
        return float(np.exp(low))

    def _not_at_the_edge(self, best: np.ndarray) -> None:
        ends = [end for end, whose in ((0, self.limits.explicit_low), (len(self.nodes) - 1, self.limits.explicit_high))
                if not whose]  # fmt: skip
        # A law with its optimum in closed form has one in every draw: those beyond the edge stay there.
        if self.law.optimum is None and np.isin(best, ends).mean() > STRAY:
            raise AllocationError(
                f"the law {self.law.name} has no compute-optimal size here: its loss falls to the edge of all sizes. "
                "Limit them, by a menu, min_params or max_params"
            )

    def _refined(self, best: np.ndarray) -> np.ndarray:
        grid = np.log(self.nodes)
        low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]
        middle, at = grid[best], np.arange(self.draws)
        lowest = self.profile[at, best]
        for _ in range(ROUNDS):
            finer = np.linspace(low, high, FINER, axis=1)
            loss = self._at(np.exp(finer))
            i = np.argmin(loss, axis=1)
            better = loss[at, i] <= lowest
            middle, lowest = np.where(better, finer[at, i], middle), np.where(better, loss[at, i], lowest)
            low, high = (
                np.clip(middle + way * (high - low) / (FINER - 1), grid[0], grid[-1]) for way in (-1, 1)
            )
        return np.asarray(np.exp(middle))
