"""What can be wrong with a question to the theory."""

from __future__ import annotations

from bayescale.errors import UserError


class TheoryError(UserError):
    """A problem that the theory does not cover, or a value out of range; the message says which and what to do."""


class DivergesError(TheoryError):
    """A step size at which one-pass SGD diverges; the message says up to which it does not."""


class EdgeError(TheoryError):
    """No best size at a budget: the loss falls, or rises, to the edge of the sizes that were looked at."""
