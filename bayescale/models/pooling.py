"""The pooling language: a formula a parameter, such as ``1 + log(context) + (1|architecture) + (log(context)|task)``.

A formula is data: it names columns, and the one function that it may call on them is the log. What the engine does not
do is refused by name, with what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bayescale.errors import UserError
from bayescale.models.covariates import Covariate

EXAMPLE = "1 + log(context) + (1|architecture) + (1|architecture:task) + (log(context)|task)"

CALLS = {
    "log": {"logged": True},
    "np.log": {"logged": True},
    "square": {"squared": True},
    "square_log": {"logged": True, "squared": True},
}
"""What may be called on a column."""
NESTED = re.compile(r"\bsquare\(\s*(?:np\.)?log\(([^()]*)\)\s*\)")
"""The square of a log, which formulae cannot tell from the square of a column: it compares a call with a name."""

TAGGED = re.compile(r"\(((?:[^()|]|\([^()|]*\))+)\|\s*([A-Za-z]\w*)\s*\|([^()|]+)\)")
"""A term such as ``(1|p|task)``."""


class PoolingError(UserError):
    """A formula that cannot be read, or asks for what the engine does not do."""


@dataclass(frozen=True)
class GroupTerm:
    """Effects of the groups of a factor: on a parameter, or on its slope in a covariate.

    Attributes
    ----------
    factor : tuple of str
        Columns whose combinations are the groups.
    covariate : Covariate, optional
    tag : str
        Effects of one factor that have the same tag are correlated, those of several parameters too; empty where they
        are independent.
    """

    factor: tuple[str, ...]
    covariate: Covariate | None = None
    tag: str = ""

    @property
    def name(self) -> str:
        """As quantities and priors are named: ``|task``, or ``.log(context)|task``."""
        return f"{f'.{self.covariate.name}' if self.covariate else ''}|{':'.join(self.factor)}"


@dataclass(frozen=True)
class Formula:
    """What a parameter depends on, in the formula's order and without repeats.

    Attributes
    ----------
    covariates : tuple of Covariate
        Each with one slope for all runs.
    groups : tuple of GroupTerm
    """

    covariates: tuple[Covariate, ...]
    groups: tuple[GroupTerm, ...]

    @property
    def every_covariate(self) -> tuple[Covariate, ...]:
        """Of the parameter itself and of its groups' slopes."""
        return tuple(
            dict.fromkeys([*self.covariates, *(g.covariate for g in self.groups if g.covariate is not None)])
        )


@cache
def parse(formula: str) -> Formula:
    """Read a formula.

    Parameters
    ----------
    formula : str
        Parsed by `formulae`: ``1`` is complete pooling; ``log_context`` and ``log(context)`` add a slope in a numeric
        column, ``square(log(context))`` one in the square of its distance from the mean; ``(1|task)`` adds an effect
        for every task, ``(1|architecture:task)`` one for every combination, ``(1|task/language)`` both levels of a
        nesting, ``(log_context|task)`` an effect and a slope for every task, ``(0 + log_context|task)`` the slope
        alone; ``(1|p|task)`` an effect that is correlated with the others of the tag p.

    Raises
    ------
    PoolingError
        It cannot be read, or asks for something else; the message says what to write.
    """
    simple = NESTED.sub(r"square_log(\1)", formula)
    plain = TAGGED.sub(r"(\1|\3)", simple)
    tags = {
        group: tag
        for effects, tag, factor in TAGGED.findall(simple)
        for group in _read(f"1 + ({effects}|{factor})").groups
    }
    found = _read(plain)
    return replace(found, groups=tuple(replace(g, tag=tags.get(g, "")) for g in found.groups))


def _read(formula: str) -> Formula:
    """A formula without tags."""
    from formulae import model_description
    from formulae.parser import Parser
    from formulae.scanner import Scanner
    from formulae.terms.terms import GroupSpecificTerm, Intercept

    # formulae reads these as something else than they say, or drops them.
    for sign, instead in (
        ("~", "write the right-hand side alone"),
        ("**", "add the power as a column of the table"),
        ("{", "add what it computes as a column of the table"),
    ):
        if sign in formula:
            raise PoolingError(f"the pooling formula {formula!r} has a {sign}: {instead}")
    try:
        reader = Parser(Scanner(formula).scan())
        reader.parse()
        terms = model_description(formula).terms
    except Exception as error:  # formulae raises several kinds of its own and Python's
        raise PoolingError(f"the pooling formula {formula!r} cannot be read: {error}") from None
    if not reader.at_end():
        raise PoolingError(
            f"the pooling formula {formula!r} cannot be read from {reader.peek().lexeme!r} on: write + between terms"
        )
    covariates: list[Covariate] = []
    groups: list[GroupTerm] = []
    intercept = False
    for term in terms:
        if isinstance(term, Intercept):
            intercept = True
        elif isinstance(term, GroupSpecificTerm):
            slope = None if isinstance(term.expr, Intercept) else _covariate(term.expr, formula)
            groups.append(GroupTerm(_factor(term.factor, formula), slope))
        else:
            covariates.append(_covariate(term, formula))
    if not intercept:
        raise PoolingError(f"the pooling formula {formula!r} has no intercept: write 1 + ...")
    return Formula(tuple(dict.fromkeys(covariates)), tuple(dict.fromkeys(groups)))


def factors(formula: str) -> tuple[tuple[str, ...], ...]:
    """The grouping factors of a formula that have effects on the parameter itself, each a tuple of columns."""
    return tuple(group.factor for group in parse(formula).groups if group.covariate is None)


def _factor(term: Any, formula: str) -> tuple[str, ...]:
    from formulae.terms.variable import Variable

    for component in term.components:
        if not isinstance(component, Variable) or not isinstance(component.name, str):
            raise PoolingError(
                f"the pooling formula {formula!r} groups by {component.name}: group by a column of the table"
            )
    return tuple(component.name for component in term.components)


def _covariate(term: Any, formula: str) -> Covariate:
    from formulae.terms.call import Call
    from formulae.terms.variable import Variable

    components = getattr(term, "components", [])
    if len(components) > 1:
        product = ":".join(str(c.name) for c in components)
        raise PoolingError(
            f"the pooling formula {formula!r} asks for the product {product}: add it as a column of the table, or give "
            f"groups a slope of their own, ({components[0].name}|{components[-1].name})"
        )
    component = components[0] if components else None
    if isinstance(component, Variable) and isinstance(component.name, str):
        return Covariate(component.name)
    if isinstance(component, Call):
        call = component.call
        plain = len(call.args) == 1 and not call.kwargs and hasattr(call.args[0], "name")
        if plain and call.callee in CALLS and isinstance(call.args[0].name, str):
            return Covariate(call.args[0].name, **CALLS[call.callee])
        if plain and call.callee in ("center", "scale", "standardize"):
            instead = f"covariates are centred and scaled as they are: write {call.args[0].name}"
        else:
            instead = (
                "a log and a square are all that it may take: add what it computes as a column of the table"
            )
        raise PoolingError(f"the pooling formula {formula!r} asks for {component.name}; {instead}")
    raise PoolingError(
        f"the pooling formula {formula!r} asks for {getattr(term, 'name', term)}; a formula is an intercept, numeric "
        f"columns and group effects, such as {EXAMPLE}"
    )
