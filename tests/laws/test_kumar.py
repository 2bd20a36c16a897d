from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws.kumar import degradation, effective_params, precision_factor, training_flops
from tests.laws.law_checks import check_inside, check_monotone, check_prior_predictive, check_round_trip

TRAINED, SERVED = bs.law("kumar"), bs.law("kumar-post")
VALUES = dict(SERVED.published[0].values)
AT = {
    "params": 1e8,
    "tokens": 5e9,
    "precision_weights": 8.0,
    "precision_activations": 8.0,
    "precision_kv": 8.0,
}
POST = {**AT, "precision_post": 5.0}
FULL = {**AT, "precision_weights": 1e3, "precision_activations": 1e3, "precision_kv": 1e3}


def test_prior_and_centring() -> None:
    for law, at in ((TRAINED, AT), (SERVED, POST)):
        check_inside(law, law.published[0].values, at)
        check_round_trip(law, dict(law.published[0].values), at)
        check_prior_predictive(law, at, 0.3, 12)


def test_full_precision_is_hoffmanns_law() -> None:
    hoffmann = bs.law("chinchilla").loss(VALUES, AT)
    assert float(effective_params(VALUES, FULL)) == pytest.approx(1e8)
    assert float(TRAINED.loss(VALUES, FULL)) == pytest.approx(float(hoffmann))
    assert float(SERVED.loss(VALUES, {**FULL, "precision_post": 1e3})) == pytest.approx(float(hoffmann))
    assert 3 < float(hoffmann) < 4


def test_rounding_adds_to_hoffmanns_law() -> None:
    law = bs.law("kumar-rounded")
    values = {name: VALUES[name] for name in law.parameter_names}
    at = {"params": 1e8, "tokens": 5e9, "precision_post": 4.0}
    check_round_trip(law, values, at)
    check_prior_predictive(law, at, 0.3, 12)
    check_monotone(law, values, at, falling=("params",))
    fewer, more = (law.loss(values, {**at, "precision_post": bits}) for bits in (3.0, 8.0))
    assert float(fewer) > float(law.loss(values, at)) > float(more)
    hoffmann = bs.law("chinchilla").loss(values, at)
    assert float(law.loss(values, at)) == pytest.approx(float(hoffmann + degradation(values, at)))
    # Kumar's loss at 16 bits and more is Hoffmann's; their exponents of what rounding adds are these.
    exact = {**at, "precision_post": 1e3}
    assert float(law.loss(values, exact)) == pytest.approx(float(hoffmann))


def test_the_offset_makes_the_cache_collapse_at_three_to_four_bits() -> None:
    """With offsets the cache keeps .83 of the model at four bits, .51 at three; without them it looks harmless."""
    assert float(precision_factor(VALUES, "kv", 4.0)) == pytest.approx(0.828, abs=1e-3)
    assert float(precision_factor(VALUES, "kv", 3.0)) == pytest.approx(0.510, abs=1e-3)
    bare = VALUES | {"n_w": 0.0, "n_a": 0.0, "n_kv": 0.0}
    at_three = {part: float(precision_factor(bare, part, 3.0)) for part in ("w", "a", "kv")}
    assert at_three["kv"] > 0.95 > max(at_three["w"], at_three["a"])
    assert precision_factor(VALUES, "kv", 3.0) < precision_factor(VALUES, "w", 3.0)


def test_below_the_last_bit_losses_stay_finite() -> None:
    assert np.isfinite(TRAINED.loss(VALUES, {**AT, "precision_kv": 1.0}))


def test_falls_with_size_and_bits() -> None:
    bits = np.linspace(4, 16, 25)
    for column in ("precision_weights", "precision_activations", "precision_kv"):
        assert (np.diff(TRAINED.loss(VALUES, {**AT, column: bits})) < 0).all()
    assert (np.diff(SERVED.loss(VALUES, {**POST, "precision_post": bits})) < 0).all()
    check_monotone(TRAINED, VALUES, AT, falling=("params", "tokens"))


def test_more_data_can_raise_the_served_loss() -> None:
    small = {**POST, "params": 3e7, "precision_post": 3.0}
    assert SERVED.loss(VALUES, {**small, "tokens": 1e12}) > SERVED.loss(VALUES, {**small, "tokens": 1e10})
    ratio = degradation(VALUES, {**small, "tokens": 4e9}) / degradation(VALUES, {**small, "tokens": 1e9})
    assert float(ratio) == pytest.approx(4**0.5068)


def test_cost_at_sixteen_bits_is_six_n_d() -> None:
    assert training_flops(1e8, 1e9, 16) == pytest.approx(6e17)
