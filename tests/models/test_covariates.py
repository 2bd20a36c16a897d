"""Covariates in the design and in the density."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.laws import Range
from bayescale.models import Design, DesignError, Model, make_design
from bayescale.models.arrays import coefficient_normals, data_of
from bayescale.models.density import cell_parameters, expected_loss, log_density, log_likelihood, log_prior
from bayescale.models.layout import layout_of, split
from bayescale.runs import read_runs

POOLING = {
    "E": "1 + log(context) + (log(context)|task)",
    "A": "1 + (1|architecture)",
    "beta": "1 + width + (0 + width|architecture) + (0 + width|architecture:task)",
}


@pytest.fixture(scope="module")
def table(runs: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return runs.assign(
        context=rng.choice([128, 256, 512, 1024, 2048], len(runs)),
        width=rng.choice([1.0, 3.0, 4.0], len(runs)),
    )


def designed(table: pd.DataFrame, **changes: object) -> Design:
    return make_design(Model(name="m", law="chinchilla", **{"pooling": POOLING, **changes}), table)  # type: ignore[arg-type]


def test_the_law_at_a_row_is_the_formula_written_out(table: pd.DataFrame) -> None:
    design = designed(table, priors={"E.log(context)": Range(0.0, 0.4)})
    layout, data = layout_of(design), data_of(design)
    z = np.random.default_rng(1).normal(scale=0.3, size=layout.size)
    parts, normals = split(z, layout), coefficient_normals(design)
    assert [c.name for c in design.coefficients] == ["E.log(context)", "beta.width"]
    assert normals[0, 0] == pytest.approx(0.2)
    assert [e.name for e in design.effects] == [
        "E|task",
        "E.log(context)|task",
        "A|architecture",
        "beta.width|architecture",
        "beta.width|architecture:task",
    ]
    effects = {e.name: e.basis @ u for e, u in zip(design.effects, parts.effects, strict=True)}
    slope = normals[:, 0] + normals[:, 1] * parts.coefficients
    log_context = np.log(table["context"])
    x = (log_context - log_context.mean()) / log_context.std(ddof=0)
    w = (table["width"] - table["width"].mean()) / table["width"].std(ddof=0)
    found = {name: np.asarray(v)[design.place] for name, v in cell_parameters(z, layout, data).items()}
    for row in (0, 17, 55):
        task, architecture = table["task"][row], table["architecture"][row]
        level = {e.name: e.levels for e in design.effects}

        def of(name: str, *labels: str) -> float:
            return float(effects[name][level[name].index(labels)])  # noqa: B023

        mean, sd = design.model.prior("E").normal("positive")
        log_e = mean + sd * z[0] + of("E|task", task) + x[row] * (slope[0] + of("E.log(context)|task", task))
        assert np.log(found["E"][row]) == pytest.approx(log_e)
        mean, sd = design.model.prior("beta").normal("positive")
        own = of("beta.width|architecture", architecture) + of(
            "beta.width|architecture:task", architecture, task
        )
        assert np.log(found["beta"][row]) == pytest.approx(mean + sd * z[4] + w[row] * (slope[1] + own))


def test_slopes_sum_to_zero_where_there_is_a_common_one(table: pd.DataFrame) -> None:
    for effects in designed(table).effects:
        assert effects.zero_sum
        assert effects.basis.sum(axis=0) == pytest.approx(0, abs=1e-12)
    alone = designed(table, pooling={"E": "1 + (0 + context|task)"}).effects[0]
    assert not alone.zero_sum
    assert alone.basis.T @ alone.basis == pytest.approx(np.eye(2), abs=1e-12)


def test_prior_and_likelihood_add_up_to_the_density(table: pd.DataFrame) -> None:
    for pooling in (POOLING, {"E": "1 + width"}, {"E": "1 + (0 + width|task)"}):
        for model in ("chinchilla", "generalised"):
            design = make_design(Model.load(model).model_copy(update={"pooling": pooling}), table)
            layout, data = layout_of(design), data_of(design)
            for z in np.random.default_rng(2).normal(scale=0.3, size=(3, layout.size)):
                parts = sum(log_prior(z, layout, data).values()) + log_likelihood(z, layout, data).sum()
                assert float(parts) == pytest.approx(float(log_density(z, layout, data)), rel=1e-10)


def test_cells_are_labels_and_places_their_covariates_too(table: pd.DataFrame) -> None:
    design = designed(table)
    assert len(design.cells) == 4
    assert len(design.places) == len(table[["architecture", "task", "context", "width"]].drop_duplicates())
    mine = table[(table["task"] == "code") & (table["architecture"] == "gpt")]
    typical = design.groups[(design.groups["task"] == "code") & (design.groups["architecture"] == "gpt")]
    assert typical["width"].item() == pytest.approx(mine["width"].mean())
    assert typical["context"].item() == pytest.approx(np.exp(np.log(mine["context"]).mean()))
    assert "the covariate log(context) is centred at" in design.notes[0]
    plain = designed(table, pooling={"E": "1 + (1|task)"})
    assert plain.places is plain.cells is plain.groups


def test_a_covariate_that_does_not_vary_drops_out_with_a_line(table: pd.DataFrame) -> None:
    design = designed(table.drop(columns="context").assign(width=2))
    assert not design.coefficients and not design.covariates
    assert [e.name for e in design.effects] == ["E|task", "A|architecture"]
    assert "no column 'context'" in design.notes[0]
    assert "'width' has the one value 2" in design.notes[1]


ASPECT = {"E": "1 + log(aspect) + square(log(aspect))"}


@pytest.fixture
def shaped(table: pd.DataFrame) -> pd.DataFrame:
    """Of every size, shapes of several aspects."""
    rng = np.random.default_rng(3)
    depth = rng.choice([2.0, 6.0, 18.0], len(table))
    return table.assign(depth=depth, width=np.sqrt(table["params"] / 12 / depth))


def test_the_aspect_is_width_over_depth_and_its_square_is_about_the_mean(shaped: pd.DataFrame) -> None:
    design = designed(shaped, pooling=ASPECT)
    assert [c.name for c in design.coefficients] == ["E.log(aspect)", "E.square(log(aspect))"]
    layout, data = layout_of(design), data_of(design)
    z = np.zeros(layout.size)
    at = np.array([0.3, -0.7])
    coefficients = np.asarray(coefficient_normals(design))
    z[len(layout.law.parameters) : len(layout.law.parameters) + 2] = at
    log = np.log(shaped["width"] / shaped["depth"])
    x = ((log - log.mean()) / log.std(ddof=0)).to_numpy()
    moved = coefficients[0, 1] * at[0] * x + coefficients[1, 1] * at[1] * x**2
    found = np.asarray(cell_parameters(z, layout, data)["E"])[design.place]
    still = np.asarray(cell_parameters(np.zeros(layout.size), layout, data)["E"])[design.place]
    np.testing.assert_allclose(np.log(found / still), moved, rtol=1e-9)
    # A table that says the aspect itself is read as it is.
    said = designed(
        shaped.assign(aspect=shaped["width"] / shaped["depth"]).drop(columns="depth"), pooling=ASPECT
    )
    assert said.covariates == design.covariates


def test_the_aspect_drops_out_where_size_tells_it_or_a_row_has_none(
    table: pd.DataFrame, shaped: pd.DataFrame
) -> None:
    ladder = table.assign(width=table["params"] ** 0.4, depth=table["params"] ** 0.2)
    for rows, said in (
        (ladder, "models of a size have about the same aspect"),
        (shaped.assign(width=[None, *shaped["width"][1:]]), "row 1 has no aspect (width and depth)"),
        (shaped.assign(depth=[0.0, *shaped["depth"][1:]]), "row 1 has no aspect (width and depth)"),
        (shaped.assign(aspect=None, depth=None), "no column 'aspect'"),
        (table.drop(columns="width"), "no column 'aspect'"),
    ):
        design = designed(rows, pooling=ASPECT)
        assert not design.covariates
        assert said in design.notes[0]


def test_blanks_among_aspects_are_filled_from_width_and_depth(shaped: pd.DataFrame) -> None:
    aspect = shaped["width"] / shaped["depth"]
    blank = aspect.where(aspect.index != 3)
    assert designed(shaped.assign(aspect=blank), pooling=ASPECT).covariates == (
        designed(shaped, pooling=ASPECT).covariates
    )
    with pytest.raises(DesignError, match="row 4, column aspect: 'wide' is not a positive number"):
        designed(shaped.assign(aspect=aspect.astype(object).where(aspect.index != 3, "wide")), pooling=ASPECT)
    # Of two values, a square says what the mean does.
    two = shaped.assign(aspect=np.where(np.arange(len(shaped)) % 2, 10.0, 80.0))
    assert [c.name for c in designed(two, pooling=ASPECT).coefficients] == ["E.log(aspect)"]


def test_a_run_of_an_odd_shape_counts_as_a_smaller_one(shaped: pd.DataFrame) -> None:
    """A law stated at a g-th of the size, seen at a size N, is that law seen at g N."""
    for law in ("generalised", "chinchilla"):
        model = Model(name="m", law=law, pooling={"params": "1 + log(aspect) + square(log(aspect))"})
        design = make_design(model, shaped)
        assert design.moved == ("params",)
        layout, data = layout_of(design), data_of(design)
        assert layout.moved == ("params",)
        rng = np.random.default_rng(4)
        z = rng.normal(scale=0.3, size=layout.size)
        count = len(layout.law.parameters)
        coefficients = np.asarray(coefficient_normals(design))
        b = coefficients[:, 0] + coefficients[:, 1] * z[count : count + 2]
        log = np.log(shaped["width"] / shaped["depth"])
        x = ((log - log.mean()) / log.std(ddof=0)).to_numpy()
        counts_as = shaped["params"].to_numpy() * np.exp(b[0] * x + b[1] * x**2)
        still = z.copy()
        still[count : count + 2] = -coefficients[:, 0] / coefficients[:, 1]
        plain = {
            name: np.asarray(v)[design.place] for name, v in cell_parameters(still, layout, data).items()
        }
        inputs = {"params": counts_as, "tokens": shaped["tokens"].to_numpy()}
        expected = np.asarray(layout.law.loss(plain, inputs))
        found = np.asarray(expected_loss(z, layout, data))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert np.ptp(counts_as / shaped["params"]) > 0.05


@pytest.mark.parametrize(
    "law, pooling, said",
    [
        ("chinchilla", {"params": "1 + (1|task)"}, "params is an input of the law, and covariates alone"),
        ("chinchilla", {"params": "1"}, "write 1 + log(aspect)"),
        ("muennighoff", {"tokens": "1 + log(aspect)"}, "not sampled at a reference point of tokens"),
        ("ludziejewski", {"experts": "1 + log(aspect)"}, "not sampled at a reference point of experts"),
        ("kaplan-d", {"params": "1 + log(aspect)"}, "names 'params'"),
    ],
)
def test_an_input_that_nothing_can_move_is_named(law: str, pooling: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Model(name="m", law=law, pooling=pooling)
    with pytest.raises(ValueError, match="has the covariates"):
        Model(
            name="m",
            law="chinchilla",
            pooling={"params": "1 + width"},
            priors={"params.depth": Range(-0.1, 0.1)},
        )


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.assign(width=["wide", *t["width"][1:]]), "row 1, column width: 'wide' is not a number"),
        (
            lambda t: t.assign(context=[-1, *t["context"][1:]]),
            "row 1, column context: '-1' is not a positive number",
        ),
        (lambda t: t.assign(context=[None, *t["context"][1:]]), "row 1, column context"),
    ],
)
def test_a_value_that_is_none_is_named(table: pd.DataFrame, change, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DesignError) as error:
        designed(change(table))
    assert said in str(error.value)


def test_the_model_prints_the_priors_of_slopes() -> None:
    model = Model(name="m", law="chinchilla", pooling=POOLING, spread={"beta.width": Range(0.01, 0.02)})
    text = " ".join(str(model).split())
    assert (
        "E.log(context) -1 to 1 change of log E per standard deviation of log(context) among the runs" in text
    )
    assert "beta.width|architecture:task_sd 0.01 to 0.02 " in text
    assert "standard deviation of the slope of log beta in width between levels of architecture:task" in text


def test_the_example_is_about_the_runs_that_it_names() -> None:
    runs = read_runs(
        Path(__file__).parents[2] / "runs/small-worlds/runs.parquet", where='task != "python_code"'
    )
    design = make_design(Model.load("worlds"), runs)
    assert [c.name for c in design.coefficients] == ["K.word_entropy"]
    assert [e.name for e in design.every_effect] == ["E|task", "K|task", "sigma|task"]
    assert sorted(design.groups["word_entropy"].round(2)) == [5.56, 5.76, 6.02]
