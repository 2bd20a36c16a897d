"""What a plan has to respect besides a budget of FLOPs, as a small typed object and TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayescale.decide.errors import ConstraintError
from bayescale.decide.hardware import ADAM_BYTES, DEVICES, SERVING_BYTES, Device
from bayescale.models.spec import read_toml

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class Shape(BaseModel):
    """A model that could be built.

    Attributes
    ----------
    name : str
    params : float
        In the convention of the runs table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    params: Positive


class Price(BaseModel):
    """What things cost, in one currency.

    Attributes
    ----------
    flop, device_hour : float
        Of compute: one of the two, not both. Inference is paid for like training.
    token : float
        Of a distinct training token; repeating it is free.
    kwh : float
        Of energy: a device's rated power for every device-hour, times `pue`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    flop: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    device_hour: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    token: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    kwh: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class MeasuredCost(BaseModel):
    """What a plan costs in something that the runs table has measured, such as hours; see `bayescale.decide.cost`.

    Attributes
    ----------
    column : str
        A column of the runs table, in whatever unit it has.
    at_most : float, optional
        In that unit, for the median run; absent, the cost is told and limits nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str = Field(min_length=1)
    at_most: Positive | None = None


class Constraints(BaseModel):
    """What a plan has to respect; each alone or together with any others.

    Attributes
    ----------
    unique_tokens : float, optional
        Distinct training tokens there are. Repeated ones are worth less and less (Muennighoff et al. 2023).
    max_epochs : float, optional
        Passes over them at most.
    repetitions_worth : float, optional
        R_D*, after how many repetitions a token has lost 1 - 1/e of its worth, for a law that has no such parameter of
        its own. Absent: drawn from that law's prior, 2 to 60 (published: 15.4).
    lifetime_tokens : float, optional
        Tokens that the model will read and write in service: a forward pass each, a third of what training takes. They
        are paid from the same budget (Sardana et al. 2024).
    min_params, max_params : float, optional
    menu : tuple of float or Shape
        The only sizes there are.
    device : str or Device, optional
        A name of `DEVICES`, or its figures.
    devices : int
        How many.
    hours : float, optional
        Hours of training at most, on all of them.
    mfu : float, optional
        Share of the peak that training reaches.
    bytes_per_param, memory_share, sharded
        A model fits where its bytes are at most `memory_share` of the memory of all devices (of one where not
        sharded).
    serving_device : str or Device, optional
        One such device must hold the model, at `serving_bytes_per_param`.
    batch : "critical" or float, optional
        Batch size in tokens, or the critical batch of the loss that is reached (Kaplan et al. 2020, section 5.1). The
        runs are taken to have been trained far below theirs.
    max_steps : float, optional
        Optimiser steps at most; takes a batch size in tokens.
    money, kwh : float, optional
        Of training and service together at most.
    price : Price
    pue : float
        Energy that the building takes for every unit that the devices do.
    measured : MeasuredCost, optional
        A measured column whose cost is told, or limited, by a cost law.
    retriever : "self" or float, optional
        Params of what makes a datastore's keys, where the law takes a datastore: each of its tokens takes a forward
        pass, 2 FLOPs a param (Shao et al. 2024). "self": the model makes its own. Absent: by the runs' column
        ``datastore_flops``.
    max_datastore_tokens : float, optional
        Tokens of the corpus that a datastore is made of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unique_tokens: Positive | None = None
    max_epochs: Positive | None = None
    repetitions_worth: Positive | None = None
    lifetime_tokens: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    min_params: Positive | None = None
    max_params: Positive | None = None
    menu: tuple[Positive | Shape, ...] = ()
    device: str | Device | None = None
    devices: int = Field(default=1, ge=1)
    hours: Positive | None = None
    mfu: Share | None = None
    bytes_per_param: Positive = ADAM_BYTES
    memory_share: Share = 0.8
    sharded: bool = True
    serving_device: str | Device | None = None
    serving_bytes_per_param: Positive = SERVING_BYTES
    batch: Literal["critical"] | Positive | None = None
    max_steps: Positive | None = None
    money: Positive | None = None
    kwh: Positive | None = None
    price: Price = Price()
    pue: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    measured: MeasuredCost | None = None
    retriever: Literal["self"] | Positive | None = None
    max_datastore_tokens: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Constraints:
        for name in (self.device, self.serving_device):
            if isinstance(name, str) and name not in DEVICES:
                raise ValueError(
                    f"no device named {name!r}: there are {', '.join(DEVICES)}; or write peak_flops, memory_gb and kw"
                )
        timed = self.hours or self.kwh or self.price.device_hour or self.price.kwh
        if timed and (self.device is None or self.mfu is None):
            lacking = " and ".join(x for x in ("device", "mfu") if getattr(self, x) is None)
            raise ValueError(
                f"hours and energy follow from FLOPs by the device's peak and the share of it that training reaches: "
                f"give {lacking}"
            )
        if self.price.flop and self.price.device_hour:
            raise ValueError("compute is priced twice: give price.flop or price.device_hour")
        if self.money and not any(
            (self.price.flop, self.price.device_hour, self.price.token, self.price.kwh)
        ):
            raise ValueError(
                "money without prices: give price.flop or price.device_hour, and price.token where data cost"
            )
        if self.max_epochs and not self.unique_tokens:
            raise ValueError("max_epochs without unique_tokens: say how many distinct tokens there are")
        if self.max_steps and not isinstance(self.batch, float):
            raise ValueError("max_steps limits tokens through the batch size: give batch in tokens")
        if self.menu and (self.min_params or self.max_params):
            raise ValueError("a menu already says which sizes there are: leave min_params and max_params out")
        if self.min_params and self.max_params and self.min_params > self.max_params:
            raise ValueError(f"min_params ({self.min_params:g}) is above max_params ({self.max_params:g})")
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> Constraints:
        """Read a file of constraints.

        Raises
        ------
        ConstraintError
            No such file, not TOML, or mistakes in it; every mistake is named.
        """
        return read_toml(cls, Path(path), ConstraintError, "constraints")

    def updated(self, **given: object) -> Constraints:
        """The same with some replaced: what is None stays as it is.

        Raises
        ------
        ConstraintError
            They do not go together.
        """
        from pydantic import ValidationError

        from bayescale.models.spec import problems

        own = {name: getattr(self, name) for name in self.model_fields_set}
        try:
            return Constraints(**{**own, **{name: x for name, x in given.items() if x is not None}})
        except ValidationError as wrong:
            raise ConstraintError(problems(wrong)) from None

    @property
    def limits_compute(self) -> bool:
        """Whether something else than a budget of FLOPs keeps a plan finite."""
        capped = self.measured.at_most if self.measured else None
        return any(x is not None for x in (self.hours, self.money, self.kwh, capped))

    def of_device(self, which: Literal["device", "serving_device"] = "device") -> Device:
        """The device's figures."""
        named = getattr(self, which)
        if named is None:
            raise ConstraintError(f"give {which}")
        return DEVICES[named] if isinstance(named, str) else named

    @property
    def sizes(self) -> tuple[Shape, ...]:
        """The menu, smallest first, each with a name."""
        named = (s if isinstance(s, Shape) else Shape(name=f"{s:.4g}", params=s) for s in self.menu)
        return tuple(sorted(named, key=lambda s: s.params))

    @property
    def flops_per_device_hour(self) -> float:
        """FLOPs that one device does in an hour."""
        if self.mfu is None:
            raise ConstraintError("give mfu")
        return self.of_device().peak_flops * self.mfu * 3600

    @property
    def kwh_per_flop(self) -> float:
        """Energy of a FLOP, the building's share included."""
        return self.of_device().kw * self.pue / self.flops_per_device_hour

    @property
    def price_of_flop(self) -> float:
        """Money for a FLOP: compute and its energy."""
        total = self.price.flop
        if self.price.device_hour:
            total += self.price.device_hour / self.flops_per_device_hour
        if self.price.kwh:
            total += self.price.kwh * self.kwh_per_flop
        return total
