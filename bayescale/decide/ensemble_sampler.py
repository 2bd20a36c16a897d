"""A sampler for densities of a few parameters that cost next to nothing: an ensemble of walkers.

Goodman & Weare 2010 (Comm. App. Math. Comp. Sci. 5, 65, section 2): a walker moves along the line to one of the other
half, so that no step size is set and stretched densities cost nothing extra. NUTS would take longer to compile than
this takes to run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STRETCH = 2.0
"""a of the stretch distribution, 1/sqrt(z) between 1/a and a."""

WALKERS, WARMUP, STEPS, THIN = 160, 600, 1200, 48


def sample(
    log_density: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    spread: float,
    rng: np.random.Generator,
    warmup: int = WARMUP,
    steps: int = STEPS,
) -> np.ndarray:
    """Draws from a density.

    Parameters
    ----------
    log_density : callable
        ``(walkers, parameters) -> (walkers,)``; minus infinity outside its support.
    start : ndarray, shape (parameters,)
        Inside its support.
    spread : float
        Standard deviation of the walkers about it, at first.
    rng : Generator
    warmup, steps : int
        Steps of every walker that are dropped, and kept (one in `THIN`).

    Returns
    -------
    ndarray, shape (draws, parameters)
        4,000 with the default steps.
    """
    size = len(start)
    half = WALKERS // 2
    walkers = start + spread * rng.normal(size=(WALKERS, size))
    density = log_density(walkers)
    kept = []
    for step in range(warmup + steps):
        for own in (slice(0, half), slice(half, None)):
            rest = walkers[half:] if own.start == 0 else walkers[:half]
            stretch = ((STRETCH - 1) * rng.random(half) + 1) ** 2 / STRETCH
            towards = rest[rng.integers(half, size=half)]
            proposed = towards + stretch[:, None] * (walkers[own] - towards)
            found = log_density(proposed)
            log_ratio = (size - 1) * np.log(stretch) + found - density[own]
            taken = np.log(rng.random(half)) < log_ratio
            walkers[own] = np.where(taken[:, None], proposed, walkers[own])
            density[own] = np.where(taken, found, density[own])
        if step >= warmup and (step - warmup) % THIN == THIN - 1:
            kept.append(walkers.copy())
    return np.concatenate(kept)
