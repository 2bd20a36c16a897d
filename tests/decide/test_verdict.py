from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import DecisionError, RefusalReason
from bayescale.inference import Health
from tests.simulate import simulate

BIG = bs.Action(name="big", params=1.5e6, tokens=6e6, groups={"architecture": "gpt", "task": "code"})


def band(posterior: bs.Posterior) -> pd.Series:
    points = pd.DataFrame([{"params": BIG.params, "tokens": BIG.tokens, **BIG.groups}])
    return posterior.predict(points, quantiles=(0.05, 0.5, 0.95)).iloc[0]


def test_go_no_go_and_run_first(posterior: bs.Posterior) -> None:
    run = band(posterior)
    answers = {}
    for target in (run["q0.95"] + 0.01, run["q0.5"], run["q0.05"] - 0.01):
        verdict = posterior.decide(bs.Decision(actions=(BIG,), target_loss=target))
        answers[verdict.answer] = verdict
    assert list(answers) == ["go", "run first", "no-go"]
    assert all(verdict.reason is None for verdict in answers.values())
    assert answers["go"].table["p_target"].item() > 0.95
    assert answers["no-go"].table["p_target"].item() < 0.05
    assert answers["run first"].table["p_target"].item() == pytest.approx(0.5, abs=0.03)
    first = answers["run first"].first
    assert (first["flops"] <= 0.1 * answers["run first"].table["flops"].item() * 1.001).all()
    assert first["sd_after"].iloc[0] < first["sd_now"].iloc[0]
    assert "First run" in answers["run first"].sentence


def test_too_little_gain_is_a_no_go(posterior: bs.Posterior) -> None:
    run = band(posterior)
    verdict = posterior.decide(
        bs.Decision(
            actions=(BIG,), target_loss=run["q0.95"] + 0.05, baseline_loss=run["q0.5"] + 0.01, min_gain=0.1
        )
    )
    assert verdict.answer == "no-go"
    assert "less than the 0.10 asked for" in verdict.sentence


def test_of_two_good_actions_the_cheaper_one_is_chosen(posterior: bs.Posterior) -> None:
    bigger = BIG.model_copy(update={"name": "bigger", "tokens": 5e7})
    verdict = posterior.decide(
        bs.Decision(actions=(bigger, BIG), target_loss=band(posterior)["q0.95"] + 0.05)
    )
    assert (verdict.answer, verdict.action) == ("go", "big")


def test_a_failed_fit_gives_no_verdict(posterior: bs.Posterior) -> None:
    checks = tuple(replace(c, verdict="FAIL") if c.name == "R-hat" else c for c in posterior.health().checks)
    failed = bs.Posterior(
        posterior.tree, posterior.model, posterior.runs, Health(checks), posterior.provenance
    )
    verdict = failed.decide(bs.Decision(actions=(BIG,), target_loss=9.0))
    assert verdict.answer == "not from these data"
    assert verdict.reason is RefusalReason.FAILED_FIT and "R-hat" in verdict.sentence
    assert verdict.to_dict()["reason"] == "failed_fit"


def test_variance_removed_is_what_a_run_there_would_remove(posterior: bs.Posterior) -> None:
    """Against re-weighting the posterior by what a run there may measure."""
    target = pd.DataFrame([{"params": BIG.params, "tokens": BIG.tokens, **BIG.groups}])
    # Among the runs: what one beyond them tells of the drift, a refit would not carry on.
    candidate = pd.DataFrame([{"params": 1e5, "tokens": 3e6, **BIG.groups}])
    ranked = posterior.next_runs(target, candidate)
    from bayescale.forecast import expected_loss

    wanted = np.log(expected_loss(posterior, target)[0][:, 0])
    there = np.log(expected_loss(posterior, candidate)[0][:, 0])
    sigma, nu = posterior.noise_scale(candidate, 0.0)[:, 0], posterior.draws("nu")
    from scipy import stats

    rng = np.random.default_rng(0)
    after = []
    for i in rng.choice(len(wanted), 300):
        measured = there[i] + sigma[i] * rng.standard_t(nu[i])
        weight = stats.t.pdf(measured, nu, there, sigma)
        weight /= weight.sum()
        after.append(np.sum(weight * wanted**2) - np.sum(weight * wanted) ** 2)
    assert 1 - np.mean(after) / wanted.var() == pytest.approx(ranked["variance_removed"].item(), abs=0.08)


def test_candidates_beyond_the_budget_are_refused(posterior: bs.Posterior) -> None:
    target = pd.DataFrame([{"params": BIG.params, "tokens": BIG.tokens, **BIG.groups}])
    with pytest.raises(ValueError, match="no candidate costs 1e\\+03 FLOPs or less"):
        posterior.next_runs(target, target, budget=1e3)


@pytest.mark.parametrize(
    "groups, said",
    [
        ({"colour": "blue"}, "not grouped by colour; they are by architecture, task"),
        ({"task": "latin"}, "give baseline_loss"),
    ],
)
def test_an_action_that_the_runs_say_nothing_about(
    posterior: bs.Posterior, groups: dict[str, str], said: str
) -> None:
    with pytest.raises(DecisionError) as error:
        action = BIG.model_copy(update={"groups": groups})
        posterior.decide(bs.Decision(actions=(action,), target_loss=2.0, new_groups=True))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("target_loss = 2.0", "actions: Field required"),
        ('target_loss = -1\n[[actions]]\nname="a"\nparams=1\ntokens=1', "target_loss"),
        (
            'target_loss = 2\ngo = 0.1\n[[actions]]\nname="a"\nparams=1\ntokens=1',
            "no_go (0.2) must be below go (0.1)",
        ),
        (
            'target_loss = 2\n[[actions]]\nname="a"\nparams=1\ntokens=1\ntoken=2',
            "actions.0.token: is not a key here",
        ),
        ("target_loss = ", "decision.toml"),
    ],
)
def test_a_mistake_in_a_decision_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "decision.toml"
    path.write_text(text)
    with pytest.raises(DecisionError) as error:
        bs.Decision.from_toml(path)
    assert said in str(error.value) and "decision.toml" in str(error.value)


def test_no_answer_where_the_forecast_of_unseen_runs_fails(posterior: bs.Posterior) -> None:
    good = simulate(np.array([5e12]), sizes=3, seed=5)
    held = posterior.decide(bs.Decision(actions=(BIG,), target_loss=9.0), holdout=good)
    assert held.answer == "go" and held.record is not None and not held.record.broken
    assert "refit with them included" in str(held)
    assert held.to_dict()["held_out"]["accepted"] == held.record.accepted.sum() >= 10
    off = good.assign(loss=0.95 * good["loss"])
    verdict = posterior.decide(bs.Decision(actions=(BIG,), target_loss=9.0), holdout=off)
    assert verdict.answer == "not from these data"
    assert verdict.reason is RefusalReason.HELD_OUT_BROKEN
    assert (
        verdict.record is not None and verdict.record.p_value <= 0.001 and not verdict.record.accepted.any()
    )
    assert "12 of 12 lie below" in verdict.sentence and "off by 5." in verdict.sentence
