"""Noise that differs by group, in the design and in the density."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.inference.quantities import prior_draws, quantities
from bayescale.laws import Range
from bayescale.models import Design, Model, ModelError, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import expected_loss, log_density, log_likelihood, log_prior, noise_of
from bayescale.models.layout import layout_of
from bayescale.models.spec import NOISIER

POOLING = {"E": "1 + (1|task)", "sigma": "1 + (1|task) + (1|architecture)"}


def designed(table: pd.DataFrame, **changes: object) -> Design:
    return make_design(Model(name="m", law="chinchilla", **{"pooling": POOLING, **changes}), table)  # type: ignore[arg-type]


def test_a_row_has_its_own_groups_noise(runs: pd.DataFrame) -> None:
    design = designed(runs)
    layout, data = layout_of(design), data_of(design)
    assert layout.noisy == (1, 1)
    assert [e.name for e in design.noise_effects] == ["sigma|task", "sigma|architecture"]
    z = np.random.default_rng(0).normal(scale=0.4, size=layout.size)
    tail = z[layout.size - 4 :]
    mean, sd = NOISIER.normal("positive")
    tau = np.exp(mean + sd * tail[2:])
    noise = {name: np.asarray(x) for name, x in noise_of(z, layout, data).items()}
    mean, sd = design.model.noise.sigma.normal("positive")
    names = layout.noise
    sigma = np.exp(mean + sd * z[layout.linear + len(layout.groups)])
    sign = {"code": 1, "docs": -1, "gpt": 1, "llama": -1}
    basis = {label: e.basis[i, 0] for e in design.noise_effects for i, label in enumerate(e.labels)}
    for row in (0, 25, 50, 79):
        task, architecture = runs["task"][row], runs["architecture"][row]
        moved = tau[0] * basis[task] * tail[0] + tau[1] * basis[architecture] * tail[1]
        assert abs(basis[task]) == pytest.approx(np.sqrt(0.5)) and sign[task]
        assert noise["sigma"][row] == pytest.approx(sigma * np.exp(moved))
    scale = noise["sigma"] * noise["sigma_decade"] ** design.decades
    by_hand = stats.t.logpdf(
        np.log(design.loss), noise["nu"], np.log(np.asarray(expected_loss(z, layout, data))), scale
    )
    assert np.asarray(log_likelihood(z, layout, data)) == pytest.approx(by_hand, rel=1e-9)
    assert names == ("sigma", "nu", "sigma_decade")


def test_prior_and_likelihood_add_up_to_the_density(runs: pd.DataFrame) -> None:
    curves = runs.assign(run_id=[f"r{i // 2}" for i in range(len(runs))])
    for table in (runs, curves):
        design = designed(table)
        layout, data = layout_of(design), data_of(design)
        for z in np.random.default_rng(2).normal(scale=0.3, size=(3, layout.size)):
            parts = sum(log_prior(z, layout, data).values()) + log_likelihood(z, layout, data).sum()
            assert float(parts) == pytest.approx(float(log_density(z, layout, data)), rel=1e-10)


def test_quantities_name_effects_and_spreads(runs: pd.DataFrame) -> None:
    design = designed(runs, spread={"sigma|task": Range(0.2, 0.3)})
    found = quantities(design, prior_draws(design, 500, np.random.default_rng(0))[None])
    assert found.dims["sigma|task"] == ["task"]
    assert found.posterior["sigma|task"].shape == (1, 500, 2)
    assert found.posterior["sigma|task"].sum(axis=-1) == pytest.approx(0, abs=1e-12)
    assert np.quantile(found.posterior["sigma|task_sd"], (0.05, 0.95)) == pytest.approx([0.2, 0.3], rel=0.03)
    assert {"sigma|task", "sigma|task_sd", "sigma|architecture_sd"} <= set(found.log_prior)


def test_without_a_formula_nothing_changes(runs: pd.DataFrame) -> None:
    plain = designed(runs, pooling={"E": "1 + (1|task)"})
    assert not plain.noise_effects and layout_of(plain).noisy == ()
    said = designed(runs, pooling={"E": "1 + (1|task)", "sigma": "1"})
    assert layout_of(said) == layout_of(plain)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"pooling": {"sigma": "1 + width"}}, "write group effects alone"),
        ({"pooling": {"sigma": "1 + (width|task)"}}, "write group effects alone"),
        ({"pooling": {"nu": "1 + (1|task)"}}, "has the parameters"),
        ({"spread": {"sigma.width": Range(0.1, 0.2)}}, "has the parameters"),
    ],
)
def test_what_noise_cannot_do_is_said(changes: dict[str, object], said: str) -> None:
    with pytest.raises((ValueError, ModelError)) as error:
        Model(name="m", law="chinchilla", **changes)  # type: ignore[arg-type]
    assert said in str(error.value)


def test_the_model_prints_it() -> None:
    text = " ".join(str(Model(name="m", law="chinchilla", pooling=POOLING)).split())
    assert "sigma ~ 1 + (1|task) + (1|architecture)" in text
    assert "sigma|task_sd 0.1 to 1 standard deviation of log sigma between levels of task" in text
