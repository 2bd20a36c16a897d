"""Regret and the value of information where the answer is known: by a known law, and by quadrature over the noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import bayescale as bs
from bayescale.decide import Costs, Effect, Utility
from bayescale.decide.outcomes import outcomes
from bayescale.decide.run_losses import RunLosses
from bayescale.decide.stakes import stakes
from bayescale.decide.utility import cvar
from bayescale.posterior import prior_posterior
from tests.simulate import simulate

SMALL = bs.Action(name="small", params=2e5, tokens=2e6, cost=8.0)
LARGE = bs.Action(name="large", params=4e5, tokens=4e6, cost=20.0)
STAY = bs.Action(name="stay", kind="nothing")
CERTAIN = 1e-6, 1 - 1e-6


@pytest.fixture(scope="module")
def unknown() -> bs.Posterior:
    """A law that is not known: draws of a prior about runs that reach beyond the actions."""
    sizes = simulate(np.geomspace(3e10, 1e14, 3), 3, seed=0)[["params", "tokens"]].drop_duplicates()
    prior = prior_posterior(sizes, bs.Model(name="one", law="chinchilla"), draws=1000, kind=bs.Posterior)
    # Priors of amplitudes are wide: laws that are about alike are kept, and then differ by a tenth.
    middle = np.median(prior.z, axis=0)
    return with_draws(prior, middle + 0.1 * (prior.z - middle))


@pytest.fixture(scope="module")
def known(unknown: bs.Posterior) -> bs.Posterior:
    """A law that is known: all draws are one."""
    return with_draws(unknown, np.repeat(unknown.z[:1], 400, axis=0))


def with_draws(posterior: bs.Posterior, z: np.ndarray) -> bs.Posterior:
    """The same model with other draws."""
    with patch("bayescale.posterior.prior_draws", lambda *_: z):
        return prior_posterior(posterior.runs, posterior.model, draws=len(z), kind=bs.Posterior)


def asked(posterior: bs.Posterior, form: str, **more: object) -> bs.Decision:
    """Whether to make a run: a coin's toss between its worth and its cost, by each form of worth."""
    point = pd.DataFrame([{"params": LARGE.params, "tokens": LARGE.tokens}])
    middle = float(posterior.predict(point, quantiles=(0.5,))["q0.5"].iloc[0])
    lines = ((0.9 * middle, 60.0), (middle, 30.0), (1.1 * middle, 0.0))
    utility = {
        "at_target": Utility(unit="USD", at_target=40.0),
        "per_nat": Utility(unit="USD", per_nat=400.0 / middle),
        "points": Utility(unit="USD", points=lines),
        "step": Utility(unit="USD", points=((middle, 40.0), (middle * (1 + 1e-9), 0.0))),
    }[form]
    given = {
        "actions": (SMALL, LARGE, STAY),
        "utility": utility,
        "target_loss": middle,
        "baseline_loss": 1.04 * middle,
        "first_share": 0.0,
    }
    return bs.Decision(**(given | more))


FORMS = ["at_target", "per_nat", "points", "step"]


@pytest.mark.parametrize("form", FORMS)
def test_a_law_that_is_known_leaves_no_regret(known: bs.Posterior, form: str) -> None:
    verdict = known.decide(asked(known, form))
    assert verdict.perfect_information == 0
    assert (verdict.regret == 0).all()
    assert sorted(verdict.table["p_best"]) == [0, 0, 1]


@pytest.mark.parametrize("form", FORMS)
def test_regret_is_that_of_quadrature_over_the_noise(unknown: bs.Posterior, form: str) -> None:
    few = with_draws(unknown, unknown.z[:25])
    decision = asked(unknown, form)
    verdict = few.decide(decision)
    made = outcomes(few, decision)
    exact = np.stack(
        [by_quadrature(decision, made.losses, float(made.baseline[i]), i) for i in range(3)], axis=1
    )
    exact -= [SMALL.cost, LARGE.cost, 0.0]
    best = int(exact.mean(axis=0).argmax())
    regret = exact.max(axis=1) - exact[:, best]
    assert regret.mean() > 0.5, "the law has to matter"
    assert verdict.table["utility"].to_numpy() == pytest.approx(exact.mean(axis=0), abs=1e-3)
    assert verdict.perfect_information == pytest.approx(
        exact.max(axis=1).mean() - exact.mean(axis=0).max(), abs=2e-3
    )
    assert verdict.regret == pytest.approx(regret, abs=5e-3)
    assert verdict.table["regret_q0.95"].iloc[best] == pytest.approx(np.quantile(regret, 0.95), abs=5e-3)


def by_quadrature(decision: bs.Decision, losses: RunLosses, baseline: float, i: int) -> np.ndarray:
    """Expected worth of action `i` given each draw, the noise integrated numerically."""
    assert decision.utility is not None
    found = []
    for c, s, nu in zip(losses.centre[:, i], losses.scale[:, i], losses.freedom[:, i], strict=True):
        if s == 0:
            found.append(float(decision.utility.worth(np.array(c), decision.target_loss, baseline)))
            continue
        ends = [x for x, _ in decision.utility.points or ()] + [decision.target_loss, baseline]
        kinks = stats.t.cdf(np.log(np.array(ends) / c) / s, nu)

        def worth(u: float, c: float = c, s: float = s, nu: float = nu) -> float:
            loss = c * np.exp(np.clip(s * stats.t.ppf(u, nu), -50, 50))
            return float(decision.utility.worth(np.array(loss), decision.target_loss, baseline))

        inside = sorted({float(k) for k in kinks if CERTAIN[0] < k < CERTAIN[1]})
        edges = [0.0, *inside, 1.0]
        found.append(sum(integrate.quad(worth, a, b, limit=200)[0] for a, b in pairwise(edges)))
    return np.array(found)


def equals(**more: object) -> tuple[bs.Action, bs.Action]:
    one = bs.Action(**({"name": "one", "params": 4e5, "tokens": 4e6} | more))
    return one, one.model_copy(update={"name": "other"})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kind": "ensemble", "members": 3, "effect": Effect(ratio=(0.95, 0.99))},
        {"kind": "compress", "effect": Effect(nats=(0.01, 0.05))},
    ],
    ids=["run", "ensemble", "compress"],
)
def test_of_two_equal_actions_neither_is_regretted(unknown: bs.Posterior, form: str, more: dict) -> None:
    for attitude in ("expected value", "cvar", "reach target"):
        decision = asked(
            unknown, form, actions=equals(**more), costs=Costs(per_flop=1e-12), attitude=attitude
        )
        verdict = unknown.decide(decision)
        assert verdict.perfect_information == 0
        assert (verdict.regret == 0).all()
        assert verdict.table["p_best"].tolist() == [0.5, 0.5]
        assert np.ptp(verdict.table["score"]) == 0


def test_equal_actions_of_learned_costs_are_equal(unknown: bs.Posterior) -> None:
    seconds = unknown.runs["params"] * unknown.runs["tokens"] / 1e9
    off = np.exp(0.5 * np.random.default_rng(0).normal(size=len(seconds)))
    timed = replace(unknown, runs=unknown.runs.assign(seconds=seconds * off))
    costs = Costs(measured="seconds", per_unit=0.01)
    verdict = timed.decide(asked(unknown, "per_nat", actions=equals(), costs=costs, attitude="cvar"))
    assert verdict.perfect_information == 0 and (verdict.regret == 0).all()
    assert np.ptp(verdict.table["score"]) == 0


def test_attitudes_see_the_noise_of_a_known_law(known: bs.Posterior) -> None:
    decision = asked(known, "per_nat", attitude="cvar", worst=0.3)
    made = outcomes(known, decision)
    c, s, nu = (x[0, 1] for x in (made.losses.centre, made.losses.scale, made.losses.freedom))
    losses = c * np.exp(s * stats.t.ppf((np.arange(200_000) + 0.5) / 200_000, nu))
    worth = decision.utility.worth(losses, None, decision.baseline_loss) - LARGE.cost
    at_stake = stakes(decision, made, np.array([SMALL.cost, LARGE.cost, 0.0]))
    assert at_stake.score()[1] == pytest.approx(cvar(worth, 0.3), abs=0.02 * np.ptp(worth))
    reached = stakes(
        decision.model_copy(update={"attitude": "reach target"}),
        made,
        np.array([SMALL.cost, LARGE.cost, 0.0]),
    )
    exact = stats.t.cdf(np.log(decision.target_loss / c) / s, nu)
    assert reached.score()[1] == pytest.approx(exact, abs=1e-12)


def test_doing_nothing_gains_nothing(unknown: bs.Posterior) -> None:
    table = unknown.decide(asked(unknown, "per_nat")).table.set_index("action")
    assert table.loc["stay", "p_gain"] == 0
    assert table.loc["stay", "gain"] == pytest.approx(0, abs=1e-12)
    assert 0.5 < table.loc["large", "p_gain"] <= 1
