"""Labels and columns that the runs do not know: refused, with a suggestion, unless they are said to be new."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast.known_labels import LabelError, LabelReason, nearest, one_edit_apart
from bayescale.posterior import prior_posterior
from tests.tight import points, tight

BIG = bs.Action(name="big", params=3e5, tokens=3e6, groups={"task": "cod"})


@pytest.fixture(scope="module")
def posterior() -> bs.Posterior:
    """Two tasks, code and docs."""
    return tight(draws=400)


@pytest.fixture(scope="module")
def single() -> bs.Posterior:
    """The same model of runs of one task: no pooling, and one label that is known."""
    several = tight(draws=400)
    runs = several.runs[several.runs["task"] == "code"].reset_index(drop=True)
    return prior_posterior(runs, several.model, draws=400, kind=bs.Posterior)


def question(task: str, new_groups: bool = False) -> bs.Decision:
    action = BIG.model_copy(update={"groups": {"task": task}})
    return bs.Decision(actions=(action,), target_loss=3.0, baseline_loss=4.0, new_groups=new_groups)


DOORS: dict[str, Callable[[bs.Posterior, str, bool], object]] = {
    "predict": lambda p, task, new: p.predict(points(2, task=task), new_groups=new),
    "draws": lambda p, task, new: p.predict(points(2, task=task), draws=True, new_groups=new),
    "beside": lambda p, task, new: p.beside({"b": p}, points(2, task=task), new_groups=new),
    "decide": lambda p, task, new: p.decide(question(task, new)),
    "holdout": lambda p, task, new: p.decide(
        question("code", new), holdout=points(2, 0.3, task=task).assign(loss=3.0)
    ),
    "plan": lambda p, task, new: p.plan(
        points(1, 0.5, task=task), points(2), budget=1e14, most=1, new_groups=new
    ),
    "candidates": lambda p, task, new: p.plan(
        points(1, 0.5), points(2, task=task), budget=1e14, most=1, new_groups=new
    ),
    "next": lambda p, task, new: p.next_runs(points(1, 0.5, task=task), points(2), 1e14, new_groups=new),
    "allocate": lambda p, task, new: p.allocate(
        [1e13], groups=pd.DataFrame({"task": [task]}), new_groups=new
    ),
    "cheapest": lambda p, task, new: p.cheapest(2.6, groups=pd.DataFrame({"task": [task]}), new_groups=new),
    "versus": lambda p, task, new: p.versus("task", [1e13], ["docs", task], new_groups=new),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_label_that_no_run_has_is_an_error_unless_it_is_new(posterior: bs.Posterior, door: str) -> None:
    ask = DOORS[door]
    with pytest.raises(LabelError) as error:
        ask(posterior, "cod", False)
    assert (error.value.reason, error.value.suggestion) == (LabelReason.MISSPELT_LABEL, "code")
    with pytest.raises(LabelError) as error:
        ask(posterior, "latin", False)
    assert (error.value.reason, error.value.suggestion) == (LabelReason.NEW_LABEL, "")
    ask(posterior, "latin", True)
    ask(posterior, "code", False)


@pytest.mark.parametrize("door", [door for door in DOORS if door != "versus"])
def test_the_one_label_of_a_column_is_known_and_others_are_not(single: bs.Posterior, door: str) -> None:
    ask = DOORS[door]
    ask(single, "code", False)
    with pytest.raises(LabelError) as error:
        ask(single, "docs", False)
    assert error.value.reason is LabelReason.NEW_LABEL
    ask(single, "docs", True)


def test_a_stranger_to_runs_of_one_label_has_a_wider_band(single: bs.Posterior) -> None:
    """By the square root of two times the spread of groups that the prior has."""
    known, new = (
        np.log(single.predict(points(1, task=t), of="mean", draws=True, new_groups=True).to_numpy()[:, 0])
        for t in ("code", "docs")
    )
    unsaid = single.predict(points(1).drop(columns="task"), of="mean", draws=True).to_numpy()[:, 0]
    assert np.array_equal(np.log(unsaid), known)
    # E of 1.4 +- 10 % of 3.3 nats: sqrt(2) x .07 of E is some four per cent of the loss.
    floor = 1.4 / np.exp(np.median(known))
    assert np.std(new - known) == pytest.approx(np.sqrt(2) * 0.075 * floor, rel=0.3)
    out = single.predict(points(1, task="docs"), new_groups=True)
    assert out["group"].item() == "new: task=docs"
    assert single.predict(points(1))["group"].item() == "known"


@pytest.mark.parametrize("column, meant", [("tsak", "task"), ("Task", "task"), ("tasks", "task")])
def test_a_misspelt_column_is_named(posterior: bs.Posterior, column: str, meant: str) -> None:
    table = points(2).rename(columns={"task": column})
    for new in (False, True):
        with pytest.raises(LabelError) as error:
            posterior.predict(table, new_groups=new)
        assert (error.value.reason, error.value.suggestion) == (LabelReason.MISSPELT_COLUMN, meant)


def test_columns_like_nothing_known_ride_along(posterior: bs.Posterior) -> None:
    # Beside the right column a like one does no harm, and a column of the runs is no misspelling.
    table = points(2).assign(colour="blue", tasks="many", architecture="any", seed=1)
    assert list(posterior.predict(table)["colour"]) == ["blue", "blue"]


def test_likeness() -> None:
    known = ("llama", "mamba", "GPT")
    found = {label: nearest(label, known) for label in ("lama", "mmaba", "gpt", "lstm", "")}
    assert found == {"lama": "llama", "mmaba": "mamba", "gpt": "GPT", "lstm": "", "": ""}
    assert one_edit_apart("architectur", "architecture") and one_edit_apart("batch size", "batch_size")
    assert not one_edit_apart("x", "y") and not one_edit_apart("colour", "task")
    assert not one_edit_apart("depth", "width")
