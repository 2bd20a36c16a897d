"""The sibling theory: its exponents, its dictionary, and gradient flow on data that are used again."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.theory import Problem, exponents, from_bordelon, gradient_flow, limits, scaling, to_bordelon
from bayescale.theory.errors import TheoryError


def test_the_dictionary() -> None:
    assert to_bordelon(0.7, 0.3) == pytest.approx((2.0, 1.4))
    assert from_bordelon(2.0, 1.4) == pytest.approx((0.7, 0.3))
    with pytest.raises(TheoryError, match="a > b"):
        from_bordelon(1.0, 1.4)


def test_both_theories_agree_where_the_target_is_hard() -> None:
    """a - 1 < b is phase Ia: the same compute exponents, and the same size exponent."""
    for alpha, beta in ((0.7, 0.3), (1.0, 0.4), (0.6, 0.2)):
        mine, theirs = exponents(alpha, beta), scaling(*to_bordelon(alpha, beta))
        assert mine.phase == "Ia" and not theirs.disagree and theirs.note == ""
        assert (theirs.compute, theirs.size_with_compute) == pytest.approx((mine.eta, mine.xi))
        assert theirs.time_with_compute == pytest.approx(1 - mine.xi)


def test_the_disagreement_is_flagged_and_random_features_side_with_one() -> None:
    a, b = to_bordelon(1.0, 0.9)
    theirs = scaling(a, b)
    assert theirs.disagree and (theirs.size, theirs.size_of_features) == pytest.approx((2.8, 2.0))
    assert "min(a-1, 2b)" in theirs.note
    floors = [limits(Problem(1.0, 0.9, d)).floor for d in (3e3, 1e4)]
    assert -np.diff(np.log(floors))[0] / np.log(1e4 / 3e3) == pytest.approx(theirs.size_of_features, abs=0.05)


def test_reused_data_open_a_gap() -> None:
    problem = Problem(0.8, 0.6, 60, 300)
    times = np.array([1.0, 1e2, 1e4, 1e6])
    few, many = (gradient_flow(problem, samples, times) for samples in (40, 4000))
    share = few.gap / few.test
    assert share[0] < 0.5 and share[-1] > 0.95 and few.train[-1] < 1e-3 * few.train[0]
    assert few.test[-1] > 3 * many.test[-1]
    assert np.abs(many.gap[-1]) < 0.1 * many.test[-1]
    # Many samples and a long time leave the floor of random features.
    floors = [gradient_flow(problem, 3000, [1e9], seed=s).test[0] for s in range(16)]
    error = np.std(floors) / 4
    # And what 3,000 samples cost: a factor of 1 / (1 - d / samples).
    assert np.mean(floors) == pytest.approx(limits(problem).floor / (1 - 60 / 3000), abs=3 * error)
    assert error < 0.06 * np.mean(floors)


def test_ensembles_average_the_features_away() -> None:
    problem = Problem(0.8, 0.6, 30, 300)
    alone, eight = (
        np.mean([gradient_flow(problem, 2000, [1e6], seed=s, ensemble=k).test[0] for s in range(3)])
        for k in (1, 8)
    )
    wide = gradient_flow(Problem(0.8, 0.6, 240, 300), 2000, [1e6]).test[0]
    assert wide < eight < 0.8 * alone


def test_time_alone_has_the_time_exponent() -> None:
    """Wider and with more data the loss comes nearer to sum_k k^-a e^(-2 k^-b t), which falls as t^-(a-1)/b."""
    a, b = to_bordelon(0.7, 0.3)
    times, off = np.array([10.0, 100.0]), []
    for d, samples in ((100, 400), (600, 3000)):
        v = 5 * d
        k = np.arange(1.0, v + 1)
        alone = (k**-a * np.exp(-2 * k**-b * times[:, None])).sum(axis=1)
        off.append(np.abs(gradient_flow(Problem(0.7, 0.3, d, v), samples, times).test / alone - 1))
    assert (off[1] < 0.6 * off[0]).all() and off[1][0] < 0.2
    endless = np.arange(1.0, 2e6)
    falls = np.log([(endless**-a * np.exp(-2 * endless**-b * t)).sum() for t in (30.0, 300.0)])
    assert -np.diff(falls)[0] / np.log(10) == pytest.approx(scaling(a, b).time, abs=0.02)
