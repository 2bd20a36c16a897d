"""The rule between FLOPs, params and tokens."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.flops import FlopRule, Form, as_rule, learn_rule

WIDTHS = np.array([128, 192, 256, 384, 512, 640, 768])
BODY = 12 * (WIDTHS / 64) * WIDTHS**2
WHOLE = BODY + 50257 * WIDTHS
"""Params without and with an embedding of 50257 rows."""
TOKENS = 2e9


def test_six_where_nothing_says_otherwise() -> None:
    rule = FlopRule()
    assert rule.flops(2.0, 3.0) == 36 and rule.tokens(2.0, 36.0) == 3 and not rule.moves
    assert as_rule(7) == FlopRule(7.0) and as_rule(rule) is rule
    assert learn_rule(np.array([]), np.array([]), np.array([])) == rule


def test_k_that_rises_towards_six_is_learned_and_carried_on() -> None:
    rule = learn_rule(WHOLE, np.full(7, TOKENS), 6 * BODY * TOKENS)
    assert rule.form is Form.UNCOUNTED
    assert rule.per_param_token(WHOLE) == pytest.approx(6 * BODY / WHOLE, rel=1e-6)
    for width in (1536, 3072):
        body = 12 * width**3 / 64
        assert rule.per_param_token(body + 50257 * width) == pytest.approx(
            6 * body / (body + 50257 * width), rel=1e-6
        )
    # Of no size is less taken than of the smallest.
    assert rule.per_param_token(1e3) == pytest.approx(rule.per_param_token(WHOLE[0]))


def test_k_that_falls_towards_six_is_learned() -> None:
    rule = learn_rule(BODY, np.full(7, TOKENS), 6 * WHOLE * TOKENS)
    assert rule.form is Form.EXTRA
    assert rule.per_param_token(BODY) == pytest.approx(6 * WHOLE / BODY, rel=1e-6)
    cost = rule.flops(np.geomspace(1e4, 1e12, 200), 1.0)
    assert (np.diff(cost) > 0).all()


def test_k_that_leaves_six_stays_as_it_is_beyond_the_runs() -> None:
    size = np.geomspace(1e7, 1e9, 8)
    rule = learn_rule(size, np.full(8, TOKENS), 6 * (size / 1e7) ** 0.2 * size * TOKENS)
    assert rule.form is Form.POWER
    assert rule.per_param_token(size) == pytest.approx(6 * (size / 1e7) ** 0.2)
    assert rule.per_param_token(1e12) == pytest.approx(rule.per_param_token(1e9))


@pytest.mark.parametrize("scatter", [0.001, 0.2])
def test_k_that_does_not_move_with_size_is_its_median(scatter: float) -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        k = 8 * np.exp(scatter * rng.normal(size=30))
        size = np.exp(rng.uniform(np.log(1e7), np.log(1e9), 30))
        rule = learn_rule(size, np.full(30, TOKENS), k * size * TOKENS)
        alarms += rule.moves
        if not rule.moves:
            assert rule.typical == pytest.approx(np.median(k))
    assert alarms <= 4


@pytest.mark.parametrize(
    "rule", [FlopRule(7.0), learn_rule(WHOLE, np.full(7, TOKENS), 6 * BODY * TOKENS).times(1.1)]
)
def test_sizes_tokens_and_flops_agree(rule: FlopRule) -> None:
    ratio = np.array([0.5, 20.0, 3000.0])
    size = rule.size_at(ratio, 1e20)
    assert rule.tokens(size, 1e20) / size == pytest.approx(ratio)
    assert rule.flops(size, ratio * size) == pytest.approx(1e20)
