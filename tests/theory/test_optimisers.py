"""Optimisers by simulation: SGD's envelope is the theory's, and a tuned step does not lose to an untuned one."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.theory import Features, Problem, TheoryError
from bayescale.theory.optimisers import SHARES, slope, tuned_envelope


def test_sgds_envelope_is_the_exact_one_of_the_same_features() -> None:
    sizes = (24, 48, 96)
    found = tuned_envelope(0.7, 0.6, "sgd", sizes, (2e3, 2e4), seeds=48, points=4)
    exact = []
    for d in sizes:
        trace = Problem(0.7, 0.6, d, 5 * d).trace
        for share in SHARES["sgd"]:
            features = Features.draw(Problem(0.7, 0.6, d, 5 * d, share / trace), seed=0)
            exact.append(features.risk(found["flops"] / d))
    # The best of nine means is a little better than the mean of the best.
    assert found["loss"].to_numpy() == pytest.approx(np.min(exact, axis=0), rel=0.12)
    eta, xi = slope(found)
    assert 0.3 < eta < 0.8 and 0 <= xi < 1


def test_unknown_optimisers_are_refused() -> None:
    with pytest.raises(TheoryError, match="no optimiser"):
        tuned_envelope(0.7, 0.6, "lion")
