"""Revisions: one integer for each part of the package whose change changes results.

Raise a revision in the commit that changes results, and say in the CHANGELOG what changed. Renaming, moving and
documenting change no result and raise nothing. Golden results fail when results change without a
raise. Revision 1 is everything before revisions were counted (November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REVISIONS: Mapping[str, int] = MappingProxyType(
    {
        "sampler": 2,
        "default_model": 2,
        "discrepancy": 2,
        "decisions": 2,
        "trainer": 1,
    }
)
"""Present revision of each part: how posteriors are sampled; `models/generalised.toml`; misfit and drift; extrapolation
levels, verdicts and allocation; the bundled trainer."""


def revisions_of(*parts: str) -> dict[str, int]:
    """Return the present revision of some parts, to be kept with a result that depends on them.

    Raises
    ------
    KeyError
        No such part.
    """
    return {part: REVISIONS[part] for part in parts}


def outdated(kept: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the parts of a kept result that have changed since: revision then, and now."""
    return {part: (then, REVISIONS[part]) for part, then in kept.items() if REVISIONS[part] != then}


def outdated_text(kept: Mapping[str, int]) -> str:
    """Return the same in words, empty where nothing has changed: ``sampler 1 (now 2)``."""
    return ", ".join(
        f"{part.replace('_', ' ')} {then} (now {now})" for part, (then, now) in outdated(kept).items()
    )
