"""The small language in which a user writes a law: numbers, names, + - * / **, and eight functions.

Text is parsed by Python's own parser into a tree, of which only the node types listed here are taken over; the rest is
refused with its column. Nothing is ever compiled or called but the operations of `OPERATIONS`, so an expression from
someone else's model file can compute a loss and do nothing besides.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from bayescale.errors import UserError
from bayescale.lazy_jax import jnp

LONGEST, DEEPEST = 2000, 40
"""Characters and levels of nesting; the laws of this package have at most 250 and 9."""

FUNCTIONS: Mapping[str, int] = MappingProxyType(
    {"exp": 1, "log": 1, "log1p": 1, "sqrt": 1, "tanh": 1, "minimum": 2, "maximum": 2}
)
"""Functions and how many arguments they take; ``log`` is natural."""


def _computed(name: str, *arguments: Any) -> Any:
    return getattr(jnp, name)(*arguments)


OPERATIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "**": operator.pow,
        "negative": operator.neg,
        **{name: partial(_computed, name) for name in FUNCTIONS},
    }
)
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_REFUSED = {
    ast.Attribute: "a dot after a name",
    ast.Subscript: "an index in brackets",
    ast.Lambda: "lambda",
    ast.Compare: "a comparison",
    ast.BoolOp: "and / or",
    ast.IfExp: "if / else",
    ast.NamedExpr: ":=",
    ast.Starred: "a star",
    ast.Tuple: "a comma outside a function",
}
ALLOWED = f"there are numbers, names, + - * / ** and {', '.join(FUNCTIONS)}"


class ExpressionError(UserError):
    """An expression that is no law; the message says at which column, why, and what to write."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Apply:
    """An operation of `OPERATIONS` on nodes."""

    operation: str
    args: tuple[Node, ...]


Node = Number | Name | Apply


def error(text: str, column: int, what: str) -> ExpressionError:
    """The error at a column, counted from one, with the place pointed at."""
    start = max(0, column - 60)
    shown = text[start : start + 100]
    return ExpressionError(
        f"law expression, column {column}: {what}\n  {shown}\n  {' ' * (column - 1 - start)}^"
    )


def parse(text: str) -> tuple[str, Node, dict[str, int]]:
    """The text as it is read (trimmed, on one line), its tree, and the column at which each name first occurs.

    Raises
    ------
    ExpressionError
        Not an expression of this language.
    """
    text = re.sub(r"\s", " ", text).strip()
    if not text:
        raise ExpressionError("law expression: it is empty; write one such as E + A * params**-alpha")
    if len(text) > LONGEST:
        raise ExpressionError(
            f"law expression: {len(text)} characters; the longest that is read has {LONGEST}"
        )
    if not text.isascii():
        column = next(i for i, letter in enumerate(text) if not letter.isascii()) + 1
        raise error(
            text, column, f"{text[column - 1]!r}: names and signs are plain ASCII, such as alpha and -"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd in an expression is refused below
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as wrong:
        column = min(wrong.offset or 1, len(text))
        if re.match(r"\w+ *=[^=]", text):
            raise error(text, text.index("=") + 1, "write the right-hand side alone, without L =") from None
        hint = "; a product is written with *" if re.search(r"[\w)] +[\w(]", text) else ""
        raise error(text, column, f"not an expression ({wrong.msg}){hint}") from None
    except (RecursionError, MemoryError, ValueError) as wrong:
        raise ExpressionError(f"law expression: cannot be read ({wrong or type(wrong).__name__})") from None
    columns: dict[str, int] = {}
    return text, _take_over(tree, text, columns, 1), columns


def _take_over(node: ast.expr, text: str, columns: dict[str, int], depth: int) -> Node:
    column = node.col_offset + 1
    if depth > DEEPEST:
        raise error(text, column, f"nested more than {DEEPEST} deep")
    if isinstance(node, ast.Constant):
        return _number(node.value, text, column)
    if isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise error(text, column, f"{node.id} is a function: write {node.id}(...)")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", node.id):
            raise error(text, column, f"{node.id!r}: a name begins with a letter")
        columns.setdefault(node.id, column)
        return Name(node.id)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.BitXor):
            raise error(text, text.index("^") + 1, "^ is not a power: write **")
        operation = _BINARY.get(type(node.op))
        if operation is None:
            raise error(text, column, f"an operator that laws do not have; {ALLOWED}")
        args = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        return _take_over(node.operand, text, columns, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operation, args = "negative", [node.operand]
    elif isinstance(node, ast.Call):
        operation, args = _call(node, text, column)
    else:
        what = _REFUSED.get(type(node), f"{type(node).__name__.lower()}")
        raise error(text, column, f"{what} is not part of a law; {ALLOWED}")
    taken = tuple(_take_over(arg, text, columns, depth + 1) for arg in args)
    applied = Apply(operation, taken)
    if all(isinstance(arg, Number) for arg in taken):
        with np.errstate(all="ignore"):
            value = float(evaluate(Apply(operation, tuple(Number(np.float64(a.value)) for a in taken)), {}))  # type: ignore[union-attr]
        if not np.isfinite(value):
            raise error(text, column, f"{plain(applied)} is not a finite number")
        return Number(value)
    return _sign_first(applied)


def _sign_first(node: Apply) -> Apply:
    """(-a) b as -(a b), which is the same to the bit and shows what the factors are."""
    if node.operation not in ("*", "/"):
        return node
    left, right = node.args
    for i, arg in enumerate((left, right)):
        if isinstance(arg, Apply) and arg.operation == "negative":
            inner = _sign_first(
                Apply(node.operation, (arg.args[0], right) if i == 0 else (left, arg.args[0]))
            )
            twice = inner.operation == "negative" and isinstance(inner.args[0], Apply)
            return inner.args[0] if twice else Apply("negative", (inner,))  # type: ignore[return-value]
    return node


def _number(value: Any, text: str, column: int) -> Number:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise error(text, column, f"{value!r} is not a real number")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not np.isfinite(number):
        raise error(text, column, "a number too large for double precision")
    return Number(number)


def _call(node: ast.Call, text: str, column: int) -> tuple[str, list[ast.expr]]:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        named = (
            f"{node.func.id} is no function of laws"
            if isinstance(node.func, ast.Name)
            else "that is no function"
        )
        raise error(text, column, f"{named}; {ALLOWED}")
    name, wanted = node.func.id, FUNCTIONS[node.func.id]
    if node.keywords or len(node.args) != wanted:
        given = f"{len(node.args)}" + (" and some by name" if node.keywords else "")
        raise error(text, column, f"{name} takes {wanted} argument{'s'[: wanted > 1]}: got {given}")
    return name, node.args


def evaluate(node: Node, values: Mapping[str, Any]) -> Any:
    """The tree's value, with arrays that broadcast for its names."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return values[node.name]
    return OPERATIONS[node.operation](*(evaluate(arg, values) for arg in node.args))


def names(node: Node) -> Iterator[str]:
    """Every occurrence of a name, from left to right."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, Apply):
        for arg in node.args:
            yield from names(arg)


_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "negative": 3, "**": 4}


def _strength(node: Node) -> int:
    if isinstance(node, Number):
        return 5 if node.value >= 0 else 3
    return _STRENGTH.get(node.operation, 5) if isinstance(node, Apply) else 5


def plain(node: Node, mark: frozenset[str] = frozenset()) -> str:
    """The tree as text for terminals, such as ``A params^-alpha``; names in `mark` get a zero, as reference points."""

    def within(inner: Node, least: int) -> str:
        said = plain(inner, mark)
        return said if _strength(inner) >= least else f"({said})"

    if isinstance(node, Number):
        return f"{node.value:.12g}"
    if isinstance(node, Name):
        return node.name + ("0" if node.name in mark else "")
    operation, args = node.operation, node.args
    if operation == "negative":
        return f"-{within(args[0], 2)}"
    if operation == "**":
        product = (
            isinstance(args[1], Apply) and args[1].operation == "negative" and _strength(args[1].args[0]) == 2
        )
        return f"{within(args[0], 5)}^{within(args[1], 4 if product else 3)}"
    if operation in "+-*/":
        strength = _STRENGTH[operation]
        left, right = within(args[0], strength), within(args[1], strength + (operation in "-/"))
        if right.startswith("-"):
            right = f"({right})"
        between = (
            " "
            if operation == "*" and not right[0].isdigit() and not right.startswith("(")
            else f" {operation} "
        )
        return f"{left}{between}{right}"
    return f"{operation}({', '.join(plain(arg, mark) for arg in args)})"


_GREEK = frozenset(
    {
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
    }
    | {"xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"}
)


def latex_name(name: str) -> str:
    r"""A name in LaTeX: Greek by its name, what follows an underscore or is a number at the end as a subscript."""
    split = re.fullmatch(r"([A-Za-z]+?)_?(\d+)", name)
    head, *rest = [split[1], split[2]] if split else name.split("_")
    below = ",".join(filter(None, rest))
    symbol = f"\\{head}" if head in _GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    if not below:
        return symbol
    return f"{symbol}_{{{below if len(below) == 1 or below.isdigit() else rf'{chr(92)}mathrm{{{below}}}'}}}"


def latex(node: Node, symbols: Mapping[str, str]) -> str:
    """The tree in LaTeX, with a symbol for each of its names."""

    def within(inner: Node, least: int) -> str:
        said = latex(inner, symbols)
        fraction = isinstance(inner, Apply) and inner.operation == "/" and least <= 2
        return said if fraction or _strength(inner) >= least else rf"\left({said}\right)"

    if isinstance(node, Number):
        mantissa, _, power = f"{node.value:.12g}".partition("e")
        if not power:
            return mantissa
        return (rf"{mantissa} \cdot " if mantissa != "1" else "") + f"10^{{{int(power)}}}"
    if isinstance(node, Name):
        return symbols[node.name]
    operation, args = node.operation, node.args
    if operation == "negative":
        return f"-{within(args[0], 2)}"
    if operation == "**":
        return f"{within(args[0], 5)}^{{{latex(args[1], symbols)}}}"
    if operation == "/":
        return rf"\frac{{{latex(args[0], symbols)}}}{{{latex(args[1], symbols)}}}"
    if operation in "+-*":
        strength = _STRENGTH[operation]
        left, right = within(args[0], strength), within(args[1], strength + (operation == "-"))
        if right.startswith("-"):
            right = rf"\left({right}\right)"
        if operation != "*":
            return f"{left} {operation} {right}"
        return left + (r" \cdot " if right[0].isdigit() else r" \, ") + right
    if operation == "sqrt":
        return rf"\sqrt{{{latex(args[0], symbols)}}}"
    said = ", ".join(latex(arg, symbols) for arg in args)
    symbol = {"log": r"\ln", "log1p": r"\ln", "minimum": r"\min", "maximum": r"\max"}.get(
        operation, f"\\{operation}"
    )
    return rf"{symbol}\left({'1 + ' if operation == 'log1p' else ''}{said}\right)"
