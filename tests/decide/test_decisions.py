"""Decisions with a utility: what is chosen and what it is worth, what being wrong could cost, what would flip it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bayescale as bs
from bayescale.decide import Costs, DecisionError, Effect, RefusalReason, Run, Utility
from bayescale.decide.flips import power_weights
from bayescale.decide.stakes import Stakes
from bayescale.decide.utility import cvar
from bayescale.posterior import prior_posterior
from tests.simulate import simulate

CODE = {"architecture": "gpt", "task": "code"}
BIG = bs.Action(name="big", params=1.5e6, tokens=6e6, groups=CODE)
STAY = bs.Action(name="stay", kind="nothing")
FLOPS = 6 * 1.5e6 * 6e6


def asked(posterior: bs.Posterior, price: float = 40.0, level: float = 0.7, **more) -> bs.Decision:
    """Reaching a loss that the big run reaches with probability `level` is worth 100 USD, the run costs `price`."""
    point = posterior.predict(_point(BIG), quantiles=(level,))
    given = {
        "target_loss": float(point[f"q{level:g}"].iloc[0]),
        "utility": Utility(unit="USD", at_target=100.0),
        "costs": Costs(per_flop=price / FLOPS),
        "actions": (BIG, STAY),
        "first_share": 0.0,
    }
    return bs.Decision(**(given | more))


def _point(action: bs.Action):
    from bayescale.decide.outcomes import point_of

    return point_of(action.run)


def test_expected_utility_is_worth_times_odds_less_cost(posterior: bs.Posterior) -> None:
    verdict = posterior.decide(asked(posterior))
    row = verdict.table.set_index("action").loc["big"]
    assert (verdict.answer, verdict.action) == ("go", "big")
    assert row["p_target"] == pytest.approx(0.7, abs=0.02)
    assert row["utility"] == pytest.approx(100 * row["p_target"] - 40, abs=1e-9)
    # Of independent draws the error would be the standard deviation over their root.
    assert 0.1 < row["utility_se"] < 3
    assert "40.0 taken off" in verdict.sentence and "USD" in verdict.sentence
    dear = posterior.decide(asked(posterior, price=90.0))
    assert (dear.answer, dear.action) == ("no-go", "stay")


def test_regret_of_the_best_is_the_value_of_perfect_information(posterior: bs.Posterior) -> None:
    verdict = posterior.decide(asked(posterior))
    assert (verdict.regret >= 0).all()
    assert verdict.regret.mean() == pytest.approx(verdict.perfect_information, rel=1e-9)
    table = verdict.table.set_index("action")
    # Regrets differ as utilities do.
    assert table.loc["stay", "regret"] - table.loc["big", "regret"] == pytest.approx(
        table.loc["big", "utility"] - table.loc["stay", "utility"], rel=1e-9
    )
    assert table["p_best"].sum() == pytest.approx(1.0)


def test_worth_and_target_at_which_the_choice_flips(posterior: bs.Posterior) -> None:
    decision = asked(posterior)
    verdict = posterior.decide(decision)
    flips = {flip.what: flip for flip in verdict.flips}
    p = verdict.table.set_index("action").loc["big", "p_target"]
    assert flips["worth"].at == pytest.approx(40 / (100 * p), rel=0.01)
    assert "stay" in flips["worth"].to
    # At the flip the odds are what the run costs.
    there = posterior.decide(decision.model_copy(update={"target_loss": flips["target"].at}))
    assert there.table.set_index("action").loc["big", "p_target"] == pytest.approx(0.4, abs=0.01)
    assert {"prior", "likelihood"} <= set(flips)


def test_a_prior_scaled_by_a_power_is_that_prior() -> None:
    """Of draws of a prior: standard normal coordinates have variance 1 / power under it."""
    candidates = simulate(np.geomspace(3e10, 3e12, 3), 3, seed=0)[["params", "tokens"]].drop_duplicates()
    prior = prior_posterior(candidates, bs.Model(name="one", law="chinchilla"), draws=20000)
    weights = power_weights(prior, "prior", 1.3)
    assert weights is not None
    variance = np.average(prior.z**2, axis=0, weights=weights)
    assert variance == pytest.approx(1 / 1.3, abs=0.06)


def test_attitudes(posterior: bs.Posterior) -> None:
    safe = bs.Action(name="safe", params=2e5, tokens=2e6, groups=CODE, cost=1.0)
    risky = BIG.model_copy(update={"cost": 1.0})
    chance = asked(posterior).target_loss
    far = float(posterior.predict(_point(safe), quantiles=(0.999,))["q0.999"].iloc[0])
    points = ((far, 60.0), (chance + 1e-3, 61.0), (chance, 150.0))
    # The utility is not monotone in safety: the risky run may end between the two points.
    decision = bs.Decision(
        actions=(safe, risky),
        first_share=0.0,
        target_loss=chance,
        utility=Utility(unit="USD", points=points),
        reach=9.0,
    )
    assert posterior.decide(decision).action == "big"
    cautious = decision.model_copy(update={"attitude": "reach target"})
    assert posterior.decide(cautious).action == "big"
    verdict = posterior.decide(decision.model_copy(update={"attitude": "cvar", "worst": 0.1}))
    score = verdict.table.set_index("action")["score"]
    # In the worst tenth the target is missed: sixty and a bit either way, less the cost.
    assert score["big"] < 62 and score["safe"] < 62


def test_cvar_is_the_mean_of_the_worst() -> None:
    values = np.arange(100.0)
    assert cvar(values, 0.1) == pytest.approx(4.5)
    doubled = np.where(values < 50, 2.0, 0.0)
    assert cvar(values, 0.1, doubled / doubled.sum()) == pytest.approx(2.0)
    worth = np.stack([np.tile([0.0, 10.0], 50), np.full(100, 4.0)], axis=1)[:, None, :]
    stakes = Stakes(("risky", "safe"), worth, np.zeros(2), worth > 3, "cvar", 0.2)
    assert stakes.names[stakes.choice()] == "safe"


def test_ensembles_and_compression_do_what_is_said(posterior: bs.Posterior) -> None:
    few = bs.Action(
        name="few",
        kind="ensemble",
        members=3,
        params=5e5,
        tokens=6e6,
        groups=CODE,
        effect=Effect(ratio=(0.95, 0.97)),
    )
    small = bs.Action(
        name="small", kind="compress", params=1.5e6, tokens=6e6, groups=CODE, effect=Effect(nats=(0.01, 0.03))
    )
    verdict = posterior.decide(asked(posterior, actions=(BIG, few, small, STAY)))
    table = verdict.table.set_index("action")
    assert table.loc["few", "flops"] == pytest.approx(3 * 6 * 5e5 * 6e6)
    assert table.loc["small", "loss_median"] - table.loc["big", "loss_median"] == pytest.approx(
        0.02, abs=0.003
    )
    alone = posterior.predict(_point(few), quantiles=(0.5,))["q0.5"].iloc[0]
    assert table.loc["few", "loss_median"] / alone == pytest.approx(0.96, abs=0.002)
    with pytest.raises(DecisionError, match="says nothing of ensembles"):
        posterior.decide(asked(posterior, actions=(few.model_copy(update={"effect": None}), STAY)))


def test_making_runs_first_is_worth_between_nothing_and_everything(posterior: bs.Posterior) -> None:
    runs = (Run(params=5e5, tokens=1.7e6, groups=CODE),) * 3
    first = bs.Action(name="look", kind="first", runs=runs, cost=0.5)
    decision = asked(posterior, price=65.0, actions=(BIG, STAY, first))
    verdict = posterior.decide(decision)
    table = verdict.table.set_index("action")
    now = table.loc[["big", "stay"], "utility"].max()
    assert now - 0.5 < table.loc["look", "utility"] < now + verdict.perfect_information - 0.5
    assert (verdict.answer, verdict.action) == ("run first", "look")
    assert len(verdict.first) == 3
    # The same runs at a price above what they tell are not made.
    dear = decision.model_copy(update={"actions": (BIG, STAY, first.model_copy(update={"cost": 30.0}))})
    assert posterior.decide(dear).action != "look"


def test_runs_that_tell_more_than_they_cost_come_first(posterior: bs.Posterior) -> None:
    # The big run has a price of its own, and is a toss-up; others are cheap beside it, so that looking first pays.
    dear = BIG.model_copy(update={"cost": 69.0})
    cheap = {"actions": (dear, STAY), "costs": Costs(per_flop=2.0 / FLOPS)}
    verdict = posterior.decide(asked(posterior, first_share=0.1, **cheap))
    assert verdict.answer == "run first" and verdict.plan is not None
    assert verdict.plan.gain - verdict.plan.cost > 2 * verdict.plan.error
    assert verdict.plan.gain < verdict.perfect_information
    sure = asked(posterior, price=10.0, level=0.995, first_share=0.1)
    verdict = posterior.decide(sure)
    assert verdict.answer == "go" and "worth its cost" in str(verdict)


def test_an_action_further_out_than_forecasts_were_checked(posterior: bs.Posterior) -> None:
    far = bs.Action(name="far", params=1.5e8, tokens=6e8, groups=CODE)
    decision = bs.Decision(actions=(far,), target_loss=1.5)
    verdict = posterior.decide(decision)
    assert verdict.answer == "not from these data"
    assert verdict.reason is RefusalReason.TOO_FAR
    assert "decades of compute beyond" in verdict.sentence and "Missing: runs up to about" in verdict.sentence
    believed = posterior.decide(decision.model_copy(update={"reach": 6.0}))
    assert believed.answer != "not from these data"


def test_another_law_is_asked_too(posterior: bs.Posterior) -> None:
    verdict = posterior.decide(asked(posterior), others=[posterior])
    assert verdict.flips[-1].what == "law chinchilla" and not verdict.flips[-1].flips


def test_per_nat_and_points_are_bounded() -> None:
    nats = Utility(unit="nats", per_nat=2.0)
    assert nats.worth(np.array([1.5, 3.0, 1e9]), None, 2.0) == pytest.approx([1.0, 0.0, 0.0])
    lines = Utility(unit="USD", points=((3.0, 0.0), (2.0, 10.0)))
    assert lines.worth(np.array([1.0, 2.5, 9.0]), None, None) == pytest.approx([10.0, 5.0, 0.0])


RUN = '[[actions]]\nname="a"\nparams=1e6\ntokens=1e7\n'


@pytest.mark.parametrize(
    "text, said",
    [
        ("target_loss=2\n[utility]\nat_target=5\n" + RUN, "needs the unit"),
        ('target_loss=2\n[utility]\nunit="USD"\nat_target=5\n' + RUN, "costs are missing for 'a'"),
        ('[utility]\nunit="USD"\nat_target=5\n[costs]\nper_flop=1\n' + RUN, "target_loss"),
        ('[utility]\nunit="USD"\n[costs]\nper_flop=1\n' + RUN, "one of at_target, per_nat and points"),
        ("target_loss=2\n" + RUN + '[[actions]]\nname="b"\nkind="nothing"', "needs a [utility]"),
        ("target_loss=2\n[costs]\nper_flop=1\n" + RUN, "need a [utility]"),
        (
            'target_loss=2\n[[actions]]\nname="a"\nkind="compress"\nparams=1\ntokens=1',
            "what compressing does",
        ),
        (
            'target_loss=2\n[[actions]]\nname="a"\nkind="ensemble"\nparams=1\ntokens=1',
            "two or more `members`",
        ),
        ('target_loss=2\n[[actions]]\nname="a"\nparams=1', "give its tokens"),
        (
            'target_loss=2\n[[actions]]\nname="a"\nkind="compress"\nparams=1\ntokens=1\neffect={ratio=[1.1,1.0]}',
            "low first",
        ),
        (
            '[utility]\nunit="USD"\npoints=[[2.0,1],[2.0,3]]\n[costs]\nper_flop=1\n' + RUN,
            "different, positive losses",
        ),
    ],
)
def test_a_mistake_in_a_utility_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "decision.toml"
    path.write_text(text)
    with pytest.raises(DecisionError) as error:
        bs.Decision.from_toml(path)
    assert said in str(error.value) and "decision.toml" in str(error.value)
