"""What a corpus says about how fast loss falls with data: a prior for the data exponent, before any run.

Imports neither torch nor JAX.
"""

from __future__ import annotations

from bayescale.corpus.errors import CorpusError, NoPowerLaw
from bayescale.corpus.prior import CorpusPrior, corpus_prior

__all__ = ["CorpusError", "CorpusPrior", "NoPowerLaw", "corpus_prior"]
