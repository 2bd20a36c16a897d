from __future__ import annotations

import pytest

from bayescale.models.covariates import Covariate
from bayescale.models.pooling import GroupTerm, PoolingError, factors, parse


@pytest.mark.parametrize(
    "formula, expected",
    [
        ("1", ()),
        ("1 + (1|task)", (("task",),)),
        (
            "1 + (1|architecture) + (1|task) + (1|architecture:task)",
            (("architecture",), ("task",), ("architecture", "task")),
        ),
        ("1 + (1|task/language)", (("task",), ("task", "language"))),
        ("1 + (1|task) + (1|task)", (("task",),)),
    ],
)
def test_factors(formula: str, expected: tuple[tuple[str, ...], ...]) -> None:
    assert factors(formula) == expected


CONTEXT, LOG_CONTEXT = Covariate("context"), Covariate("context", logged=True)


@pytest.mark.parametrize(
    "formula, covariates, groups",
    [
        ("1 + context", (CONTEXT,), ()),
        ("1 + log(context) + np.log(context)", (LOG_CONTEXT,), ()),
        ("1 + square(context)", (Covariate("context", squared=True),), ()),
        (
            "1 + log(context) + square( np.log(context) ) + square(context)",
            (
                LOG_CONTEXT,
                Covariate("context", logged=True, squared=True),
                Covariate("context", squared=True),
            ),
            (),
        ),
        ("1 + `my column`", (Covariate("my column"),), ()),
        ("1 + (context|task)", (), (GroupTerm(("task",)), GroupTerm(("task",), CONTEXT))),
        ("1 + context + (0 + context|task)", (CONTEXT,), (GroupTerm(("task",), CONTEXT),)),
        (
            "1 + (0 + log(context)|task/language)",
            (),
            (GroupTerm(("task",), LOG_CONTEXT), GroupTerm(("task", "language"), LOG_CONTEXT)),
        ),
    ],
)
def test_covariates_and_slopes(
    formula: str, covariates: tuple[Covariate, ...], groups: tuple[GroupTerm, ...]
) -> None:
    assert (parse(formula).covariates, parse(formula).groups) == (covariates, groups)


@pytest.mark.parametrize(
    "formula, groups",
    [
        ("1 + (1|p|task)", (GroupTerm(("task",), None, "p"),)),
        (
            "1 + (1|architecture) + (log(context) | p | task)",
            (
                GroupTerm(("architecture",)),
                GroupTerm(("task",), None, "p"),
                GroupTerm(("task",), LOG_CONTEXT, "p"),
            ),
        ),
        (
            "1 + (square(log(context))|p|task)",
            (
                GroupTerm(("task",), None, "p"),
                GroupTerm(("task",), Covariate("context", logged=True, squared=True), "p"),
            ),
        ),
        ("1 + (1|p|a/b)", (GroupTerm(("a",), None, "p"), GroupTerm(("a", "b"), None, "p"))),
    ],
)
def test_tags(formula: str, groups: tuple[GroupTerm, ...]) -> None:
    assert parse(formula).groups == groups


@pytest.mark.parametrize(
    "formula, remedy",
    [
        ("0 + (1|task)", "write 1 + ..."),
        ("1 + (1|", "cannot be read"),
        ("import os", "cannot be read from 'os' on: write + between terms"),
        ("1 + (1|task)) + context", "cannot be read from ')' on"),
        ("1 + center(context)", "centred and scaled as they are: write context"),
        ("1 + sqrt(context)", "add what it computes as a column"),
        ("1 + log(square(context))", "add what it computes as a column"),
        ("1 + log(context + 1)", "add what it computes as a column"),
        ("1 + I(context + 1)", "add what it computes as a column"),
        ("1 + {context + 1}", "add what it computes as a column"),
        ("1 + context**2", "add the power as a column"),
        ("1 + context:depth", "(context|depth)"),
        ("E ~ 1 + context", "write the right-hand side alone"),
        ("1 + 2", "such as 1 + log(context)"),
        ("1 + (1|log(context))", "group by a column"),
        ("1 + exec(context)", "add what it computes as a column"),
    ],
)
def test_what_the_engine_does_not_do_is_said_with_a_remedy(formula: str, remedy: str) -> None:
    with pytest.raises(PoolingError) as error:
        parse(formula)
    assert "pooling formula" in str(error.value)
    assert remedy in str(error.value)
