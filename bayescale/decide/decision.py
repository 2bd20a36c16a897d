"""The question, as a small typed object and TOML file: what could be done, what it costs, and what it has to reach."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayescale.decide.utility import Attitude, Costs, Utility
from bayescale.errors import UserError
from bayescale.models.spec import read_toml

Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Inputs = dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
Kind = Literal["run", "nothing", "first", "ensemble", "compress"]


class DecisionError(UserError):
    """A decision that cannot be taken as asked; the message says why and what to do."""


class Effect(BaseModel):
    """What a step beside training does to a run's loss, as a range that holds with probability `mass`.

    Exactly one of the two is given.

    Attributes
    ----------
    ratio : (low, high), optional
        The loss is multiplied by a factor in it: ``[0.96, 0.99]`` for an ensemble, ``[1.0, 1.02]`` for a compression
        that costs up to two per cent. Log-normal.
    nats : (low, high), optional
        So much is added to the loss; normal.
    mass : float
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    ratio: tuple[Size, Size] | None = None
    nats: tuple[float, float] | None = None
    mass: float = Field(default=0.9, gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> Effect:
        if (self.ratio is None) == (self.nats is None):
            raise ValueError("an effect is either ratio = [low, high] or nats = [low, high]")
        low, high = self.ratio or self.nats or (0.0, 0.0)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"the range of an effect is [low, high], low first: got [{low:g}, {high:g}]")
        return self


class Run(BaseModel):
    """A run by its size.

    Attributes
    ----------
    params, tokens : float
    groups : dict
        Labels of the grouping columns, such as ``{architecture = "llama"}``; a label left out is averaged over.
    inputs : dict
        What the law takes beside params and tokens, such as ``{unique_tokens = 1e10}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    params: Size
    tokens: Size
    groups: dict[str, str] = {}
    inputs: Inputs = {}


class Action(BaseModel):
    """Something that could be done.

    Attributes
    ----------
    name : str
    kind : str
        ``run``: train one model. ``nothing``: stay with what there is (the decision's `baseline_loss`). ``first``: make
        `runs`, then choose among `then` by what they measured. ``ensemble``: train `members` models of this size and
        average their predictions. ``compress``: train this size, then make it smaller.
    params, tokens, groups, inputs
        Of the run, of each member, or of the model before compression; see `Run`.
    members : int
        Of an ensemble.
    effect : Effect, optional
        Of averaging or compressing on the loss of a single model of this size; an ensemble needs none where the law
        itself takes the input ``ensemble``.
    runs : tuple of Run
        Of ``first``.
    then : tuple of str
        Actions that are open afterwards; all the others where absent.
    flops : float, optional
        Where counted otherwise than as k N D (times the members).
    cost : float, optional
        In the utility's unit; by the decision's `costs` where absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    kind: Kind = "run"
    params: Size | None = None
    tokens: Size | None = None
    groups: dict[str, str] = {}
    inputs: Inputs = {}
    members: int = Field(default=1, ge=1)
    effect: Effect | None = None
    runs: tuple[Run, ...] = ()
    then: tuple[str, ...] = ()
    flops: Size | None = None
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def trains(self) -> bool:
        """Whether a model of the action's own size comes out of it."""
        return self.kind in ("run", "ensemble", "compress")

    @property
    def run(self) -> Run:
        """The run behind it; an ensemble's size goes to a law that takes it."""
        assert self.params is not None and self.tokens is not None
        return Run(params=self.params, tokens=self.tokens, groups=self.groups, inputs=self.inputs)

    @model_validator(mode="after")
    def _complete(self) -> Action:
        if self.trains:
            missing = [name for name in ("params", "tokens") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"action {self.name!r} trains a model: give its {' and '.join(missing)}")
        elif self.params is not None or self.tokens is not None:
            raise ValueError(
                f"action {self.name!r} of kind {self.kind!r} trains no model of a size of its own"
            )
        if (self.kind == "first") != bool(self.runs):
            raise ValueError(
                f'action {self.name!r}: `runs` is what kind = "first" makes first, there and nowhere else'
            )
        if (self.kind == "ensemble") != (self.members > 1):
            raise ValueError(
                f'action {self.name!r}: an ensemble has two or more `members`, and kind = "ensemble"'
            )
        if self.kind == "compress" and self.effect is None:
            raise ValueError(
                f"action {self.name!r}: say what compressing does to the loss: effect = {{ ratio = [1.0, 1.02] }}"
            )
        if self.effect is not None and self.kind not in ("ensemble", "compress"):
            raise ValueError(f"action {self.name!r}: an effect is that of an ensemble or of compressing")
        return self


class Decision(BaseModel):
    """A question: go or no-go, or which of several things to do.

    Without a `utility` it is a go / no-go question about reaching a loss. With one, the action of the highest utility
    is chosen, costs taken off.

    Attributes
    ----------
    question : str
        In the asker's words; printed above the verdict.
    actions : tuple of Action
        What could be done, one of which may be chosen.
    target_loss : float, optional
        The loss, in the units of the runs table, that makes a run worth its cost.
    go, no_go : float
        Without a utility: go at this probability of reaching the target or above; no-go at that one or below; in
        between, learn first.
    min_gain : float
        Without a utility: a run whose expected loss is not at least this far below `baseline_loss` is not worth making.
    baseline_loss : float, optional
        What there is already; the lowest measured loss of the action's own groups where absent.
    first_share : float
        Runs that could be made first cost at most this share of the action's FLOPs; zero for none.
    utility : Utility, optional
    costs : Costs, optional
        Of runs that have no cost of their own.
    attitude : str
        ``expected value``; ``cvar``, the mean of the worst share `worst` of outcomes; ``reach target``, the probability
        of reaching the target, whatever it costs (the cheapest of equals).
    worst : float
    reach : float, optional
        Decades outside the fitted runs, along any axis, up to which forecasts are believed; where absent, three times
        as far as forecasts of known runs were checked (`bayescale.forecast.extrapolation.believed_decades`).
    new_groups : bool
        Allow labels that no run has: each is a new group of the same population. Without it such a label is an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str = "Is the bigger run worth it?"
    actions: tuple[Action, ...] = Field(min_length=1)
    target_loss: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    go: float = Field(default=0.8, gt=0, lt=1)
    no_go: float = Field(default=0.2, gt=0, lt=1)
    min_gain: float = Field(default=0.0, ge=0)
    baseline_loss: float | None = Field(default=None, gt=0)
    first_share: float = Field(default=0.1, ge=0, le=1)
    utility: Utility | None = None
    costs: Costs | None = None
    attitude: Attitude = "expected value"
    worst: float = Field(default=0.1, gt=0, lt=1)
    reach: float | None = Field(default=None, gt=0)
    new_groups: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Decision:
        if self.no_go >= self.go:
            raise ValueError(f"no_go ({self.no_go}) must be below go ({self.go})")
        names = [action.name for action in self.actions]
        if len(set(names)) < len(names):
            raise ValueError(f"two actions share a name in {names}")
        if not any(action.trains for action in self.actions):
            raise ValueError("no action trains a model; there is nothing to decide")
        for action in self.actions:
            unknown = sorted(set(action.then) - set(names) | set(action.then) & {action.name})
            firsts = {a.name for a in self.actions if a.kind == "first"}
            if unknown or set(action.then) & firsts:
                raise ValueError(
                    f'action {action.name!r}: `then` names other actions of the decision that are not "first" '
                    f"themselves; got {', '.join(unknown or sorted(set(action.then) & firsts))}"
                )
        needs = self.utility is None or self.utility.at_target is not None or self.attitude == "reach target"
        if needs and self.target_loss is None:
            raise ValueError(
                "target_loss: what loss has to be reached? Give it, or a utility without a target"
            )
        if self.utility is None:
            self._plain()
        else:
            self._priced(self.utility.unit)
        return self

    def _plain(self) -> None:
        special = [a.name for a in self.actions if a.kind in ("nothing", "first")]
        if special:
            raise ValueError(
                f"action {special[0]!r} of kind nothing or first needs a [utility] to be weighed against the others"
            )
        if self.costs is not None or self.attitude != "expected value":
            raise ValueError("costs and attitudes other than expected value need a [utility] with its unit")

    def _priced(self, unit: str) -> None:
        if self.costs is not None and self.costs.known:
            return
        free = [a.name for a in self.actions if a.kind != "nothing" and a.cost is None]
        if free:
            raise ValueError(
                f"costs are missing for {', '.join(map(repr, free))}: give each a cost in {unit}, or per_flop under "
                "[costs], or there a column that the runs measured it in (measured)"
            )

    @classmethod
    def from_toml(cls, path: str | Path) -> Decision:
        """Read a decision file.

        Raises
        ------
        DecisionError
            No such file, not TOML, or mistakes in it; every mistake is named.
        """
        return read_toml(cls, Path(path), DecisionError, "decision")
