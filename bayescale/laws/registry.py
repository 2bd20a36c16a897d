"""Finding laws: what the modules of this folder define as LAW, or as LAWS for a family, and what a user registers."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bayescale.laws.base import Law

_registered: dict[str, Law] = {}


@cache
def shipped() -> dict[str, Law]:
    """The laws of this package by name."""
    found: dict[str, Law] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        code = importlib.import_module(f"bayescale.laws.{module.name}")
        alone = getattr(code, "LAW", None)
        for law in getattr(code, "LAWS", () if alone is None else (alone,)):
            if law.name in found:
                raise ValueError(f"two laws are named {law.name!r}")
            found[law.name] = law
    return found


def laws() -> dict[str, Law]:
    """All laws by name."""
    return dict(sorted((shipped() | _registered).items()))


def law(name: str) -> Law:
    """The law of that name.

    Raises
    ------
    KeyError
        No such law; the message lists those there are.
    """
    known = laws()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise KeyError(f"no law named {name!r}.{hint} There are: {', '.join(known)}")
    return known[name]


def laws_for(columns: Iterable[str]) -> dict[str, Law]:
    """Return the laws that a table with these columns can be fitted by, those that use most of them first.

    Compute is known where params and tokens are.
    """
    there = set(columns)
    if {"params", "tokens"} <= there:
        there.add("flops")
    fitting = [law for law in laws().values() if set(law.inputs) <= there]
    return {law.name: law for law in sorted(fitting, key=lambda law: -len(law.inputs))}


def register(law: Law) -> Law:
    """Make a law of your own known by its name, for models to use; returns it.

    Raises
    ------
    ValueError
        A shipped law has that name. Registering one of yours again replaces it.
    """
    if law.name in shipped():
        raise ValueError(f"there is a law named {law.name!r} already; choose another name")
    _registered[law.name] = law
    return law
