"""Every check of a fit in one call, and that each sees what it is for."""

import dataclasses

import numpy as np
import pytest
from arviz_stats import loo, psense

import bayescale as bs
from bayescale.posterior import prior_posterior
from bayescale.report import ReportError
from bayescale.report.diagnosis import Diagnosis, diagnose


@pytest.fixture(scope="module")
def found(posterior) -> Diagnosis:
    return diagnose(posterior)


def with_losses(posterior, losses):
    """The same draws, as if other losses had been measured."""
    tree = posterior.tree.copy()
    tree["observed_data"]["loss"] = ("row", losses)
    return dataclasses.replace(posterior, tree=tree, runs=posterior.runs.assign(loss=losses))


def test_runs_of_the_law_pass_the_predictive_checks(found):
    assert found.predictive["check"].tolist() == [
        "inside 50\u00a0%", "inside 80\u00a0%", "inside 90\u00a0%", "scatter", "largest miss",
    ]  # fmt: skip
    assert not len(found.odd), found.predictive
    assert found.predictive["p"].between(0, 1).all()


def test_runs_that_the_model_would_not_make_are_seen(posterior):
    losses = posterior.runs["loss"].to_numpy().copy()
    losses[0] *= 1.5
    odd = diagnose(with_losses(posterior, losses)).odd
    assert "largest miss" in set(odd["check"])
    rng = np.random.default_rng(0)
    noisy = posterior.runs["loss"].to_numpy() * np.exp(0.1 * rng.normal(size=len(losses)))
    odd = diagnose(with_losses(posterior, noisy)).odd.set_index("check")
    assert odd.loc["inside 90\u00a0%", "measured"] < 0.7 and odd.loc["scatter", "p"] > 0.975
    replicated = np.log(posterior.tree["posterior_predictive"]["loss"].to_numpy())
    exact = np.exp(np.median(replicated, axis=(0, 1)))
    odd = diagnose(with_losses(posterior, exact)).odd.set_index("check")
    assert odd.loc["scatter", "measured"] == pytest.approx(0, abs=1e-12), (
        "losses without any scatter are named too"
    )


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_leave_one_out_is_arvizs(found, posterior):
    raw = loo(posterior.tree, var_name="log_loss", pointwise=True)
    assert found.loo.elpd == pytest.approx(float(raw.elpd))
    assert len(found.loo.pareto_k) == len(posterior.runs)
    assert list(found.loo.bad) == list(1 + np.flatnonzero(raw.pareto_k.to_numpy() > raw.good_k))


def test_sensitivity_scales_the_stated_priors_alone(found, posterior):
    table = found.sensitivity.set_index("quantity")
    names = {f"{p}_mean" for p in ("E", "A", "alpha", "B", "beta")} | {"sigma", "nu", "alpha|task_sd"}
    assert names <= set(table.index)
    stated = [n for n in posterior.tree["log_prior"].data_vars if "|" not in n or n.endswith("_sd")]
    direct = psense(posterior.tree, var_names=["nu"], group="prior", group_var_names=stated)
    assert table.loc["nu", "prior"] == pytest.approx(float(direct["nu"]), abs=1e-5)
    # Twelve runs a cell tell the noise's scale, and little of how heavy its tails are.
    assert table.loc["sigma", "what"] != "mostly the prior"
    assert table["prior"].is_monotonic_decreasing


def test_it_prints_as_a_whole(found):
    text = str(found)
    for part in (
        "health:",
        "posterior predictive checks",
        "leave-one-out: elpd",
        "Pareto k above",
        "sensitivity",
    ):
        assert part in text


def test_figures_are_arvizs_and_leave_nothing_behind(found, tmp_path):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    made = found.figures(tmp_path / "figures")
    assert [p.stem for p in made] == ["ranks", "energy", "replicated", "pareto-k"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in made)
    assert plt.get_fignums() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="is a file"):
        found.figures(tmp_path / "file")


def test_one_call_from_the_posterior(posterior):
    assert isinstance(posterior.diagnose(), Diagnosis)


def test_a_prior_has_nothing_to_check(posterior):
    with pytest.raises(ReportError, match="draws of a prior"):
        diagnose(prior_posterior(posterior.runs, bs.Model.load("chinchilla"), draws=100))
