"""The question, as a small typed object and TOML file: what could be run, and what it has to reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayescale.errors import UserError
from bayescale.models.spec import read_toml


class DecisionError(UserError):
    """A decision that cannot be taken as asked; the message says why and what to do."""


class Action(BaseModel):
    """A run that could be made.

    Attributes
    ----------
    name : str
    params, tokens : float
        Its size, and the tokens it would be trained on.
    groups : dict
        Labels of the grouping columns, such as ``{architecture = "llama"}``; a label left out is averaged over.
    inputs : dict
        What the law takes beside params and tokens, such as ``{unique_tokens = 1e10}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    params: float = Field(gt=0, allow_inf_nan=False)
    tokens: float = Field(gt=0, allow_inf_nan=False)
    groups: dict[str, str] = {}
    inputs: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}


class Decision(BaseModel):
    """A go / no-go question.

    Attributes
    ----------
    question : str
        In the asker's words; printed above the verdict.
    actions : tuple of Action
        Runs that could be made, one of which may be chosen.
    target_loss : float
        The loss, in the units of the runs table, that makes the run worth its cost.
    go, no_go : float
        Go at this probability of reaching the target or above; no-go at that one or below; in between, learn first.
    min_gain : float
        A run whose expected loss is not at least this far below `baseline_loss` is not worth making.
    baseline_loss : float, optional
        What there is already; the lowest measured loss of the action's own groups where absent.
    first_share : float
        Runs that could be made first cost at most this share of the action's FLOPs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str = "Is the bigger run worth it?"
    actions: tuple[Action, ...] = Field(min_length=1)
    target_loss: float = Field(gt=0, allow_inf_nan=False)
    go: float = Field(default=0.8, gt=0, lt=1)
    no_go: float = Field(default=0.2, gt=0, lt=1)
    min_gain: float = Field(default=0.0, ge=0)
    baseline_loss: float | None = Field(default=None, gt=0)
    first_share: float = Field(default=0.1, gt=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Decision:
        if self.no_go >= self.go:
            raise ValueError(f"no_go ({self.no_go}) must be below go ({self.go})")
        names = [action.name for action in self.actions]
        if len(set(names)) < len(names):
            raise ValueError(f"two actions share a name in {names}")
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> Decision:
        """Read a decision file.

        Raises
        ------
        DecisionError
            No such file, not TOML, or mistakes in it; every mistake is named.
        """
        return read_toml(cls, Path(path), DecisionError, "decision")
