"""The compiled density against the same model written out with SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.inference.quantities import prior_draws
from bayescale.models import DesignError, Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import cell_parameters, expected_loss, log_density, log_spreads
from bayescale.models.layout import layout_of, split


def by_hand(z: np.ndarray, design) -> float:  # type: ignore[no-untyped-def]
    """Log density, factor by factor."""
    model, law = design.model, design.law
    total = stats.norm.logpdf(z[:5]).sum()
    linked = {}
    for i, parameter in enumerate(law.parameters):
        mean, sd = model.prior(parameter.name).normal("positive")
        linked[parameter.name] = np.full(len(design.cells), mean + sd * z[i])
    at = 5
    spreads = split(z, layout_of(design)).spreads
    for i, effects in enumerate(design.effects):
        u = z[at : at + effects.free]
        at += effects.free
        mean, sd = model.spread_prior(effects.parameter, effects.factor).normal("positive")
        total += stats.norm.logpdf(u, 0, np.exp(mean + sd * spreads[i])).sum()
        total += stats.norm.logpdf(spreads[i])
        for c, cell in enumerate(design.cells.itertuples(index=False)):
            level = tuple(getattr(cell, column) for column in effects.factor)
            linked[effects.parameter][c] += (effects.basis @ u)[effects.levels.index(level)]
    at += len(design.effects)
    total += stats.norm.logpdf(z[at:]).sum()
    names = ("sigma", "nu", "sigma_decade")
    normals = [getattr(model.noise, name).normal("positive") for name in names]
    sigma, nu, decade = (np.exp(m + s * x) for (m, s), x in zip(normals, z[at:], strict=True))
    flops = 6 * design.inputs["params"] * design.inputs["tokens"]
    decades = np.log10(flops) - np.log10(flops).mean()
    alpha, beta = np.exp(linked["alpha"]), np.exp(linked["beta"])
    n0, d0 = design.reference["params"], design.reference["tokens"]
    for i, c in enumerate(design.cell):
        size = np.exp(linked["A"][c]) * (design.inputs["params"][i] / n0) ** -alpha[c]
        data = np.exp(linked["B"][c]) * (design.inputs["tokens"][i] / d0) ** -beta[c]
        scale = np.hypot(sigma * decade ** decades[i], design.loss_se[i] / design.loss[i])
        total += stats.t.logpdf(
            np.log(design.loss[i]), nu, np.log(np.exp(linked["E"][c]) + size + data), scale
        )
    return float(total)


def test_density_equals_the_model_written_out(runs: pd.DataFrame) -> None:
    few = runs.iloc[::4].assign(loss_se=lambda t: 0.003 * t["loss"])
    interacting = Model.load("chinchilla").model_copy(
        update={
            "pooling": {
                "E": "1 + (1|architecture) + (1|task) + (1|architecture:task)",
                "alpha": "1 + (1|task)",
            }
        }
    )
    for model in (Model.load("chinchilla"), interacting):
        design = make_design(model, few)
        layout, data = layout_of(design), data_of(design)
        rng = np.random.default_rng(1)
        points = rng.normal(scale=0.4, size=(20, layout.size))
        ours = np.array([float(log_density(z, layout, data)) for z in points])
        theirs = np.array([by_hand(z, design) for z in points])
        # Equal up to the constants of the standard normals, which ours leaves out.
        assert ours - theirs == pytest.approx(np.full(20, (ours - theirs)[0]), abs=2e-5)


def test_prior_draws_come_from_the_prior(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("chinchilla"), runs)
    layout, data = layout_of(design), data_of(design)
    parts = split(prior_draws(design, 4000, np.random.default_rng(0)), layout)
    tau = np.exp(np.asarray(log_spreads(parts.spreads, data)))
    for i, effects in enumerate(parts.effects):
        assert stats.kstest((effects / tau[:, i : i + 1]).ravel(), "norm").pvalue > 1e-4
        mean, sd = design.model.spread_prior(design.effects[i].parameter, design.effects[i].factor).normal(
            "positive"
        )
        assert stats.kstest(np.log(tau[:, i]), stats.norm(mean, sd).cdf).pvalue > 1e-4


def test_effects_sum_to_zero_and_interactions_over_both_sides(runs: pd.DataFrame) -> None:
    model = Model.load("chinchilla").model_copy(
        update={"pooling": {"E": "1 + (1|architecture) + (1|task) + (1|architecture:task)"}}
    )
    table = pd.concat([runs, runs[runs["task"] == "code"].assign(architecture="lstm")], ignore_index=True)
    design = make_design(model, table)
    assert [e.name for e in design.effects] == ["E|architecture", "E|task", "E|architecture:task"]
    for effects in design.effects:
        assert effects.basis.sum(axis=0) == pytest.approx(0, abs=1e-12)
        assert effects.basis.T @ effects.basis == pytest.approx(np.eye(effects.free), abs=1e-12)
    crossed = design.effects[2]
    for side in (0, 1):
        for label in {level[side] for level in crossed.levels}:
            rows = [i for i, level in enumerate(crossed.levels) if level[side] == label]
            assert crossed.basis[rows].sum(axis=0) == pytest.approx(0, abs=1e-12)


def test_columns_that_cannot_group_drop_out_with_a_line(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("chinchilla"), runs[runs["task"] == "code"].drop(columns="architecture"))
    assert not design.effects
    assert "no column 'architecture'" in design.notes[0]
    assert "one level 'code'" in design.notes[1]


def test_the_law_at_the_runs_is_the_law_in_their_cell(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("chinchilla"), runs)
    layout, data = layout_of(design), data_of(design)
    z = np.random.default_rng(2).normal(scale=0.3, size=layout.size)
    cells = cell_parameters(z, layout, data)
    row = 37
    values = {name: float(x[design.cell[row]]) for name, x in cells.items()}
    by_law = layout.law.loss(values, {name: x[row] for name, x in design.inputs.items()})
    assert float(expected_loss(z, layout, data)[row]) == pytest.approx(float(by_law), rel=1e-12)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.drop(columns="tokens"), "needs the column 'tokens'"),
        (lambda t: t.assign(loss=-1.0), "row 1, column loss"),
        (lambda t: t.assign(task=[None, *t["task"].iloc[1:]]), "row 1, column task: the label is missing"),
        (lambda t: t.iloc[:1], "at least two runs"),
    ],
)
def test_a_table_that_cannot_be_fitted_says_why(runs: pd.DataFrame, change, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DesignError) as error:
        make_design(Model.load("chinchilla"), change(runs))
    assert said in str(error.value)


def test_an_error_that_all_runs_share_is_no_noise_between_them(runs: pd.DataFrame) -> None:
    table = runs.assign(loss_se=0.05)
    assert (make_design(Model.load("chinchilla"), table).loss_se == 0.05).all()
    table.attrs["conventions"] = {"evaluation": "shared"}
    design = make_design(Model.load("chinchilla"), table)
    assert (design.loss_se == 0).all()
    assert "evaluation text" in design.notes[0]


def test_an_interaction_with_a_column_that_drops_out_is_what_is_left_of_it(runs: pd.DataFrame) -> None:
    model = Model.load("chinchilla").model_copy(update={"pooling": {"E": "1 + (1|architecture:task)"}})
    design = make_design(model, runs.drop(columns="task"))
    assert [e.name for e in design.effects] == ["E|architecture"]
    z = np.zeros(layout_of(design).size)
    assert cell_parameters(z, layout_of(design), data_of(design))["E"].shape == (2,)


def test_what_is_left_of_an_interaction_takes_no_tag_away(runs: pd.DataFrame) -> None:
    formula = "1 + (1|p|architecture) + (1|architecture:task)"
    model = Model.load("chinchilla").model_copy(update={"pooling": {"E": formula, "A": formula}})
    design = make_design(model, runs.drop(columns="task"))
    assert [(e.name, e.tag) for e in design.effects] == [("E|architecture", "p"), ("A|architecture", "p")]


def test_whole_number_labels_are_the_same_with_and_without_a_blank_beside_them(runs: pd.DataFrame) -> None:
    design = make_design(
        Model.load("chinchilla"), runs.assign(architecture=(runs["architecture"] == "gpt").astype(float))
    )
    assert design.effects[0].labels == ("0", "1")
