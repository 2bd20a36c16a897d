"""Errors of the tables and questions about skills."""

from __future__ import annotations

from bayescale.errors import UserError


class SkillsError(UserError):
    """A table of skills, scores or groups that cannot be used; the message says where and what to do."""
