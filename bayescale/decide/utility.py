"""What a loss is worth, in the asker's own unit, and what runs cost in it.

Worth is bounded: a run that turns out worse than what there is already is not used, and a piecewise-linear worth is
constant beyond its ends. With heavy-tailed noise an unbounded worth has no expectation.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

Attitude = Literal["expected value", "cvar", "reach target"]
"""Expected value; the mean of the worst share of outcomes; the probability of reaching the target."""

Money = Annotated[float, Field(allow_inf_nan=False)]


class Utility(BaseModel):
    """What reaching a loss is worth.

    Exactly one of `at_target`, `per_nat` and `points` says it.

    Attributes
    ----------
    unit : str
        Of worth and cost alike: ``USD``, ``GPU-hours``, ``accuracy points``.
    at_target : float, optional
        Worth of reaching the decision's `target_loss`, nothing where it is missed.
    per_nat : float, optional
        Worth of each unit of loss below what there is already (the decision's `baseline_loss`); nothing above.
    points : tuple of (loss, worth), optional
        Straight lines between them, constant beyond the ends. A step is two points at almost the same loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unit: str = Field(min_length=1)
    at_target: Money | None = None
    per_nat: Money | None = None
    points: tuple[tuple[Money, Money], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_unit(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.get("unit"):
            raise ValueError('a utility needs the unit that worth and costs are in: unit = "USD"')
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Utility:
        said = [n for n in ("at_target", "per_nat", "points") if getattr(self, n) is not None]
        if len(said) != 1:
            raise ValueError(
                "say what a loss is worth by one of at_target, per_nat and points: "
                + (f"got {' and '.join(said)}" if said else "none is there")
            )
        for name in ("at_target", "per_nat"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive: got {value:g}")
        if self.points is not None:
            losses = [loss for loss, _ in self.points]
            if len(losses) < 2 or sorted(set(losses)) != sorted(losses) or min(losses) <= 0:
                raise ValueError(
                    "points are two or more pairs [loss, worth] at different, positive losses: "
                    f"got {[list(p) for p in self.points]}"
                )
        return self

    def worth(self, loss: np.ndarray, target: float | None, baseline: float | None) -> np.ndarray:
        """Worth of losses, in the unit, of their shape."""
        loss = np.asarray(loss, float)
        if self.at_target is not None:
            assert target is not None
            return np.asarray(self.at_target * (loss <= target))
        if self.per_nat is not None:
            assert baseline is not None
            return np.asarray(self.per_nat * np.maximum(0.0, baseline - loss))
        at, worth = np.array(sorted(self.points or ())).T
        return np.interp(loss, at, worth)

    def lines(self, baseline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points between which worth is a straight line, constant beyond the ends.

        Parameters
        ----------
        baseline : ndarray, shape (actions,)

        Returns
        -------
        ndarray, ndarray
            Losses in increasing order and worth there, shape (points, actions) or (points, 1).

        Raises
        ------
        ValueError
            The worth is a step at a target.
        """
        if self.at_target is not None:
            raise ValueError("a worth at a target is a step and has no lines")
        if self.per_nat is not None:
            nothing = np.zeros_like(baseline)
            return np.stack([nothing, baseline]), np.stack([self.per_nat * baseline, nothing])
        at, worth = np.array(sorted(self.points or ())).T
        return at[:, None], worth[:, None]

    @property
    def best(self) -> float | None:
        """The most that a loss can be worth; None where there is no end to it."""
        if self.at_target is not None:
            return self.at_target
        return max(worth for _, worth in self.points) if self.points else None


class Costs(BaseModel):
    """What runs cost that say nothing of their own, in the utility's unit.

    Attributes
    ----------
    per_flop, per_token : float
        A counted FLOP, and a token of data.
    per_run : float
        What every run costs beside that.
    measured : str, optional
        In place of `per_flop`: a column of the runs table that says what runs cost, in any unit, such as device-hours.
        A cost law is fitted to it (`bayescale.decide.cost`), and is as uncertain as it is.
    per_unit : float
        What a unit of that column costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    per_flop: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    per_token: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    per_run: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    measured: str | None = Field(default=None, min_length=1)
    per_unit: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _once(self) -> Costs:
        if self.measured is not None and self.per_flop:
            raise ValueError("compute is priced twice: give per_flop, or a measured column with per_unit")
        if self.measured is None and "per_unit" in self.model_fields_set:
            raise ValueError('per_unit prices a measured column: say which, measured = "wall_s"')
        return self

    @property
    def known(self) -> bool:
        """Whether they say anything of what a run costs."""
        return bool(self.per_flop or self.per_token or self.per_run or self.measured)

    def of(self, flops: Any, tokens: Any) -> Any:
        """Cost of runs of so many FLOPs on so many tokens by these prices, a measured column left out."""
        return self.per_run + self.per_flop * flops + self.per_token * tokens


def cvar(values: np.ndarray, share: float, weights: np.ndarray | None = None) -> float:
    """Mean of the worst (lowest) share of values; weights sum to one."""
    order = np.argsort(values, kind="stable")
    w = np.full(len(values), 1 / len(values)) if weights is None else weights[order]
    before = np.cumsum(w) - w
    used = np.clip(share - before, 0.0, w)
    return float((used * values[order]).sum() / used.sum())
