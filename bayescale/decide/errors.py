"""Errors of allocation and comparison that are the user's to mend."""

from __future__ import annotations

from bayescale.errors import UserError


class AllocationError(UserError):
    """A budget that cannot be allocated; the message says why."""


class ConstraintError(AllocationError):
    """Constraints that contradict each other or lack a figure; the message says which and what to give."""
