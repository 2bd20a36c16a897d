"""What repeated tokens are worth, for laws that have no word on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale.laws import law
from bayescale.laws.muennighoff import effective_tokens


def worth_draws(given: float | None, draws: int, seed: int = 0) -> np.ndarray:
    """Draws of R_D*, shape (draws,): the given figure, or the prior of Muennighoff's law (90 % in 2 to 60)."""
    if given is not None:
        return np.full(draws, given)
    parameter = law("muennighoff").parameter("R_D")
    mean, sd = parameter.prior.normal(parameter.support)
    return np.asarray(np.exp(mean + sd * np.random.default_rng([seed, 7]).normal(size=draws)))


def worth_of(tokens: Any, unique_tokens: float, worth: Any) -> Any:
    """Fresh tokens that `tokens` come to when only `unique_tokens` are distinct (Muennighoff et al. 2023, eq. 5)."""
    return effective_tokens({"R_D": worth}, {"tokens": tokens, "unique_tokens": unique_tokens})
