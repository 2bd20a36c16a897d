"""Refusals to answer: their reasons, as values that programs compare, with a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RefusalReason(StrEnum):
    """Reason why a decision has no answer."""

    FAILED_FIT = "failed_fit"
    """The fit failed its health gate."""
    HELD_OUT_BROKEN = "held_out_broken"
    """Held-out runs contradict the forecast that was made of them."""
    TOO_FAR = "too_far"
    """An action that may be the answer lies further beyond the runs than forecasts are believed."""
    REFIT = "refit"
    """The same, and held-out runs that were forecast well lie where runs are missing: fit them too."""


@dataclass(frozen=True)
class Refusal:
    """No answer, and why.

    Attributes
    ----------
    reason : RefusalReason
    sentence : str
        What is wrong, and what to do.
    action : str
        The action that it is about; empty where it is about all of them.
    """

    reason: RefusalReason
    sentence: str
    action: str = ""
