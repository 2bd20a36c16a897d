"""Which runs to make: values of information against what is exact, and against refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayescale as bs
from bayescale.api import before_data
from bayescale.decide import Costs, DecisionError, Utility
from bayescale.decide.candidates import generate_candidates
from bayescale.decide.evsi import evsi, evsi_reweighted
from bayescale.decide.information import Knowledge, quantity
from bayescale.decide.local_information import LocalKnowledge, within
from bayescale.decide.measurements import Measurements, reach_of
from bayescale.forecast import loss_draws
from bayescale.forecast.known_runs import Given

CODE = {"architecture": "gpt", "task": "code"}
BIG = bs.Action(name="big", params=1.5e6, tokens=6e6, groups=CODE)
STAY = bs.Action(name="stay", kind="nothing")


def gaussian(
    sd: float, noise: float, shift: float, draws: int = 6000, seed: int = 0
) -> tuple[Measurements, np.ndarray]:
    """Measurements of a normal quantity with normal noise, for which everything is known in closed form."""
    theta = np.random.default_rng(seed).normal(0.0, sd, size=draws)
    made = Measurements(posterior=None, runs=pd.DataFrame(index=[0]), seed=seed + 1)  # type: ignore[arg-type]
    flat = np.ones((draws, 1))
    given = Given(np.zeros(1, bool), np.zeros(1, int), 0 * flat, noise * flat, 0 * flat, 1e6 * flat)
    made.__dict__.update(expected=theta[:, None], given=given)
    return made, np.stack([np.zeros(draws), theta + shift], axis=1)


@pytest.mark.parametrize("noise", [0.3, 2.0])
@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("copies", [1, 3])
def test_sample_information_is_exact_where_that_is_known(noise: float, shift: float, copies: int) -> None:
    """Raiffa & Schlaifer's: doing nothing, or something worth theta + shift, theta ~ N(0, 1), measured with noise."""
    made, utility = gaussian(1.0, noise, shift)
    s = 1 / np.sqrt(1 + noise**2 / copies)
    exact = s * norm.pdf(shift / s) + shift * norm.cdf(shift / s) - max(0.0, shift)
    batch = (0,) * copies
    value = evsi(made, batch, utility, utility, chains=4)
    assert value.smooth == pytest.approx(exact, abs=max(0.1 * exact, 0.012))
    assert value.evsi == pytest.approx(exact, abs=max(0.1 * exact, 4 * value.error))
    weighted, error, effective = evsi_reweighted(made, batch, utility, sets=500)
    assert effective > 100
    assert weighted == pytest.approx(exact, abs=max(0.1 * exact, 4 * error))


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("noise", [3.0, 20.0, 1000.0])
def test_errors_of_a_fit_are_no_gains(noise: float, shift: float) -> None:
    """Few draws and runs that tell little: the maximum over actions is that of expectations, not of their errors."""
    s = 1 / np.sqrt(1 + noise**2)
    exact = s * norm.pdf(shift / s) + shift * norm.cdf(shift / s) - shift
    found = []
    for seed in range(40):
        made, utility = gaussian(1.0, noise, shift, draws=400, seed=seed)
        value = evsi(made, (0,), utility, utility, chains=4)
        found.append((value.smooth, value.evsi))
    assert (np.mean(found, axis=0) < exact + 0.006).all()


def test_runs_are_worth_nothing_between_equal_actions() -> None:
    made, utility = gaussian(1.0, 0.5, 0.0)
    same = utility[:, [1, 1]]
    value = evsi(made, (0,), same, same, chains=4)
    assert value.smooth == pytest.approx(0, abs=1e-12) and value.evsi == 0
    assert evsi_reweighted(made, (0,), same)[0] == pytest.approx(0, abs=1e-12)


def test_information_gain_is_exact_where_that_is_known() -> None:
    for noise, copies in ((0.5, 1), (1.0, 2), (2.0, 4)):
        made, _ = gaussian(1.0, noise, 0.0)
        gain = Knowledge(made, made.expected).gain((0,) * copies)
        assert gain == pytest.approx(0.5 * np.log1p(copies / noise**2), rel=0.03)


def test_the_two_estimates_agree_on_a_posterior(posterior: bs.Posterior) -> None:
    from bayescale.decide.outcomes import cost_of, outcomes, point_of
    from bayescale.decide.stakes import stakes

    decision = close_call(posterior)
    found = outcomes(posterior, decision)
    cost = np.array([cost_of(posterior, decision, a) for a in found.actions])
    utility = stakes(decision, found, cost).given_law
    runs = pd.DataFrame([{"params": 4e5, "tokens": 2e6, **CODE}, {"params": 2e5, "tokens": 1e6, **CODE}])
    made = Measurements(posterior, runs, reach=reach_of(posterior, point_of(BIG.run)))
    for batch in ((0,), (1,), (0, 1)):
        value = evsi(made, batch, utility, np.log(found.expected), chains=4)
        weighted, error, _ = evsi_reweighted(made, batch, utility, sets=1000)
        assert value.smooth == pytest.approx(
            weighted, abs=max(0.1 * weighted, 3 * np.hypot(error, value.error))
        )


def close_call(posterior: bs.Posterior) -> bs.Decision:
    point = pd.DataFrame([{"params": BIG.params, "tokens": BIG.tokens, **CODE}])
    return bs.Decision(
        target_loss=float(posterior.predict(point, quantiles=(0.5,))["q0.5"].iloc[0]),
        utility=Utility(unit="USD", at_target=100.0),
        costs=Costs(per_flop=50 / (6 * 1.5e6 * 6e6)),
        actions=(BIG, STAY),
    )


def test_a_plan_stops_where_nothing_is_worth_its_cost(posterior: bs.Posterior) -> None:
    decision = close_call(posterior)
    plan = posterior.plan(decision)
    assert plan.worth_it and plan.gain > plan.cost
    assert (plan.candidates["flops"] <= 0.1 * 6 * 1.5e6 * 6e6 * 1.001).all()
    # At a hundred times the price of compute, the action's own price kept, no run pays.
    dear = decision.model_copy(
        update={
            "costs": Costs(per_flop=100 * 50 / (6 * 1.5e6 * 6e6)),
            "actions": (BIG.model_copy(update={"cost": 50.0}), STAY),
        }
    )
    none = posterior.plan(dear)
    assert not none.worth_it and not len(none.runs)
    assert none.sentence == "nothing is worth its cost."


def test_a_batch_tells_more_than_its_first_run_and_costs_what_it_says(posterior: bs.Posterior) -> None:
    target = pd.DataFrame([{"params": BIG.params, "tokens": BIG.tokens, **CODE}])
    offered = generate_candidates(posterior, target, 1e13)
    one, three = (posterior.plan(target, offered, budget=3e13, most=most) for most in (1, 3))
    assert three.gain > one.gain > 0
    assert three.runs["flops"].sum() <= 3e13 * 1.001
    assert three.gain == pytest.approx(three.runs["gain"].sum())


def test_the_law_linearised_at_draws_knows_what_the_posterior_knows(posterior: bs.Posterior) -> None:
    rows = [{"params": n, "tokens": d, **CODE} for n in (3e4, 1e5, 1e6) for d in (1e6, 4e6)]
    candidates, targets = pd.DataFrame(rows[:4]), pd.DataFrame(rows[4:])
    measurements = Measurements(posterior, candidates, 0, reach_of(posterior, targets))
    local = LocalKnowledge(measurements, targets)
    # What is left of every run's variance when nothing is bought is the posterior's, drift beyond the runs included.
    both = pd.concat([candidates, targets], ignore_index=True)
    now = np.log(loss_draws(posterior, both, "mean")[0]).var(axis=0)
    there = local.variance().mean(axis=0)
    assert there == pytest.approx(now, rel=0.5)
    # And so is how the two go together, which is what buying is about.
    alone = LocalKnowledge(measurements, targets.tail(1))
    draws = Knowledge(measurements, quantity(posterior, targets.tail(1))[:, None])
    # A summary by variances sees more noise in a heavy tail than its likelihood does: by (nu + 1) nu / (nu^2 + nu - 6).
    told = alone.each() > 0.3 * max(alone.each())
    ratio = (alone.each() / draws.each())[told]
    assert told.sum() > 1
    assert (ratio > 0.8).all() and (ratio < 2.0).all()
    assert alone.each().argmax() == draws.each().argmax()
    batch = (1, 1, 3)
    each = local.each(batch)
    for i in range(4):
        assert each[i] == pytest.approx(local.gain((*batch, i)) - local.gain(batch), abs=1e-6)
    assert local.gain(batch) > local.gain(batch[:2]) > local.gain(batch[:1]) > 0


def test_runs_of_new_groups_are_planned_from_draws(posterior: bs.Posterior) -> None:
    known = pd.DataFrame([{"params": 1e5, "tokens": 1e6, **CODE}])
    assert within(posterior, known)
    for new in (known.assign(task="latin"), known.drop(columns="task")):
        assert not within(posterior, new)
        assert posterior.plan(new, known, budget=1e13, most=1, new_groups=True).candidates["gain"].item() > 0


def test_quantities_by_name(posterior: bs.Posterior) -> None:
    assert quantity(posterior, "alpha_mean") == pytest.approx(posterior.draws("alpha_mean"))
    assert quantity(posterior, "E[gpt:docs]") == pytest.approx(posterior.draws("E")[:, 1])
    assert np.median(quantity(posterior, "N*(1e13)")) == pytest.approx(
        np.log(posterior.allocate([1e13]).table["params"]).mean(), abs=0.05
    )
    for about, said in (("gamma", "no quantity 'gamma'"), ("E[gpt:latin]", "there are gpt:code")):
        with pytest.raises(DecisionError, match=said):
            quantity(posterior, about)


def test_a_first_sweep_from_the_prior_spreads_over_what_the_law_multiplies() -> None:
    prior = before_data(bs.Model(name="one", law="chinchilla"), budget=1e18)
    assert prior.health().verdict == "REVIEW"
    plan = prior.plan(["alpha", "beta"], budget=1e18, most=6)
    assert plan.runs["flops"].sum() <= 1e18 * 1.001
    # Two exponents need runs apart in size, in tokens, and in their ratio.
    for column in ("params", "tokens"):
        assert plan.runs[column].max() / plan.runs[column].min() > 5
    ratio = plan.runs["tokens"] / plan.runs["params"]
    assert ratio.max() / ratio.min() > 10
    with pytest.raises(DecisionError, match="give baseline_loss"):
        prior.decide(bs.Decision(actions=(bs.Action(name="a", params=1e9, tokens=2e10),), target_loss=2.0))
    with pytest.raises(DecisionError, match="for E, A, alpha"):
        prior.plan("N*(1e20)", budget=1e18)


def test_a_runs_gain_adds_up_before_any_data() -> None:
    from bayescale.decide.first_information import FirstKnowledge

    prior = before_data(bs.Model(name="one", law="chinchilla"), budget=1e18)
    knowledge = FirstKnowledge(prior, prior.runs, ["alpha"])
    batch = (3, 17)
    each = knowledge.each(batch)
    for i in (0, 17, 30):
        assert each[i] == pytest.approx(knowledge.gain((*batch, i)) - knowledge.gain(batch), abs=1e-9)


@pytest.mark.parametrize(
    "offered, said",
    [
        (pd.DataFrame({"params": [1e9], "tokens": [1e12]}), "no candidate costs"),
        (pd.DataFrame(columns=["params", "tokens"]), "has no rows"),
        (pd.DataFrame({"params": [1e4]}), "params and tokens"),
    ],
)
def test_candidates_that_cannot_be_chosen_from(
    posterior: bs.Posterior, offered: pd.DataFrame, said: str
) -> None:
    with pytest.raises(DecisionError, match=said):
        posterior.plan(close_call(posterior), offered)


def test_candidates_without_a_price(posterior: bs.Posterior) -> None:
    decision = close_call(posterior)
    unpriced = decision.model_copy(
        update={"costs": None, "actions": (BIG.model_copy(update={"cost": 50.0}), STAY)}
    )
    offered = pd.DataFrame([{"params": 4e5, "tokens": 2e6, **CODE}])
    with pytest.raises(DecisionError, match="what candidates cost in USD is missing"):
        posterior.plan(unpriced, offered)
    assert posterior.plan(unpriced, offered.assign(cost=0.01)).cost > 0


@pytest.mark.slow
def test_sample_information_against_refits() -> None:
    """Eighty sets of measurements, each fitted anew with the runs that there were.

    Seven runs, and two more inside their range: beyond it a refit starts the drift anew, which the estimate allows for
    (`Measurements.expected`) but does not repeat.
    """
    from bayescale.decide.outcomes import cost_of, outcomes
    from bayescale.decide.stakes import stakes
    from benchmarks.design.calibration import MODEL, dear_runs, world
    from benchmarks.design.inference import quick_fit

    runs = world(5)[0].iloc[[0, 2, 4, 10, 12, 14, 20]].reset_index(drop=True)
    posterior = quick_fit(runs, MODEL, 0).posterior
    far = dear_runs().iloc[2]
    big = bs.Action(name="big", params=far["params"], tokens=far["tokens"])
    point = pd.DataFrame([{"params": far["params"], "tokens": far["tokens"]}])
    decision = bs.Decision(
        target_loss=float(posterior.predict(point, quantiles=(0.5,))["q0.5"].iloc[0]),
        baseline_loss=float(runs["loss"].min()),
        utility=Utility(unit="USD", at_target=100.0),
        actions=(big.model_copy(update={"cost": 50.0}), STAY),
        reach=9.0,
    )

    def utilities(one: bs.Posterior) -> np.ndarray:
        found = outcomes(one, decision)
        cost = np.array([cost_of(one, decision, a) for a in found.actions])
        return stakes(decision, found, cost).given_law

    ratio = np.array([20.0, 110.0])
    params = np.sqrt(9.9e18 / 6 / ratio)
    candidate = pd.DataFrame({"params": params, "tokens": ratio * params, "flops": 9.9e18})
    made = Measurements(posterior, candidate, reach=reach_of(posterior, point))
    now = utilities(posterior)
    value = evsi(made, (0, 1), now, np.log(outcomes(posterior, decision).expected), chains=1)
    measured = np.exp(made.simulated((0, 1)))
    gains = []
    for s in np.random.default_rng(2).choice(len(measured), 80, replace=False):
        after = utilities(
            quick_fit(pd.concat([runs, candidate.assign(loss=measured[s])]), MODEL, 1).posterior
        )
        gains.append(after.mean(axis=0).max() - after.mean(axis=0)[now.mean(axis=0).argmax()])
    error = np.std(gains) / np.sqrt(len(gains))
    assert np.mean(gains) > 4 * error
    assert value.smooth == pytest.approx(np.mean(gains), abs=max(0.1 * np.mean(gains), 2.5 * error))
    weighted, spread, _ = evsi_reweighted(made, (0, 1), now)
    assert value.smooth == pytest.approx(weighted, abs=max(0.1 * weighted, 3 * np.hypot(spread, value.error)))
