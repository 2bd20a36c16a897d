"""What can be wrong with a corpus."""

from __future__ import annotations

from bayescale.errors import UserError


class CorpusError(UserError):
    """A corpus that cannot be read or measured; the message names it and the remedy."""


class NoPowerLaw(CorpusError):
    """A corpus whose correlations or entropies do not fall as the theory needs: no exponent is given."""
