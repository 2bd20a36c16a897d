"""A model: a law, its pooling, its priors and its noise, as one small typed object and TOML file."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from bayescale.bundled import bundled
from bayescale.errors import UserError
from bayescale.laws import Law, Range, counts_as, law, law_from_expression, laws
from bayescale.models.covariates import Covariate
from bayescale.models.pooling import Formula, parse

NOISE = "sigma"
"""What the scale of the noise is called among the parameters that have a formula."""

NOISIER = Range(0.1, 1.0)
"""Default spread of the noise between groups, of log sigma: from a tenth more or less to three times."""

COUNTS_AS = 0.3
"""Default reach of a coefficient of an input, of its log: from a quarter less to a third more of it."""

CORRELATION = Range(-0.8, 0.8)
"""Default prior of correlations between effects of one tag."""

OF_THE_LAW = ("params", "tokens", "flops", "loss", "loss_se")
"""Columns whose part in the loss is a law's business: no covariate of its parameters."""


class ModelError(UserError):
    """A model file that cannot be used; the message says which, where and what to do."""


def _to_range(value: Any) -> Range:
    # A model file says "range"; a bare pair is for Python.
    if not isinstance(value, (Range, Mapping)):
        raise ValueError(f"a prior is written {{ range = [low, high], mass = 0.9 }}: got {value!r}")
    return Range.of(value)


Prior = Annotated[
    Range,
    BeforeValidator(_to_range),
    PlainSerializer(lambda r: {"range": [r.low, r.high], "mass": r.mass}, return_type=dict),
]


class Noise(BaseModel):
    """Student-t noise on log loss (`bayescale.models.noise`).

    Attributes
    ----------
    sigma : Range
        Scale of the relative noise of one run: 0.01 is about one per cent of the loss.
    nu : Range
        Degrees of freedom: small values allow for odd runs, large ones are nearly Gaussian.
    sigma_decade : Range
        What sigma is multiplied by for every tenfold compute, where the table's compute is known and varies: larger
        runs are often tuned with more care, and average over more tokens.
    sigma_run : Range
        Standard deviation of what the rows of one run share, where runs give several rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    sigma: Prior = Range(0.001, 0.05)
    nu: Prior = Range(2.5, 40.0)
    sigma_decade: Prior = Range(0.6, 1.6)
    # Between seeds: 0.1 to 1 % (Kaplan 2020 gives 0.02 nats at about 3); tuning and shape add more.
    sigma_run: Prior = Range(0.001, 0.05)

    @model_validator(mode="after")
    def _positive(self) -> Noise:
        self.sigma.normal("positive")
        self.nu.normal("positive")
        self.sigma_decade.normal("positive")
        self.sigma_run.normal("positive")
        return self


class Misfit(BaseModel):
    """How far the law may be off inside the runs, the further the cheaper and smaller they are (`models.misfit`).

    The law is taken to hold at the dearest run and for the largest model, which is where forecasts start; below, the
    log of the expected loss is the law's plus a smooth deviation with this standard deviation one decade below, 2.8
    times it two decades below.

    Attributes
    ----------
    flops : Range
        A decade of compute below the dearest run; each cell has a deviation of its own, as recipes have.
    params : Range
        A decade of size below the largest model; one deviation for all cells, as laws have.
    tokens : Range
        A decade of data below the most that a run has, where runs give their losses on the way; one deviation for all
        cells, as what is early in a curve is early in all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    flops: Prior = Range(0.0003, 0.02)
    params: Prior = Range(0.002, 0.006)
    tokens: Prior = Range(0.001, 0.02)

    @model_validator(mode="after")
    def _positive(self) -> Misfit:
        self.flops.normal("positive")
        self.params.normal("positive")
        self.tokens.normal("positive")
        return self


class Drift(BaseModel):
    """How fast losses leave the law beyond the fitted runs (`bayescale.inference.drift`).

    No law is quite right, and the error grows with distance. Beyond the dearest fitted run the log of the expected
    loss drifts from the law with a standard deviation of `flops` per e-fold of compute, beyond the largest fitted
    model of `params` per e-fold of size. The default is what laws fitted to published tables were off by per e-fold
    (docs/extrapolation.md), or a tenth of it, where the law holds beyond the runs nearly as it does inside: the
    table's own record decides.

    Attributes
    ----------
    flops, params, tokens : Range
        Standard deviation of log loss per e-fold beyond the largest fitted value, where the law does not hold there. Of
        the three, those that the table has: compute and size, or tokens where neither is known.
    holds : float
        Probability, before the table is seen, that the law holds beyond the runs, and the drift is a tenth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    flops: Prior = Range(0.003, 0.016)
    params: Prior = Range(0.003, 0.016)
    tokens: Prior = Range(0.003, 0.016)
    holds: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _positive(self) -> Drift:
        for name in ("flops", "params", "tokens"):
            getattr(self, name).normal("positive")
        return self


class Model(BaseModel):
    """A law, its pooling, its priors, its noise, its misfit inside the runs and its drift beyond them.

    Attributes
    ----------
    name : str
        For reports and errors.
    law : str
        A name that `bayescale.law` knows, or an expression such as ``E + A * params**-alpha``.
    parameters : dict
        Of an expression: what its parameters are, where the defaults do not do (`bayescale.law_of`).
    inputs : tuple of str
        Of an expression: columns that it takes beside those that are known.
    pooling : dict
        A formula for each parameter, and of group effects for ``sigma``; what has none is the same for all runs. Of
        covariates also for an input of the law, as ``params``: a run counts as one of so much more or less of it.
    priors : dict
        A range for the population mean of a parameter, the law's default where absent; and as ``parameter.covariate``
        for its coefficient, on the link scale per standard deviation of the covariate among the runs; and as
        ``|tag|factor`` for the correlations of effects.
    spread : dict
        A range for the standard deviation between groups, by parameter or ``parameter|factor``; of their slopes, by
        ``parameter.covariate`` or ``parameter.covariate|factor``.
    noise : Noise
    misfit : Misfit, optional
        Without one, the law is exact inside the runs.
    drift : Drift
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    name: str
    law: str
    description: str = ""
    parameters: dict[str, dict[str, Any]] = {}
    inputs: tuple[str, ...] = ()
    pooling: dict[str, str] = {}
    priors: dict[str, Prior] = {}
    spread: dict[str, Prior] = {}
    noise: Noise = Noise()
    misfit: Misfit | None = None
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _agrees_with_its_law(self) -> Model:
        try:
            definition = self.definition
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        if not is_expression(self.law) and (self.parameters or self.inputs):
            raise ValueError(
                f"[parameters] and inputs describe a law written as an expression; {self.law} is a law by name: change "
                "its priors under [priors]"
            )
        names = definition.parameter_names
        for section, keys in (("pooling", self.pooling), ("priors", self.priors), ("spread", self.spread)):
            for key in keys:
                if key.startswith("|"):
                    self._check_correlation(section, key)
                    continue
                parameter, _, slope = key.split("|")[0].partition(".")
                if (
                    section != "priors"
                    and key.split("|")[0] == NOISE
                    and ("|" not in key or section == "spread")
                ):
                    continue
                if parameter in self.moved and section != "spread" and (slope or section == "pooling"):
                    self._check_moved(parameter, slope)
                    continue
                if (
                    parameter not in names
                    or ("|" in key and section != "spread")
                    or (slope and section == "pooling")
                ):
                    near = difflib.get_close_matches(parameter, names, n=1)
                    hint = f" (did you mean {near[0]!r}?)" if near else ""
                    raise ValueError(
                        f"[{section}] names {key!r}{hint}; the law {self.law} has the parameters {', '.join(names)}"
                    )
                known = [c.name for c in self.formula(parameter).every_covariate]
                if slope and slope not in known:
                    raise ValueError(
                        f"[{section}] names {key!r}, but the formula of {parameter} has "
                        f"{'the covariates ' + ', '.join(known) if known else 'no covariate'}"
                    )
        for covariate in self.covariates:
            if covariate.column in {*OF_THE_LAW, *definition.inputs}:
                raise ValueError(
                    f"[pooling] {covariate.name} cannot be a covariate: how loss depends on {covariate.column} is what "
                    f"the law says; choose a law that says it otherwise ({covariate.column} may group, as (1|...))"
                )
        if self.formula(NOISE).every_covariate:
            raise ValueError(
                f"[pooling] {NOISE} = {self.pooling[NOISE]!r}: the noise differs by group and with compute "
                "(sigma_decade), and with nothing else; write group effects alone, such as 1 + (1|task)"
            )
        if any(group.tag for group in self.formula(NOISE).groups):
            raise ValueError(
                f"[pooling] {NOISE}: effects on the noise are correlated with no others; leave the tag out"
            )
        for name in self.moved:
            for covariate in self.formula(name).covariates:
                self.coefficient_prior(name, covariate).normal("real")
        for tag, members in self.tagged.items():
            if len(members) < 2:
                raise ValueError(
                    f"[pooling] the tag of ({tag}) is on one term alone, {members[0]}: give it to another parameter's "
                    "effects of the same groups, or leave it out"
                )
            self.correlation_prior(tag)
        for group in self.formula(NOISE).groups:
            self.spread_prior(NOISE, group.factor).normal("positive")
        for parameter in names:
            self.prior(parameter).normal(definition.parameter(parameter).support)
            for covariate in self.formula(parameter).covariates:
                self.coefficient_prior(parameter, covariate).normal("real")
            for group in self.formula(parameter).groups:
                self.spread_prior(parameter, group.factor, group.covariate).normal("positive")
        return self

    @property
    def definition(self) -> Law:
        """The law itself."""
        if is_expression(self.law):
            return law_from_expression(
                self.law, parameters=self.parameters, inputs=self.inputs, title=self.name
            )
        return law(self.law)

    def formula(self, parameter: str) -> Formula:
        """What a parameter depends on; complete pooling where the model does not say."""
        return parse(self.pooling.get(parameter, "1"))

    @property
    def grouping_columns(self) -> tuple[str, ...]:
        """Every column that some parameter is pooled over, in order of first mention."""
        groups = (g for p in (*self.definition.parameter_names, NOISE) for g in self.formula(p).groups)
        return tuple(dict.fromkeys(column for group in groups for column in group.factor))

    @property
    def moved(self) -> tuple[str, ...]:
        """Inputs of the law that have a formula: covariates make a run count as one of more or less of them."""
        return tuple(name for name in self.definition.inputs if name in self.pooling)

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """Every covariate of some parameter or input, in order of first mention."""
        names = (*self.definition.parameter_names, *self.moved)
        return tuple(dict.fromkeys(c for name in names for c in self.formula(name).every_covariate))

    def prior(self, parameter: str) -> Range:
        """Prior of a parameter's population mean."""
        return self.priors.get(parameter, self.definition.parameter(parameter).prior)

    def coefficient_prior(self, parameter: str, covariate: Covariate) -> Range:
        """Prior of a coefficient, on the link scale per standard deviation of the covariate among the runs.

        Where the model does not say, about zero, and as far as the groups of the parameter may differ; of an input,
        up to a third more or less of it.
        """
        far = COUNTS_AS if parameter in self.moved else self._spread((parameter,), parameter).high
        return self.priors.get(f"{parameter}.{covariate.name}", Range(-far, far))

    def spread_prior(
        self, parameter: str, factor: tuple[str, ...], covariate: Covariate | None = None
    ) -> Range:
        """Prior of the standard deviation between the groups of a factor, on the link scale.

        Of slopes, per standard deviation of the covariate.
        """
        of = parameter if covariate is None else f"{parameter}.{covariate.name}"
        return self._spread((f"{of}|{':'.join(factor)}", of, parameter), parameter)

    @property
    def tagged(self) -> dict[str, list[str]]:
        """Effects that are correlated: their names, less the factor, by tag and factor, such as ``|p|task``."""
        found: dict[str, list[str]] = {}
        for parameter in self.definition.parameter_names:
            for group in self.formula(parameter).groups:
                if group.tag:
                    found.setdefault(f"|{group.tag}|{':'.join(group.factor)}", []).append(
                        f"{parameter}{group.name}".split("|")[0]
                    )
        return found

    def correlation_prior(self, tag: str) -> tuple[float, float]:
        """Mean and standard deviation of Fisher's z of the (partial) correlations of a tag, such as ``|p|task``."""
        prior = self.priors.get(tag, CORRELATION)
        if not -1 < prior.low < prior.high < 1:
            raise ValueError(f"a correlation lies between -1 and 1: got [{prior.low}, {prior.high}]")
        # Half the logit of (1 + r) / 2 is Fisher's z of r.
        mean, sd = Range((1 + prior.low) / 2, (1 + prior.high) / 2, prior.mass).normal("unit")
        return mean / 2, sd / 2

    def _check_moved(self, name: str, slope: str) -> None:
        """A formula of an input, or the prior of a coefficient in it."""
        formula = self.formula(name)
        if formula.groups or not formula.covariates:
            raise ValueError(
                f"[pooling] {name} = {self.pooling[name]!r}: {name} is an input of the law, and covariates alone say "
                "what a run's counts as; write 1 + log(aspect), or give a parameter group effects"
            )
        known = [c.name for c in formula.covariates]
        if slope and slope not in known:
            raise ValueError(
                f"[priors] names {name + '.' + slope!r}, but the formula of {name} has the covariates "
                f"{', '.join(known)}"
            )
        if not counts_as(self.definition, name):
            raise ValueError(
                f"[pooling] {name}: the parameters of the law {self.law} are not sampled at a reference point of "
                f"{name}, so that covariates cannot say what a run's counts as; give a parameter the covariates"
            )

    def _check_correlation(self, section: str, key: str) -> None:
        if section != "priors" or key not in self.tagged:
            known = ", ".join(f"({tag})" for tag in self.tagged) or "none"
            raise ValueError(
                f"[{section}] names {key!r}: the prior of correlated effects is under [priors], and there are {known}"
            )

    def _spread(self, keys: tuple[str, ...], parameter: str) -> Range:
        for key in keys:
            if key in self.spread:
                return self.spread[key]
        if parameter == NOISE:
            return NOISIER
        return self.definition.parameter(parameter).spread

    @classmethod
    def load(cls, source: str | Path | Model) -> Model:
        """A model by name (of a file in `models/`, or of a law, every parameter of it pooled), path or expression.

        Raises
        ------
        ModelError
            No such model, or a file with mistakes; every mistake is named.
        """
        if isinstance(source, Model):
            return source
        if is_expression(str(source)):
            return cls.of_law(str(source))
        path = Path(source)
        if path.suffix != ".toml":
            path = bundled("models") / f"{source}.toml"
            if not path.is_file() and str(source) in laws():
                return cls.of_law(str(source))
            if not path.is_file():
                known = ", ".join(sorted(p.stem for p in bundled("models").glob("*.toml")))
                raise ModelError(
                    f"no model named {str(source)!r}: there are {known} and the laws; or give the path of a .toml file"
                )
        return read_toml(cls, path, ModelError, "model")

    @classmethod
    def of_law(cls, name: str) -> Model:
        """A law, by name or as an expression, with its own priors, each parameter pooled over architecture and task."""
        written = is_expression(name)
        definition = law_from_expression(name) if written else law(name)
        return cls(
            name=definition.name,
            law=name,
            description=definition.title,
            pooling=dict.fromkeys(definition.parameter_names, "1 + (1|architecture) + (1|task)"),
        )

    @property
    def sha256(self) -> str:
        """Hash of the model's canonical JSON: changes with anything that can change a fit."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def __str__(self) -> str:
        from bayescale.models.describe import described

        return described(self)


def is_expression(text: str) -> bool:
    """Whether it is an expression for a loss rather than the name of a law or a file."""
    return any(sign in text for sign in "*+(") and not text.endswith(".toml")


LINKS = {"positive": "log", "unit": "logit", "real": ""}


Schema = TypeVar("Schema", bound=BaseModel)


def read_toml(schema: type[Schema], path: Path, error: type[UserError], what: str) -> Schema:
    """An object from a TOML file, or an error of the given kind that names the file and every mistake in it."""
    try:
        return schema.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise error(f"{path}: no such {what} file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise error(f"{path}: {wrong}") from None
    except ValidationError as wrong:
        raise error(f"{path}: {problems(wrong)}") from None


def problems(error: ValidationError) -> str:
    """A validation error in one line: where each mistake is and what is wrong with it."""
    said = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        what = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            what = "is not a key here"
        said.append(f"{where}: {what}" if where else what)
    return "; ".join(said)
