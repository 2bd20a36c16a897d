"""Exponents of power laws, with the range in which they are read as part of the uncertainty."""

from __future__ import annotations

import numpy as np

from bayescale.corpus.correlation import Correlation
from bayescale.corpus.entropy import line
from bayescale.corpus.errors import NoPowerLaw

Array = np.ndarray

LATEST_START = 4
"""Tokens: little text resolves short distances alone, so that a window must begin where they are."""

SPAN = 16
"""Last distance over first of a window: a power law over less than a decade is none."""

GAMMA = np.geomspace(0.05, 3.0, 120)
"""Exponents of entropy, equally likely in the log before the text is seen."""

ENTROPY_ROUGHNESS = 0.02
"""Nats by which conditional entropies may leave a power law."""


def windows(n: Array, usable: int) -> list[tuple[int, int]]:
    """Every range of distances, as indices of first and last, in which a power law is read.

    It begins at `LATEST_START` tokens or before, spans a factor of `SPAN` or more, and lies within the first `usable`
    of the ascending distances `n`.
    """
    return [
        (a, b) for a in range(usable) if n[a] <= LATEST_START for b in range(a, usable) if n[b] >= SPAN * n[a]
    ]


def correlated(correlation: Correlation) -> list[tuple[int, int]]:
    """The windows of distances whose correlations are all significant.

    Raises
    ------
    NoPowerLaw
        There is none.
    """
    n, seen = correlation.distances, correlation.significant
    reach = len(n) if seen.all() else int(np.argmin(seen))
    found = windows(n, reach)
    if not found:
        where = "not above the noise of counting"
        if reach:
            where = f"above the noise of counting up to distance {n[reach - 1]} only"
        raise NoPowerLaw(
            f"no correlation to fit: token-token correlations are {where}, and a power law needs at least {SPAN}; "
            "the text is random at that distance, or there is too little of it: add text, or keep the default prior"
        )
    return found


def beta_draws(correlation: Correlation, draws: int, rng: np.random.Generator) -> Array:
    """Draws of beta in |C(n)| ~ n^-beta, shape (draws,).

    A draw takes one window, every one equally likely; moves the measured squares by their jackknife covariance; and
    draws the slope of log |C| on log n with the scatter about the line as its error, Student-t.

    Raises
    ------
    NoPowerLaw
        There is no window, or correlations fall as an exponential, or not at all.
    """
    found = correlated(correlation)
    left = correlation.left_out - correlation.left_out.mean(axis=0)
    root = np.sqrt((len(left) - 1) / len(left)) * left
    log_n = np.log(correlation.distances)
    out = np.empty(draws)
    for d in range(draws):
        a, b = found[rng.integers(len(found))]
        moved = correlation.square + rng.normal(size=len(root)) @ root
        x = log_n[a : b + 1]
        y = 0.5 * np.log(np.maximum(moved, 0.1 * correlation.square)[a : b + 1])
        x = x - x.mean()
        slope = x @ y / (x @ x)
        rest = y - y.mean() - slope * x
        freedom = len(x) - 2
        error = np.sqrt(rest @ rest / freedom / (x @ x))
        out[d] = -(slope + error * rng.standard_t(freedom))
    if (out > 0).mean() < 0.95:
        raise NoPowerLaw(
            "correlations between tokens do not fall with distance in this text: the theory gives no exponent for it; "
            "keep the default prior"
        )
    if straighter_as_exponential(correlation):
        raise NoPowerLaw(
            "no correlation to fit: token-token correlations fall as an exponential, a short memory such as tokenising "
            "random words leaves, and not as a power law; keep the default prior"
        )
    return out[out > 0][rng.integers((out > 0).sum(), size=draws)]


def gamma_draws(contexts: Array, entropy: Array, rng: np.random.Generator) -> Array:
    """Draws of gamma in H_n = H_inf + a n^-gamma, a draw for each row of `entropy`.

    Parameters
    ----------
    contexts : ndarray of int, shape (contexts,)
        n, ascending from 0.
    entropy : ndarray, shape (draws, contexts)
        H_n.

    Notes
    -----
    A draw takes one window of context lengths, and draws gamma given the entropies there, with H_inf and a by least
    squares and not negative.
    """
    contexts, entropy = contexts[1:], entropy[:, 1:]
    found = windows(contexts, len(contexts))
    chosen = rng.integers(len(found), size=len(entropy))
    place = rng.uniform(size=len(entropy))
    out = np.empty(len(entropy))
    for index, (a, b) in enumerate(found):
        rows = np.flatnonzero(chosen == index)
        n, values = contexts[a : b + 1], entropy[rows, a : b + 1].T
        squares = np.array([line(n**-g, values)[2] for g in GAMMA])
        log_weight = -(len(n) - 1) / 2 * np.log(squares + len(n) * ENTROPY_ROUGHNESS**2)
        share = np.cumsum(np.exp(log_weight - log_weight.max(axis=0)), axis=0)
        out[rows] = GAMMA[(share < place[rows] * share[-1]).sum(axis=0)]
    return out


def straighter_as_exponential(correlation: Correlation) -> bool:
    """Whether log |C| is clearly straighter in n than in log n over the widest window: a short memory, no power law."""
    a, b = max(
        correlated(correlation), key=lambda w: correlation.distances[w[1]] / correlation.distances[w[0]]
    )
    n, y = correlation.distances[a : b + 1].astype(float), np.log(correlation.size[a : b + 1])
    power, exponential = (np.polyfit(x, y, 1, full=True)[1][0] for x in (np.log(n), n))
    return bool(len(n) * np.log(power / exponential) > 6)
