"""What a law is: a frozen description that everything else is computed from."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal, Protocol

Support = Literal["positive", "real", "unit"]
Values = Mapping[str, Any]
"""Parameter or input name to array; arrays broadcast against each other."""
NOTHING: Values = MappingProxyType({})
NOISE = frozenset({"sigma", "nu", "sigma_decade", "sigma_run"})
"""Names of the noise's parameters, which posteriors have beside the law's (`bayescale.models.noise`)."""


class Optimum(Protocol):
    """Compute-optimal params and tokens under C = k N D, in closed form.

    `fixed` holds the law's inputs other than params and tokens, such as granularity: what the budget does not choose.
    """

    def __call__(
        self, values: Values, flops: Any, flops_per_param_token: Any = 6.0, fixed: Values = NOTHING
    ) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class Range:
    """A prior as a range that a person can argue with.

    The prior is normal on the parameter's link scale (log for positive parameters, logit for those in
    (0, 1), the identity for real ones) and puts `mass` between `low` and `high`, half of the rest on either side.
    """

    low: float
    high: float
    mass: float = 0.9

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"a prior range needs two finite ends, low < high: got [{self.low}, {self.high}]"
            )
        if not 0 < self.mass < 1:
            raise ValueError(f"the mass of a prior range lies between 0 and 1: got {self.mass}")

    @classmethod
    def of(cls, value: Any) -> Range:
        """A range from how people write one: a `Range`, a pair, or ``{"range": [low, high], "mass": 0.9}``.

        Raises
        ------
        ValueError
            Anything else; the message says how a prior is written.
        """
        if isinstance(value, Range):
            return value
        mass = 0.9
        if isinstance(value, Mapping):
            if not {"range"} <= set(value) <= {"range", "mass"}:
                raise ValueError(
                    f"a prior is written {{ range = [low, high], mass = 0.9 }}: got {dict(value)!r}"
                )
            value, mass = value["range"], value.get("mass", mass)
        numbers = value if isinstance(value, (list, tuple)) else ()
        if len(numbers) != 2 or not all(
            isinstance(x, (int, float)) and not isinstance(x, bool) for x in (*numbers, mass)
        ):
            raise ValueError(f"the range of a prior is two numbers, [low, high]: got {value!r}")
        return cls(float(numbers[0]), float(numbers[1]), float(mass))

    def normal(self, support: Support) -> tuple[float, float]:
        """Mean and standard deviation on the link scale."""
        low, high = (_link(x, support) for x in (self.low, self.high))
        return (low + high) / 2, (high - low) / (2 * NormalDist().inv_cdf((1 + self.mass) / 2))

    def interval(self, support: Support, mass: float) -> tuple[float, float]:
        """The central interval of another mass, in natural units."""
        mean, sd = self.normal(support)
        reach = sd * NormalDist().inv_cdf((1 + mass) / 2)
        return _unlink(mean - reach, support), _unlink(mean + reach, support)


def _link(x: float, support: Support) -> float:
    if support == "real":
        return x
    if support == "positive":
        if x <= 0:
            raise ValueError(f"the prior range of a positive parameter has positive ends: got {x}")
        return math.log(x)
    if not 0 < x < 1:
        raise ValueError(f"the prior range of a parameter in (0, 1) has its ends in there: got {x}")
    return math.log(x / (1 - x))


def _unlink(x: float, support: Support) -> float:
    if support == "real":
        return x
    return math.exp(x) if support == "positive" else 1 / (1 + math.exp(-x))


@dataclass(frozen=True)
class Centring:
    """A parameter that is sampled, and has its prior, as the size of its term at the reference point.

    An amplitude and its exponent trade off almost perfectly when the inputs are far from one (the correlation
    of log A with alpha is 0.999 on Hoffmann's runs). The size that the term takes at the geometric mean of
    the measured inputs does not, and unlike the amplitude it is something that a person can have an opinion on.

    Attributes
    ----------
    symbol : str
        How the sampled quantity is written, such as ``A N0^-alpha``.
    meaning : str
        What it is, in words.
    to_natural, from_natural : callable
        ``(quantity, values, reference) -> quantity``: from the term size to the parameter and back. `values`
        holds the law's other parameters, `reference` the reference point of every input. A conversion looks up
        the parameters that it needs, one by one: each is converted before, in whatever order the law has them. On the
        way to the parameter it may also look up what another one is sampled as, by that one's symbol.
    unit : str
        Of the sampled quantity.
    to_logit : callable, optional
        Of a share: ``(quantity, values, reference) -> logit of the parameter``, carried among a law's values under
        `logit_name`. A share within 1e-16 of one is one to a float, and what it leaves of the other term is lost.
    """

    symbol: str
    meaning: str
    to_natural: Callable[[Any, Values, Values], Any]
    from_natural: Callable[[Any, Values, Values], Any]
    unit: str = "nats/token"
    to_logit: Callable[[Any, Values, Values], Any] | None = None


def logit_name(parameter: str) -> str:
    """Return the name under which the logit of a share is carried among a law's values."""
    return f"logit {parameter}"


def amplitude(symbol: str, input: str, exponent: str) -> Centring:
    """Centring of A in A x^-alpha: sampled as the term at the reference point, A x0^-alpha."""
    return Centring(
        symbol=f"{symbol} {input}0^-{exponent}",
        meaning=f"size of the {input} term at the runs' geometric-mean {input}",
        to_natural=lambda size, values, reference: size * reference[input] ** values[exponent],
        from_natural=lambda natural, values, reference: natural * reference[input] ** -values[exponent],
    )


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    Attributes
    ----------
    name : str
        As it is written in the equation and in every table.
    meaning, unit : str
        What it is, and in what.
    support : {"positive", "real", "unit"}
        Where the sampled quantity lives; sets the link on which it is pooled.
    prior : Range
        Default prior of the population mean, of the sampled quantity: the parameter itself, or its term's
        size at the reference point where there is a centring.
    spread : Range
        Default prior of the standard deviation between groups, on the link scale: for a positive
        parameter 0.1 says that groups differ by about ten per cent.
    latex : str
        For pages.
    centring : Centring, optional
        See `Centring`.
    along : str
        Input that it is the exponent of, and counts for nothing at the reference point of: where all runs of a group
        have the same of it, they say nothing of the group's own.
    """

    name: str
    meaning: str
    unit: str
    support: Support
    prior: Range
    latex: str
    spread: Range = Range(0.03, 0.5)
    centring: Centring | None = None
    along: str = ""

    def __post_init__(self) -> None:
        self.prior.normal(self.support)  # an impossible range is an error where it is written, not at the fit


@dataclass(frozen=True)
class Published:
    """A published set of values, for one law, with where it comes from.

    `sd` holds standard errors where the source gives them. Rounded figures stay out of tests that predict.
    `runs` holds the lowest and highest inputs of the runs behind it, where the source gives them.
    """

    label: str
    values: Mapping[str, float]
    citation: str
    sd: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    runs: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Law:
    """An equation from a run's inputs to its expected loss.

    Attributes
    ----------
    name, title, citation : str
        `name` is what a user types.
    equation, latex : str
        For terminals and for pages.
    inputs : tuple of str
        Columns of the runs table that the equation needs.
    parameters : tuple of Parameter
        In the order of the equation.
    loss : callable
        ``(values, inputs) -> expected loss``, pure and written in `jax.numpy`; broadcasts.
    published : tuple of Published
        What others found.
    validity : str
        Known limits.
    optimum : Optimum, optional
        ``(values, flops, flops_per_param_token, fixed) -> (params, tokens)`` in closed form, where there is one;
        everything else is optimised numerically.
    may_be_zero : frozenset of str
        Inputs that may be zero in some runs (not in all: their reference point is that of the runs that have
        some), such as the tokens of a datastore. The loss and its gradient in the parameters are finite there.
    leading : frozenset of str, optional
        Parameters that the others follow along the posterior's ridges, and along curves: a floor that trades against
        exponents, the way terms combine. The sampler straightens those ridges; the posterior is the same whatever
        they are. Absent: all parameters without a centring, amplitudes following.
    prepare : callable, optional
        ``inputs -> more inputs``: what depends on a set of runs alone and is worth making once for a fit of them, such
        as tables over the parameters. `loss` finds it among its inputs, and says the same without, more slowly.
    """

    name: str
    title: str
    citation: str
    equation: str
    latex: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    loss: Callable[[Values, Values], Any]
    published: tuple[Published, ...] = ()
    validity: str = ""
    optimum: Optimum | None = None
    may_be_zero: frozenset[str] = frozenset()
    leading: frozenset[str] | None = None
    prepare: Callable[[Values], Values] | None = None

    def __post_init__(self) -> None:
        names = self.parameter_names
        if len(set(names)) < len(names):
            raise ValueError(f"law {self.name}: two parameters share a name in {names}")
        if taken := sorted(NOISE & set(names)):
            raise ValueError(
                f"law {self.name}: {', '.join(taken)} is the noise's: name the parameter otherwise"
            )
        if not self.may_be_zero <= set(self.inputs):
            raise ValueError(
                f"law {self.name}: may_be_zero names {sorted(self.may_be_zero - set(self.inputs))}, "
                "which the law does not take"
            )
        for published in self.published:
            unknown = set(published.values) - set(names)
            if unknown:
                raise ValueError(f"law {self.name}, {published.label}: no such parameter {sorted(unknown)}")

    @property
    def leads(self) -> frozenset[str]:
        """The leading parameters, given or by default."""
        if self.leading is not None:
            return self.leading
        return frozenset(p.name for p in self.parameters if p.centring is None)

    def prepared(self, inputs: Values) -> dict[str, Any]:
        """The inputs of a set of runs, and what the law makes of them once."""
        return {**inputs, **(self.prepare(inputs) if self.prepare is not None else {})}

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    @property
    def value_names(self) -> tuple[str, ...]:
        """The parameters, then the logits that are carried beside them (`Centring.to_logit`)."""
        carried = (logit_name(p.name) for p in self.parameters if p.centring and p.centring.to_logit)
        return (*self.parameter_names, *carried)

    def parameter(self, name: str) -> Parameter:
        return next(p for p in self.parameters if p.name == name)

    def natural(self, sampled: Values, reference: Values) -> dict[str, Any]:
        """Parameters in the units of the equation, from the quantities that are sampled."""
        values = self.values(sampled, reference)
        return {name: values[name] for name in self.parameter_names}

    def values(self, sampled: Values, reference: Values) -> dict[str, Any]:
        """Return what `loss` and `optimum` take: the parameters in the units of the equation and carried logits."""
        values = _Natural(self, sampled, reference)
        return {name: values[name] for name in self.value_names}

    def sampled(self, values: Values, reference: Values) -> dict[str, Any]:
        """The quantities that are sampled, from parameters in the units of the equation."""
        return {
            p.name: values[p.name]
            if p.centring is None
            else p.centring.from_natural(values[p.name], values, reference)
            for p in self.parameters
        }

    def __str__(self) -> str:
        lines = [
            f"{self.title}",
            f"  {self.equation}",
            f"  {self.citation}",
            f"  needs columns: {', '.join(n + ' (may be zero)' * (n in self.may_be_zero) for n in self.inputs)}",
        ]
        for p in self.parameters:
            sampled = f", as {p.centring.symbol}" if p.centring else ""
            lines.append(
                f"  {p.name}: {p.meaning} [{p.unit}]; 90 % prior{sampled} {_pair(p.prior.interval(p.support, 0.9))}"
            )
        for published in self.published:
            values = ", ".join(f"{k} {v:.6g}" for k, v in published.values.items())
            lines.append(f"  published, {published.label}: {values} ({published.citation})")
        if self.validity:
            lines.append(f"  limits: {self.validity}")
        return "\n".join(lines)


class _Natural(Mapping[str, Any]):
    """Parameters in the units of the equation, each converted when it is first looked up, and what it needs before it.

    So the order of a law's parameters is free, and one that is defined by way of itself is found out.
    """

    def __init__(self, law: Law, sampled: Values, reference: Values) -> None:
        self._law, self._sampled, self._reference = law, sampled, reference
        self._done: dict[str, Any] = {}
        self._under_way: list[str] = []
        self._by_symbol = {p.centring.symbol: p.name for p in law.parameters if p.centring}
        self._logits = {
            logit_name(p.name): (p.name, p.centring.to_logit)
            for p in law.parameters
            if p.centring and p.centring.to_logit
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._done:
            return self._done[name]
        if name in self._by_symbol:
            return self._sampled[self._by_symbol[name]]
        if name in self._logits:
            of, to_logit = self._logits[name]
            return self._done.setdefault(name, to_logit(self._sampled[of], self, self._reference))
        if name in self._under_way:
            way = " -> ".join([*self._under_way[self._under_way.index(name) :], name])
            raise ValueError(
                f"law {self._law.name}: the centring of {name} needs {name} itself ({way}); a centring looks up the "
                "other parameters that it needs and no more (`without` sets one aside)"
            )
        if name not in self._law.parameter_names:
            raise KeyError(name)
        centring = self._law.parameter(name).centring
        value = self._sampled[name]
        if centring is not None:
            self._under_way.append(name)
            value = centring.to_natural(value, self, self._reference)
            self._under_way.pop()
        self._done[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._law.value_names or name in self._by_symbol

    def __iter__(self) -> Iterator[str]:
        return iter(self._law.value_names)

    def __len__(self) -> int:
        return len(self._law.value_names)


def without(values: Values, name: str, instead: Any = 0.0) -> Values:
    """The same values with another for one of them, none of the rest looked up: for use in a centring."""
    return ChainMap({name: instead}, values)  # type: ignore[arg-type]  # it is only read


def _pair(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3g} to {interval[1]:.3g}"
