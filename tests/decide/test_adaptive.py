"""Changing shape in training: against algebra for two power laws, and on a posterior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide.adaptive import AdaptError, follow
from bayescale.decide.descent import descend
from bayescale.forecast.expected import Predictor

NODES = np.geomspace(1.0, 1e12, 600)
TWO = ((4.0, 0.10), (10.0, 0.16))
"""Amplitude and exponent of L = a C^-b: the first falls faster at first, the second later."""


def power(a: float, b: float, floor: float = 0.0) -> np.ndarray:
    return floor + a * NODES**-b


def compute(loss: float, a: float, b: float) -> float:
    return float((a / loss) ** (1 / b))


def equal_slopes(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Where a^(1/b) L^(-1/b - 1) / b, the |dC/dL| of a power law, is the same for both."""
    (a, b), (c, d) = first, second
    return float((b / d * c ** (1 / d) / a ** (1 / b)) ** (1 / (1 / d - 1 / b)))


def levels(start: float, target: float) -> np.ndarray:
    return np.geomspace(start, target, 200)


def test_two_power_laws_change_where_their_slopes_are_equal() -> None:
    loss = np.stack([power(*one)[None] for one in TWO])
    change = equal_slopes(*TWO)
    crossing = (TWO[1][0] / TWO[0][0]) ** (1 / (TWO[1][1] - TWO[0][1]))
    # The curves themselves cross at a lower loss: shapes change before the other one is ahead.
    assert change > power(*TWO[0])[np.searchsorted(NODES, crossing)]
    target = 0.8
    found = follow(["small", "large"], descend(NODES, loss, levels(2.5, target)))
    assert found.orders["order"].tolist() == ["small > large"] and found.orders["p"].tolist() == [1]
    row = found.changes.iloc[0]
    assert (row["from"], row["to"], row["p"]) == ("small", "large", 1)
    assert row["loss"] == pytest.approx(change, rel=1e-4)
    assert row["flops"] == pytest.approx(compute(change, *TWO[0]), rel=1e-3)
    small, large = (compute(target, *one) for one in TWO)
    spent = compute(change, *TWO[0]) + large - compute(change, *TWO[1])
    assert found.savable.item() == pytest.approx(1 - spent / min(small, large), abs=1e-4)
    # With one draw the plan is that draw's own order.
    assert found.saved.item() == pytest.approx(found.savable.item(), abs=1e-6)
    assert [s.shape for s in found.stints] == [0, 1] and found.alone == 1
    assert found.stints[0].until == pytest.approx(change, rel=0.01)
    assert found.table["flops"].tolist() == pytest.approx([small, large], rel=1e-4)
    assert found.p_pays == found.p_savable == 1


def test_savings_are_the_integral_of_the_least_slope_over_many_draws_and_shapes() -> None:
    rng = np.random.default_rng(0)
    ranges = (((3, 5), (0.09, 0.11)), ((8, 12), (0.15, 0.17)), ((40, 60), (0.24, 0.26)))
    shapes = [(rng.uniform(*a, 40), rng.uniform(*b, 40)) for a, b in ranges]
    loss = np.stack([np.stack([power(a, b) for a, b in zip(*one, strict=True)]) for one in shapes])
    found = follow(["a", "b", "c"], descend(NODES, loss, levels(2.0, 0.4)))
    fine = np.geomspace(2.0, 0.4, 20001)
    every = np.stack([(a[:, None] / fine) ** (1 / b[:, None]) for a, b in shapes])
    least = every[:, :, 0].min(axis=0) + np.diff(every, axis=2).min(axis=0).sum(axis=1)
    assert found.savable == pytest.approx(1 - least / every[:, :, -1].min(axis=0), abs=2e-4)
    # One plan for all draws is no better than each draw's own, against any one shape.
    alone = every[found.alone, :, -1]
    assert (found.saved <= 1 - least / alone + 2e-4).all()
    # And of all single shapes and of it, it is the one of least expected compute.
    over = every[:, :, -1] / every[:, :, -1].min(axis=0)
    assert np.mean((1 - found.saved) * alone / every[:, :, -1].min(axis=0)) <= over.mean(axis=1).min() + 1e-3
    assert found.orders["p"].sum() > 0.95


def test_where_nothing_changes_nothing_is_saved() -> None:
    # The same exponent: one shape is better all the way.
    loss = np.stack([power(4.0, 0.1)[None], power(5.0, 0.1)[None]])
    found = follow(["good", "bad"], descend(NODES, loss, levels(2.5, 0.5)))
    assert found.orders["order"].tolist() == ["good"] and found.changes.empty
    assert found.saved.item() == 0 and found.savable.item() == pytest.approx(0, abs=1e-12)
    assert found.p_pays == 0 and found.sentence.startswith("good throughout to a loss of 0.5000: no change")
    assert "good" in str(found)


def test_floors_and_curves_that_do_not_fall() -> None:
    # Of two draws, in the second the first shape ends on a floor above the target, and the third never falls.
    low, flat = power(4.0, 0.1), np.full_like(NODES, 3.0)
    loss = np.stack(
        [
            np.stack([low, power(3.0, 0.2, floor=1.0)]),
            np.stack([low * 1.1, power(9.0, 0.15)]),
            np.stack([flat, flat]),
        ]
    )
    found = follow(["a", "b", "c"], descend(NODES, loss, levels(2.5, 0.8)))
    assert found.table["p_reached"].tolist() == [0.5, 1, 0] and found.table["p_used"].iloc[2] == 0
    assert np.isfinite(found.savable).all() and found.savable[1] > 0
    assert np.isinf(found.table["flops"].iloc[2])
    # No shape gets there in the second draw: it is left out, and none in either is an error.
    neither = follow(["a", "c"], descend(NODES, loss[[0, 2]], levels(2.5, 0.8)))
    assert np.isnan(neither.savable).tolist() == [False, True]
    # What a law says far outside is no matter, were it no number.
    odd = loss.copy()
    odd[:, :, 0], odd[:, :, -1] = np.inf, np.nan
    same = follow(["a", "b", "c"], descend(NODES, odd, levels(2.5, 0.8)))
    assert same.savable == pytest.approx(found.savable, rel=1e-6)
    with pytest.raises(AdaptError, match="no draw of the posterior reaches"):
        follow(["c", "c"], descend(NODES, loss[[2, 2]], levels(2.9, 0.8)))


def test_a_curve_that_rises_again_keeps_what_it_has_reached() -> None:
    bent = power(4.0, 0.1)
    bent[300:] = bent[300] * (NODES[300:] / NODES[300]) ** 0.05
    found = descend(NODES, bent[None, None], np.array([2.0, float(bent[300]), 0.9 * float(bent[300])]))
    assert found.compute[0, 0, :2] == pytest.approx([compute(2.0, 4.0, 0.1), NODES[300]], rel=1e-6)
    assert np.isinf(found.compute[0, 0, 2])


def test_sizes_of_a_posterior_grow_in_training(posterior: bs.Posterior) -> None:
    at = {"architecture": "gpt", "task": "code"}
    found = posterior.adapt(flops=3e12, sizes=[3e4, 1e5, 3e5], at=at)
    assert found.shapes == ("30\u00a0k params", "100\u00a0k params", "300\u00a0k params")
    assert found.orders["order"].iloc[0] == " > ".join(found.shapes) and found.orders["p"].iloc[0] > 0.5
    assert [s.shape for s in found.stints] == [0, 1, 2]
    assert 0 < np.median(found.saved) <= np.median(found.savable) + 1e-3
    # In algebra: with R = L - E - A N^-alpha = B D^-beta, |dC/dL| of a size is 6 N D / (beta R).
    values = Predictor(posterior).parameters(pd.DataFrame([at])).values
    v = {name: x[::8, :1] for name, x in values.items()}
    loss = np.geomspace(found.start, found.target, 1500)
    slopes = []
    for size in (1e5, 3e5):
        rest = np.maximum(loss - v["E"] - v["A"] * size ** -v["alpha"], 1e-12)
        slopes.append(size * (v["B"] / rest) ** (1 / v["beta"]) / (v["beta"] * rest))
    passed = np.argmax(slopes[0] > slopes[1], axis=1)
    change = found.changes[
        (found.changes["from"] == found.shapes[1]) & (found.changes["to"] == found.shapes[2])
    ]
    assert change["loss"].item() == pytest.approx(np.median(loss[passed]), rel=3e-3)
    ends = np.quantile(loss[passed], (0.05, 0.95))
    assert change[["loss_q0.05", "loss_q0.95"]].to_numpy()[0] == pytest.approx(ends, rel=0.01)
    assert (found.table["p_best"].sum(), found.table["share"].sum()) == (pytest.approx(1), pytest.approx(1))
    # The budget's loss is that of the best size alone, and asking for that loss is asking the same.
    again = posterior.adapt(loss=found.target, sizes=[3e4, 1e5, 3e5], at=at)
    assert again.saved == pytest.approx(found.saved, abs=0.01)
    assert found.table["flops"].min() == pytest.approx(3e12, rel=0.1)
    assert "inside" in found.notes[2]
    assert found.to_dict()["p_pays"] == found.p_pays


def test_levels_of_a_grouping_column(posterior: bs.Posterior) -> None:
    found = posterior.adapt("architecture", flops=3e12, sizes=[2e5], at={"task": "code"})
    assert found.shapes == ("gpt", "llama")
    # llama is better at every compute: its amplitude is smaller, all else the same.
    assert found.table.set_index("shape").loc["llama", "p_best"] > 0.8
    assert found.shapes[found.alone] == "llama"
    assert found.p_pays <= found.p_savable
    both = posterior.adapt(
        "architecture", flops=3e12, sizes=[1e5, 2e5], levels=["llama"], at={"task": "code"}
    )
    assert both.shapes == ("llama, 100\u00a0k params", "llama, 200\u00a0k params")


def test_shapes_cost_by_their_own_runs(posterior: bs.Posterior) -> None:
    # As if a token of llama's took twice the FLOPs: what matters is the shape's own k.
    runs = posterior.runs.assign(
        flops=posterior.runs["flops"] * np.where(posterior.runs["architecture"] == "llama", 2, 1)
    )
    known = replace(posterior, runs=runs)
    found = known.adapt("architecture", loss=3.0, sizes=[2e5], at={"task": "code"})
    plain = posterior.adapt("architecture", loss=3.0, sizes=[2e5], at={"task": "code"})
    ratio = found.table["flops"] / plain.table["flops"]
    assert ratio.tolist() == pytest.approx([1, 2], rel=0.02)


def test_what_cannot_be_adapted_is_named(posterior: bs.Posterior) -> None:
    code = {"task": "code"}
    for arguments, said in (
        ({"by": "architecture", "at": code}, "one of the two"),
        ({"by": "architecture", "flops": 1e12, "loss": 2.0, "at": code}, "one of the two"),
        ({"by": "architecture", "flops": -1.0, "at": code}, "flops must be positive"),
        ({"by": "seed", "flops": 1e12}, "grouped by seed: they are by architecture, task"),
        ({"by": "architecture", "flops": 1e12, "at": code, "sizes": None}, "say which, --sizes"),
        ({"by": "architecture", "flops": 1e12}, "say which, --for task=code"),
        ({"flops": 1e12, "at": code}, "say which, --for architecture=gpt, or --by architecture"),
        ({"by": "architecture", "flops": 1e12, "at": {"task": "latin"}}, "no run has task = latin"),
        ({"by": "architecture", "flops": 1e12, "at": {"architecture": "gpt"}}, "no other grouping column"),
        ({"by": "architecture", "flops": 1e12, "at": code, "levels": ["gpt", "lstm"]}, "fit runs of it first"),
        ({"by": "architecture", "flops": 1e12, "at": code, "levels": ["gpt"]}, "two shapes or more"),
        ({"by": "architecture", "flops": 1e12, "at": code, "sizes": [-1.0]}, "positive numbers of params"),
        ({"by": "architecture", "flops": 1e3, "at": code}, "give a larger one"),
        ({"by": "architecture", "loss": 50.0, "at": code}, "ask for one below"),
        ({"by": "architecture", "loss": 0.1, "at": code}, "ask for one above"),
        ({"by": "architecture", "flops": 1e12, "at": code, "margin": 1.5}, "from 0 to 1"),
    ):  # fmt: skip
        with pytest.raises(AdaptError, match=said):
            posterior.adapt(**{"sizes": [2e5], **arguments})


def test_a_law_of_compute_alone_needs_no_sizes() -> None:
    # Two shapes, of which the second is better from the middle of the runs on.
    rng = np.random.default_rng(0)
    rows = [
        {
            "architecture": name,
            "flops": c,
            "loss": (1.0 + a * (c / 1e15) ** -b) * np.exp(0.003 * rng.normal()),
        }
        for name, a, b in (("short", 1.5, 0.06), ("long", 1.7, 0.14))
        for c in np.geomspace(1e13, 1e18, 14)
    ]
    fitted = bs.fit(
        pd.DataFrame(rows), "henighan-c", 0, bs.Settings(chains=2, warmup=400, draws=400), lambda *_: None
    )
    found = fitted.adapt("architecture", flops=1e18)
    assert found.shapes == ("long", "short") or found.shapes == ("short", "long")
    assert found.orders["order"].iloc[0] == "short > long" and found.orders["p"].iloc[0] > 0.9
    row = found.changes.iloc[0]
    # |dC/dL| of 1 + a (C/C0)^-b is C / (b (L - 1)).
    loss = np.linspace(1.7, 4.2, 4001)
    slopes = [1e15 * ((loss - 1) / a) ** (-1 / b) / (b * (loss - 1)) for a, b in ((1.5, 0.06), (1.7, 0.14))]
    truth = loss[np.argmin(np.abs(np.log(slopes[0] / slopes[1])))]
    assert row["loss_q0.05"] < truth < row["loss_q0.95"]
    with pytest.raises(AdaptError, match="sizes do not matter"):
        fitted.adapt("architecture", flops=1e18, sizes=[1e6])
