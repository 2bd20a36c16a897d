"""What holds for any law, however it is written."""

from __future__ import annotations

import dataclasses
import re

import jax
import numpy as np
import pytest

import bayescale.backend  # noqa: F401, double precision
from bayescale.laws import Centring, Law, Parameter, Range, laws
from bayescale.laws.usual import ranges, reference, typical
from tests.laws.ranges import CAN_HURT, GROWING, complete, design

LAWS = laws()
SETS = [
    pytest.param(law, values, id=f"{name}-{i}")
    for name, law in LAWS.items()
    for i, values in enumerate([*complete(law), typical(law)])
]
PUBLISHED = [
    pytest.param(law, values, id=f"{name}-{i}")
    for name, law in LAWS.items()
    for i, values in enumerate(complete(law))
]
EACH = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)


def inputs_of(law, runs=40):
    return {name: column.to_numpy() for name, column in design(law, runs).items()}


@pytest.mark.parametrize("law, values", SETS)
def test_is_finite_and_positive_over_its_inputs(law, values) -> None:
    loss = np.asarray(law.loss(values, inputs_of(law)))
    assert loss.shape == (40,)
    assert np.isfinite(loss).all() and (loss > 0).all()


@pytest.mark.parametrize("law, values", SETS)
def test_has_a_finite_gradient_in_what_is_sampled(law, values) -> None:
    middle, inputs = reference(law), inputs_of(law)
    sampled = {name: np.float64(x) for name, x in law.sampled(values, middle).items()}
    gradient = jax.grad(lambda s: law.loss(law.natural(s, middle), inputs).sum())(sampled)
    for name, x in gradient.items():
        # A floor of zero is the edge of its support.
        assert np.isfinite(x), name


@pytest.mark.parametrize("law, values", SETS)
def test_broadcasts_draws_against_runs(law, values) -> None:
    inputs = inputs_of(law, 5)
    draws = {name: np.full((3, 1), x) for name, x in values.items()}
    loss = np.asarray(law.loss(draws, inputs))
    assert loss.shape == (3, 5)
    assert loss == pytest.approx(np.tile(np.asarray(law.loss(values, inputs)), (3, 1)), rel=1e-12)


@pytest.mark.parametrize("law, values", PUBLISHED)
def test_more_never_hurts(law, values) -> None:
    for name in set(law.inputs) & set(GROWING) - set(CAN_HURT.get(law.name, ())):
        low, high = ranges(law)[name]
        line = {key: np.full(50, x) for key, x in reference(law).items()}
        line[name] = np.geomspace(low, high, 50)
        assert (np.diff(np.asarray(law.loss(values, line))) <= 1e-12).all(), name


@pytest.mark.parametrize("law, values", PUBLISHED)
def test_published_fits_lie_well_inside_the_priors(law, values) -> None:
    sampled = law.sampled(values, reference(law))
    for p in law.parameters:
        if p.support == "positive" and sampled[p.name] == 0:
            continue  # fitted without a floor: no prior of a positive floor holds zero
        low, high = p.prior.interval(p.support, 0.9)
        assert low < sampled[p.name] < high, p.name


@pytest.mark.parametrize("law, values", SETS)
def test_centring_is_undone_exactly(law, values) -> None:
    middle = reference(law)
    natural = law.natural(law.sampled(values, middle), middle)
    assert {name: float(x) for name, x in natural.items()} == pytest.approx(values, rel=1e-8, abs=1e-9)


CLOSED = [law for law in LAWS.values() if law.optimum is not None]


@pytest.mark.parametrize("law", CLOSED, ids=[law.name for law in CLOSED])
def test_a_closed_form_is_the_minimum_of_a_fine_grid(law) -> None:
    fixed = {name: x for name, x in reference(law).items() if name not in ("params", "tokens")}
    for values in [*complete(law), typical(law)]:
        for flops, k in ((1e19, 6.0), (1e22, 8.0)):
            params, tokens = law.optimum(values, flops, k, fixed)
            assert float(params * tokens * k) == pytest.approx(flops, rel=1e-9)
            # The whole range coarsely, and finely where the optimum is said to be. Both sides of it are higher.
            grid = np.concatenate([np.geomspace(1e3, 1e17, 400), float(params) * np.geomspace(0.5, 2, 2001)])
            losses = np.asarray(law.loss(values, {"params": grid, "tokens": flops / k / grid, **fixed}))
            least = float(law.loss(values, {"params": params, "tokens": tokens, **fixed}))
            assert least <= losses.min() + 1e-12
            assert losses[400] > least < losses[-1]
            assert grid[400 + losses[400:].argmin()] == pytest.approx(float(params), rel=2e-3)


ALLOCATED = [law for law in CLOSED if set(law.inputs) == {"params", "tokens"}]


@pytest.mark.parametrize("law", ALLOCATED, ids=[law.name for law in ALLOCATED])
def test_a_closed_form_is_the_numeric_optimum(law) -> None:
    from bayescale.decide.allocation import numeric_optimum

    flops = np.array([1e19, 1e22])
    for values in [*complete(law), typical(law)]:
        params, tokens = law.optimum(values, flops, 6.0)
        numeric, _ = numeric_optimum(law, values, flops, 6.0)
        assert np.asarray(params * tokens * 6) == pytest.approx(flops, rel=1e-9)
        assert np.asarray(params) == pytest.approx(numeric, rel=1e-4)


@pytest.mark.parametrize(
    "law, name",
    [
        pytest.param(law, name, id=f"{law.name}-{name}")
        for law in LAWS.values()
        for name in sorted(law.may_be_zero)
    ],
)
def test_is_finite_and_differentiable_where_an_input_may_be_zero(law, name) -> None:
    middle, inputs = reference(law), inputs_of(law)
    inputs[name] = np.zeros_like(inputs[name])
    sampled = {key: np.float64(x) for key, x in law.sampled(typical(law), middle).items()}
    losses = np.asarray(law.loss(law.natural(sampled, middle), inputs))
    assert np.isfinite(losses).all() and (losses > 0).all()
    gradient = jax.grad(lambda s: law.loss(law.natural(s, middle), inputs).sum())(sampled)
    assert np.isfinite([float(x) for x in gradient.values()]).all()


@EACH
def test_the_order_of_the_parameters_is_free(law) -> None:
    """A centring that needs another centred parameter gets it converted, wherever that stands."""
    middle, turned = reference(law), dataclasses.replace(law, parameters=law.parameters[::-1])
    values = typical(law)
    natural = turned.natural(law.sampled(values, middle), middle)
    assert {name: float(x) for name, x in natural.items()} == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_a_centring_that_needs_itself_is_named() -> None:
    def looks_at(name):
        return Centring("", "", lambda x, v, r: x * v[name], lambda x, v, r: x / v[name])

    def law_of(**needs):
        return Law(
            name="mine",
            title="",
            citation="",
            equation="",
            latex="",
            inputs=("tokens",),
            parameters=tuple(
                Parameter(
                    name, "", "", "positive", Range(1, 2), name, centring=looks_at(needed) if needed else None
                )
                for name, needed in needs.items()
            ),
            loss=lambda v, x: v["a"],
        )

    assert law_of(a="b", b="c", c=None).natural({"a": 2.0, "b": 3.0, "c": 5.0}, {}) == {
        "a": 30.0,
        "b": 15.0,
        "c": 5.0,
    }
    with pytest.raises(ValueError, match="law mine: the centring of b needs b itself"):
        law_of(a="b", b="b").natural({"a": 2.0, "b": 3.0}, {})
    with pytest.raises(ValueError, match="a -> c -> b -> a"):
        law_of(a="c", b="a", c="b").natural({"a": 2.0, "b": 3.0, "c": 5.0}, {})
    with pytest.raises(KeyError, match="d"):
        law_of(a="d").natural({"a": 2.0}, {})


def test_an_input_that_may_be_zero_is_an_input() -> None:
    with pytest.raises(ValueError, match="may_be_zero names"):
        dataclasses.replace(LAWS["chinchilla"], may_be_zero=frozenset({"experts"}))


@EACH
def test_prints_equation_citation_and_no_markup(law) -> None:
    text = str(law)
    assert law.equation in text and law.citation in text
    assert not set("{}\\") & set(text)
    assert law.latex.count("{") == law.latex.count("}")
    assert text.count("(may be zero)") == len(law.may_be_zero)
    for p in law.parameters:
        assert re.search(rf"^  {re.escape(p.name)}: .+\[.+\]", text, re.MULTILINE), p.name


@EACH
def test_says_what_it_is(law) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", law.name)
    assert law.title and law.citation and law.equation and law.latex and law.inputs and law.validity
    assert all(p.meaning and p.unit and p.latex for p in law.parameters)
    assert all(published.label and published.citation for published in law.published)
    labels = [published.label for published in law.published]
    assert len(set(labels)) == len(labels)


def test_names_are_unique_and_found() -> None:
    import bayescale as bs

    assert len(LAWS) >= 20
    for name, law in LAWS.items():
        assert law.name == name and bs.law(name) is law
