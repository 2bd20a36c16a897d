"""A law of your own, by naming its expression: ``bs.law_of("E + A * params**-alpha + B * tokens**-beta")``.

Names that are columns of a runs table are inputs, every other name is a parameter. What a parameter is follows from
where it stands, and gives it a default prior (the shared ones of `terms`) and, for an amplitude, the centring:

========================================  =================================================================
where it stands                           what it is, and how it is sampled
========================================  =================================================================
``E + ...``                               a floor
``... + A * (something of the inputs)``   an amplitude: sampled as the size of its term at the runs' middle
``... + (x_c / params)**a``               a scale: sampled likewise
``params**-a``                            an exponent
``(...)**p``                              the power of a bracket
``params / s``, ``params + s``            a place on an input: sampled as a multiple of the runs' middle
``(... + R * tokens**-b)**p``             an amplitude within: sampled as its part over the rest of the bracket's
anywhere else                             a positive number with a prior so wide that you should give yours
========================================  =================================================================
"""

from __future__ import annotations

import difflib
import json
import re
from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

from bayescale.laws.base import NOISE, Centring, Law, Parameter, Range, Support, Values, amplitude
from bayescale.laws.syntax import (
    Apply,
    ExpressionError,
    Name,
    Node,
    Number,
    error,
    evaluate,
    latex,
    latex_name,
    names,
    parse,
    plain,
)
from bayescale.laws.terms import (
    BETWEEN_SIZES,
    EXPONENT,
    SIZE,
    SLOPE,
    WHOLE_LOSS,
    exponent,
    floor,
    relative,
    scale,
    sized,
)

COLUMNS = frozenset(
    {
        "params",
        "tokens",
        "flops",
        "params_total",
        "params_embedding",
        "params_active",
        "unique_tokens",
        "bytes_per_token",
        "vocab",
        "datastore_tokens",
        "steps",
        "batch_tokens",
        "learning_rate",
        "context",
        "width",
        "depth",
        "experts",
        "granularity",
        "ensemble",
    }
)
"""Columns of a runs table that a law can take; `bayescale.runs` describes them, which laws may not import."""

_LABELS = frozenset({"metric", "status", "run_id", "architecture", "task", "split", "schedule"})
_NO_INPUTS = {
    **dict.fromkeys(_LABELS, "is a column of labels and no number: a model pools over it"),
    **dict.fromkeys(("loss", "loss_se", "seed"), "is a column that no law can take"),
    **dict.fromkeys(sorted(NOISE), "is a parameter of the noise: choose another name"),
    "N": "is written params (or declare N among the parameters)",
    "D": "is written tokens (or declare D among the parameters)",
}
_SYMBOLS = {"params": "N", "tokens": "D", "flops": "C"}

WIDE = Range(1e-3, 1e3)
"""Six decades: a default that leaves everything open, for a parameter of which nothing is known."""
POWER = Range(0.1, 4.0)
"""Powers of a bracket: Kaplan's joint law has 0.1, Hoffmann's 1; beyond 3 it is hardly to be told from a product."""
BALANCE = Range(0.03, 30.0)
"""Parts of one bracket: runs are chosen so that both matter, and one under a thirtieth of the other is hardly seen."""


@cache
def _shipped_inputs() -> frozenset[str]:
    from bayescale.laws.registry import shipped

    return frozenset(name for law in shipped().values() for name in law.inputs)


def law_from_expression(
    expression: str,
    name: str = "own",
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    inputs: Collection[str] = (),
    may_be_zero: Collection[str] = (),
    title: str = "",
) -> Law:
    """A law from an expression for its expected loss.

    Parameters
    ----------
    expression : str
        With numbers, names, ``+ - * / **`` and exp, log (natural), log1p, sqrt, tanh, minimum, maximum.
    name : str
        What models call it; lower-case letters, digits and single dashes.
    parameters : mapping, optional
        By parameter, any of ``support`` ("positive", "real", "unit"), ``prior`` and ``spread`` (a `Range`, a pair or
        ``{"range": [low, high], "mass": 0.9}``), ``meaning``, ``unit`` and ``latex``. The prior is on what is
        sampled: for an amplitude the size of its term at the runs' geometric means. Print the law to see which.
    inputs : collection of str, optional
        Columns of yours, beside those of the runs table and of the laws that ship.
    may_be_zero : collection of str, optional
        Inputs that may be zero in some runs.
    title : str, optional

    Returns
    -------
    Law
        The same object for the same arguments, so that fits of it share their compilation.

    Raises
    ------
    ExpressionError
        The text is no expression of this language, has no parameter or no input, names something that cannot be told
        from another name, or an override does not fit; with the column in the text.
    """
    return _law(
        expression,
        name,
        json.dumps(_plain_overrides(parameters or {}), sort_keys=True),
        tuple(sorted(set(inputs))),
        tuple(sorted(set(may_be_zero))),
        title,
    )


law_of = law_from_expression


@cache
def _law(
    expression: str,
    name: str,
    overrides_json: str,
    inputs: tuple[str, ...],
    zero: tuple[str, ...],
    title: str,
) -> Law:
    overrides: dict[str, dict[str, Any]] = json.loads(overrides_json)
    text, tree, columns = parse(expression)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ExpressionError(
            f"law expression: the name {name!r} is not made of lower-case letters, digits and single dashes"
        )
    known = COLUMNS | _shipped_inputs() | set(inputs)
    _check_names(text, columns, known, overrides, inputs)
    taken = tuple(n for n in columns if n in known)
    parts = _Parts(text, tree, frozenset(taken), columns)
    listed = tuple(_overridden(parts.parameter(n), overrides.get(n, {})) for n in columns if n not in known)
    symbols = {p.name: p.latex for p in listed}
    for n in taken:
        letter, escaped = _SYMBOLS.get(n), n.replace("_", r"\_")
        # A parameter C leaves flops its long name.
        symbols[n] = rf"\mathrm{{{escaped}}}" if letter is None or letter in symbols.values() else letter
    open_ones = [p.name for p in listed if p.prior == WIDE and "prior" not in overrides.get(p.name, {})]
    try:
        return Law(
            name=name,
            title=title or "A law of your own",
            citation="written as an expression",
            equation=f"L = {plain(tree)}",
            latex=f"L({', '.join(symbols[n] for n in taken)}) = {latex(tree, symbols)}",
            inputs=taken,
            parameters=listed,
            loss=Expression(text),
            validity=f"The prior of {', '.join(open_ones)} is a wide default: give yours."
            if open_ones
            else "",
            may_be_zero=frozenset(zero),
        )
    except ValueError as wrong:
        raise ExpressionError(f"law expression: {wrong}") from None


@dataclass(frozen=True)
class Expression:
    """The loss that an expression stands for: ``(values, inputs) -> expected loss``; broadcasts."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tree", parse(self.text)[1])

    def __call__(self, values: Values, inputs: Values) -> Any:
        return evaluate(self._tree, {**values, **inputs})  # type: ignore[attr-defined]


def _check_names(
    text: str,
    columns: Mapping[str, int],
    known: Collection[str],
    overrides: Mapping[str, Any],
    inputs: Collection[str],
) -> None:
    parameters = [n for n in columns if n not in known]
    for given in (*overrides, *inputs):
        if given not in columns:
            near = difflib.get_close_matches(given, columns, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ExpressionError(f"law expression: {given!r}{hint} does not occur in it\n  {text[:100]}")
    for given in overrides:
        if given in known:
            raise error(
                text, columns[given], f"{given} is a column of the runs table, so it cannot be a parameter"
            )
    for n in parameters:
        if n in _NO_INPUTS and not (n in overrides and n in "ND"):
            raise error(text, columns[n], f"{n} {_NO_INPUTS[n]}")
        near = difflib.get_close_matches(n, known, n=1, cutoff=0.85)
        if near and n not in overrides:
            raise error(
                text,
                columns[n],
                f"{n} is no column of a runs table: did you mean {near[0]}? As a parameter, declare it among the "
                f'parameters ({n} = {{meaning = "..."}}); as a column of yours, among the inputs',
            )
    if not parameters:
        raise ExpressionError(
            f"law expression: no parameters in it, so there is nothing to fit\n  {text[:100]}"
        )
    if len(parameters) == len(columns):
        raise ExpressionError(
            "law expression: no inputs in it: the loss has to depend on a column such as params, tokens or flops "
            f"(columns of yours are given as inputs)\n  {text[:100]}"
        )


@dataclass(frozen=True)
class _Parts:
    """An expression taken apart: what each of its parameters is."""

    text: str
    tree: Node
    inputs: frozenset[str]
    columns: Mapping[str, int]

    def parameter(self, name: str) -> Parameter:
        """A parameter with the default prior of where it stands."""
        symbol, terms = latex_name(name), _terms(self.tree)
        count = list(names(self.tree)).count(name)
        lone = [
            other.name for sign, other in terms if isinstance(other, Name) and other.name not in self.inputs
        ]
        if name in lone:
            if len(lone) > 1:
                said = " and ".join(lone[:2])
                raise error(
                    self.text,
                    self.columns[lone[1]],
                    f"{said} are both added alone, so only their sum can be known",
                )
            if (1, Name(name)) in terms:
                return floor(name, symbol)
        rests = [(sign, _without_factor(term, name)) for sign, term in terms]
        rest = [(sign, r) for sign, r in rests if r is not None]
        own = [r for _, r in rest if r is not None and self._inputs_of(r)]
        if len(own) == count and len({sign for sign, _ in rest}) == 1:
            self._check_single(name, terms)
            # Of several factors of one term the first has its size; each by way of the other would be a circle.
            if any(self.columns[rival] < self.columns[name] for rest in own for rival in self._factors(rest)):
                return _unknown(name, symbol)
            return self._amplitude(name, symbol, own)
        if count == 1:
            for sign, term in terms:
                where = _scale_of(term, name, self.inputs)
                if where is not None and sign > 0:
                    return self._term_scale(name, symbol, term, *where)
        return self._inner(name, symbol, count)

    @property
    def _size(self) -> Range:
        """Prior of a term's size: a part of the loss, or all of it."""
        return WHOLE_LOSS if len(_terms(self.tree)) == 1 else SIZE

    def _inputs_of(self, node: Node) -> list[str]:
        return list(dict.fromkeys(n for n in names(node) if n in self.inputs))

    def _factors(self, node: Node) -> list[str]:
        """The parameters that are a factor of the whole."""
        return [n for n in self.columns if n not in self.inputs and _without_factor(node, n) is not None]

    def _check_single(self, name: str, terms: list[tuple[int, Node]]) -> None:
        """Two lone factors of the same terms are one."""

        def where(of: str) -> list[int]:
            return [i for i, (_, term) in enumerate(terms) if _without_factor(term, of) is not None]

        count = list(names(self.tree)).count
        for other in self.columns:
            if other == name or other in self.inputs or where(other) != where(name):
                continue
            if len(where(other)) == count(other):
                first, second = sorted((name, other), key=self.columns.__getitem__)
                raise error(
                    self.text,
                    self.columns[second],
                    f"{first} and {second} occur only as a product, so only that can be known: write one of them",
                )

    def _amplitude(self, name: str, symbol: str, rests: list[Node]) -> Parameter:
        whole = _summed([(1, rest) for rest in rests])
        of = " and ".join(self._inputs_of(whole))
        parameter = sized(
            name,
            f"amplitude of the {of} term",
            f"nats/token x {plain(_inverse(whole))}",
            " + ".join(plain(Apply("*", (Name(name), r)), self.inputs) for r in rests),
            f"size of the {of} term at the runs' geometric means",
            lambda values, reference: evaluate(whole, ChainMap(reference, values)),  # type: ignore[arg-type]
            symbol,
            self._size,
        )
        power = _power_of_an_input(whole, self.inputs)
        if power is None:
            return parameter
        # As in the laws that ship, to the bit.
        return replace(
            parameter, unit=f"nats/token x {power[0]}^{power[1]}", centring=amplitude(name, *power)
        )

    def _term_scale(self, name: str, symbol: str, term: Node, input: str, power: Node) -> Parameter:
        if isinstance(power, Name):
            centring = scale(name, input, power.name)
        else:
            centring = Centring(
                symbol=plain(term, self.inputs),
                meaning=f"size of the {input} term at the runs' geometric-mean {input}",
                to_natural=lambda size, v, x: x[input] * size ** (1 / evaluate(power, v)),
                from_natural=lambda natural, v, x: (natural / x[input]) ** evaluate(power, v),
            )
        return Parameter(
            name, f"scale of {input}", input, "positive", self._size, symbol, BETWEEN_SIZES, centring
        )

    def _inner(self, name: str, symbol: str, count: int) -> Parameter:
        """A parameter that is neither a floor nor the size of a term."""
        powers = [
            (node.args[0], self._inputs_of(node.args[0]))
            for node in _nodes(self.tree)
            if node.operation == "**" and _is_exponent(node.args[1], name, self.inputs)
        ]
        if powers and len(powers) == count and all(inputs for _, inputs in powers):
            of = " and ".join(dict.fromkeys(n for _, inputs in powers for n in inputs))
            if all(_is_place(base, self.inputs) for base, _ in powers):
                return exponent(name, symbol, of, SLOPE if self._size is WHOLE_LOSS else EXPONENT)
            return Parameter(
                name, f"power of the bracket in {of}", "1", "positive", POWER, symbol, Range(0.03, 0.5)
            )
        if count == 1:
            return self._place(name, symbol) or self._within(name, symbol) or _unknown(name, symbol)
        return _unknown(name, symbol)

    def _place(self, name: str, symbol: str) -> Parameter | None:
        """A name that an input is divided by, or that is added to it."""
        for node in _nodes(self.tree):
            sides = [_unsigned(arg) for arg in node.args]
            if Name(name) not in sides or node.operation not in ("+", "-", "/"):
                continue
            other = sides[1 - sides.index(Name(name))]
            # As a numerator it is an amplitude.
            divisor = node.operation != "/" or sides[1] == Name(name)
            if isinstance(other, Name) and other.name in self.inputs and divisor:
                input = other.name
                return Parameter(
                    name,
                    f"a place on {input}",
                    input,
                    "positive",
                    WIDE,
                    symbol,
                    centring=relative(name, input),
                )
        return None

    def _within(self, name: str, symbol: str) -> Parameter | None:
        """A factor of something of the inputs, inside a bracket or a function."""
        for node in _nodes(self.tree):
            for arg in node.args:
                terms = _terms(arg)
                for i, (sign, term) in enumerate(terms):
                    rest = _without_factor(term, name)
                    if rest is None or not self._inputs_of(rest):
                        continue
                    if self._factors(rest):
                        self._check_single(name, terms)
                        return None
                    others = [(sign * s, other) for k, (s, other) in enumerate(terms) if k != i]
                    return self._inner_amplitude(name, symbol, term, rest, others)
        return None

    def _inner_amplitude(
        self, name: str, symbol: str, term: Node, rest: Node, others: list[tuple[int, Node]]
    ) -> Parameter:
        part, whole, of = plain(term, self.inputs), rest, " and ".join(self._inputs_of(rest))
        # Two amplitudes of one bracket, each relative to the other, would go round in a circle.
        relative_to_rest = any(self._inputs_of(other) for _, other in others) and not any(
            self._inputs_of(inner)
            for _, other in others
            for n in names(other)
            if n not in self.inputs and (inner := _without_factor(other, n)) is not None
        )
        if relative_to_rest:
            total = _summed(others)
            whole, said = Apply("/", (rest, total)), plain(total, self.inputs)
            part = f"{part} / {f'({said})' if ' ' in said else said}"
        return sized(
            name,
            f"amplitude of the {of} part of a bracket",
            plain(_inverse(rest)),
            part,
            f"the {of} part over the rest of its bracket at the runs' geometric means"
            if relative_to_rest
            else f"the {of} part of its bracket at the runs' geometric means",
            lambda values, reference: evaluate(whole, ChainMap(reference, values)),  # type: ignore[arg-type]
            symbol,
            BALANCE if relative_to_rest else WIDE,
            size_unit="1",
        )


def _unknown(name: str, symbol: str) -> Parameter:
    return Parameter(
        name, "a positive number of which the expression says no more", "1", "positive", WIDE, symbol
    )


def _inverse(node: Node) -> Node:
    one = Number(1.0)
    if isinstance(node, Apply) and node.operation == "/" and node.args[0] == one:
        return node.args[1]
    return Apply("/", (one, node))


def _unsigned(node: Node) -> Node:
    return node.args[0] if isinstance(node, Apply) and node.operation == "negative" else node


def _summed(terms: list[tuple[int, Node]]) -> Node:
    """The sum of terms with their signs."""
    signed = [term if sign > 0 else Apply("negative", (term,)) for sign, term in terms]
    whole = signed[0]
    for term in signed[1:]:
        whole = Apply("+", (whole, term))
    return whole


def _terms(node: Node, sign: int = 1) -> list[tuple[int, Node]]:
    """The top-level terms of a sum, with their signs."""
    if isinstance(node, Apply) and node.operation in ("+", "-"):
        left, right = node.args
        return _terms(left, sign) + _terms(right, -sign if node.operation == "-" else sign)
    if isinstance(node, Apply) and node.operation == "negative":
        return _terms(node.args[0], -sign)
    return [(sign, node)]


def _without_factor(node: Node, name: str) -> Node | None:
    """What is left of a product when a name among its factors is taken out; None where it is not among them."""
    if node == Name(name):
        return Number(1.0)
    if not isinstance(node, Apply) or node.operation not in ("*", "/"):
        return None
    left, right = node.args
    rest = _without_factor(left, name)
    if rest is not None:
        return (
            right if node.operation == "*" and rest == Number(1.0) else Apply(node.operation, (rest, right))
        )
    rest = _without_factor(right, name) if node.operation == "*" else None
    if rest is None:
        return None
    return left if rest == Number(1.0) else Apply("*", (left, rest))


def _power_of_an_input(node: Node, inputs: Collection[str]) -> tuple[str, str] | None:
    """Input and exponent of ``x**-a`` or ``1 / x**a``."""
    if isinstance(node, Apply) and node.operation == "/" and node.args[0] == Number(1.0):
        base, negative = node.args[1], False
    else:
        base, negative = node, True
    if not isinstance(base, Apply) or base.operation != "**":
        return None
    x, power = base.args
    if negative:
        if not isinstance(power, Apply) or power.operation != "negative":
            return None
        power = power.args[0]
    if isinstance(x, Name) and x.name in inputs and isinstance(power, Name) and power.name not in inputs:
        return x.name, power.name
    return None


def _scale_of(term: Node, name: str, inputs: Collection[str]) -> tuple[str, Node] | None:
    """Input and exponent of a term ``(name / x)**a``, whose exponent has no input in it."""
    if not isinstance(term, Apply) or term.operation != "**":
        return None
    base, power = term.args
    if not isinstance(base, Apply) or base.operation != "/" or base.args[0] != Name(name):
        return None
    x = base.args[1]
    free = not set(names(power)) & set(inputs)
    return (x.name, power) if isinstance(x, Name) and x.name in inputs and free else None


def _is_exponent(node: Node, name: str, inputs: Collection[str]) -> bool:
    """A name is the exponent, a term of it, or a factor or divisor of one that has no input in it."""
    for _, term in _terms(node):
        occurring = list(names(term))
        if name in occurring:
            return not set(occurring) & set(inputs) and all(
                n.operation in ("*", "/", "negative") for n in _nodes(term)
            )
    return False


def _is_place(node: Node, inputs: Collection[str]) -> bool:
    """An input, or one divided or shifted by something: what has an exponent rather than a power."""
    if isinstance(node, Name):
        return node.name in inputs
    return isinstance(node, Apply) and all(isinstance(arg, (Name, Number)) for arg in node.args)


def _nodes(node: Node) -> list[Apply]:
    """Every operation of the tree."""
    if not isinstance(node, Apply):
        return []
    return [node, *(inner for arg in node.args for inner in _nodes(arg))]


_KEYS = ("support", "prior", "spread", "meaning", "unit", "latex")


def _plain_overrides(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The overrides checked, as plain values that are the same for the same meaning."""
    plain_ones: dict[str, dict[str, Any]] = {}
    for name, given in parameters.items():
        if not isinstance(given, Mapping):
            raise ExpressionError(f"law expression, parameter {name}: give a table of {', '.join(_KEYS)}")
        kept: dict[str, Any] = {}
        for key, value in given.items():
            where = f"law expression, parameter {name}, {key}"
            if key not in _KEYS:
                raise ExpressionError(f"{where}: is not a key here; there are {', '.join(_KEYS)}")
            if key in ("prior", "spread"):
                try:
                    prior = Range.of(value)
                except ValueError as wrong:
                    raise ExpressionError(f"{where}: {wrong}") from None
                value = [prior.low, prior.high, prior.mass]
            elif key == "support" and value not in get_args(Support):
                raise ExpressionError(f"{where}: one of {', '.join(get_args(Support))}: got {value!r}")
            elif not isinstance(value, str) or not value.strip():
                raise ExpressionError(f"{where}: is a text: got {value!r}")
            kept[key] = value
        plain_ones[name] = kept
    return plain_ones


def _overridden(parameter: Parameter, given: Mapping[str, Any]) -> Parameter:
    changes: dict[str, Any] = {k: v if k not in ("prior", "spread") else Range(*v) for k, v in given.items()}
    support = changes.get("support", "positive")
    if support != "positive" and "prior" not in changes:
        # As wide as the default, around zero; or all of the unit interval.
        high = parameter.prior.high
        changes["prior"] = Range(0.02, 0.98) if support == "unit" else Range(-high, high)
    try:
        if "spread" in changes:
            changes["spread"].normal("positive")
        return replace(parameter, **changes)
    except ValueError as wrong:
        raise ExpressionError(f"law expression, parameter {parameter.name}: {wrong}") from None
