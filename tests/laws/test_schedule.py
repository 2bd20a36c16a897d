from __future__ import annotations

import itertools

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws.schedule import schedule_areas
from tests.laws.law_checks import check_monotone, check_prior_predictive, check_round_trip

STEPS = 24000
CONSTANT = np.full(STEPS, 3e-4)
COSINE = 3e-5 + 2.7e-4 * (1 + np.cos(np.pi * np.arange(STEPS) / STEPS)) / 2
WSD = np.where(np.arange(STEPS) < 19200, 3e-4, 3e-4 * (1 - (np.arange(STEPS) - 19200) / 4800))
TISSUE = {"L0": 2.6, "A": 0.43, "alpha": 0.55, "C": 0.4}


def test_areas_of_a_constant_rate() -> None:
    area, annealing = schedule_areas(CONSTANT)
    assert np.asarray(area) == pytest.approx(3e-4 * np.arange(1, STEPS + 1))
    assert np.asarray(annealing) == pytest.approx(0, abs=1e-15)


def test_areas_of_one_drop() -> None:
    rates = np.r_[np.full(10, 3e-4), np.full(500, 1e-4)]
    _, annealing = schedule_areas(rates, decay=0.99)
    passed = np.arange(1, 501)
    assert np.asarray(annealing[10:]) == pytest.approx(2e-4 * (1 - 0.99**passed) / 0.01)


def test_areas_match_the_definition() -> None:
    area, annealing = schedule_areas(COSINE)
    m = s2 = 0.0
    for before, now in itertools.pairwise(COSINE):
        m = 0.999 * m + (before - now)
        s2 += m
    assert float(annealing[-1]) == pytest.approx(s2)
    assert float(area[-1]) == pytest.approx(COSINE.sum())


def test_tissue() -> None:
    law, reference = bs.law("tissue"), {"lr_area": 5.0, "lr_annealing": 0.1}
    check_round_trip(law, TISSUE, reference)
    check_prior_predictive(law, reference, 0.1, 8)
    check_monotone(law, TISSUE, reference, falling=("lr_area", "lr_annealing"))
    area, annealing = schedule_areas(WSD)
    decayed = law.loss(TISSUE, {"lr_area": area, "lr_annealing": annealing})
    assert decayed[-1] < law.loss(TISSUE, {"lr_area": area[-1], "lr_annealing": 0.0})
    assert float(law.loss(TISSUE, {"lr_area": 1.0, "lr_annealing": 0.0})) == pytest.approx(3.03)
