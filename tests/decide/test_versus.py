"""Groups against each other: pairs cancel what is shared, crossings and gains are where algebra puts them."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import VersusError
from bayescale.decide.curves import Curve
from bayescale.decide.equivalence import Equivalence, EquivalenceError, contrast, run_noise
from bayescale.decide.optimum import optimum
from bayescale.decide.versus import _crossing, _gain
from bayescale.forecast.known_labels import LabelError
from tests.simulate import TRUTH, simulate


class Still:
    """A predictor that knows of no drift."""

    def drift(self, points: pd.DataFrame) -> np.ndarray:
        return np.zeros((1, len(points)))


def curve(**values: float) -> Curve:
    every = {"E": 1.5, "A": 30.0, "B": 60.0, "alpha": 0.3, "beta": 0.3} | values
    arrays = {name: np.array([x]) for name, x in every.items()}
    return Curve(bs.law("chinchilla"), arrays, {}, {}, 6.0, Still())  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.9, 0.97, 1.05, 1.4])
def test_the_gain_in_compute_is_exact_where_algebra_knows_it(scale: float) -> None:
    # With alpha = beta the loss above the floor goes as C^(-alpha/2):
    # terms smaller by `scale` are worth scale^(-2/alpha).
    plain, better = curve(), curve(A=30.0 * scale, B=60.0 * scale)
    gain = _gain([plain], 1e20, better.loss(np.array([1e20]))[:, 0])
    assert gain.item() == pytest.approx(scale ** (-2 / 0.3), rel=2e-3)


def test_a_floor_that_is_never_reached_is_no_gain() -> None:
    assert _gain([curve(E=1.5)], 1e20, np.array([1.4])).item() == np.inf
    assert _gain([curve(E=1.5)], 1e20, np.array([100.0])).item() == 0.0


def test_the_crossing_is_where_two_curves_cross() -> None:
    low_floor, steep = curve(E=1.4, A=33.0, B=66.0), curve()
    grid = np.geomspace(1e12, 1e24, 61)
    found = _crossing(grid, steep.loss(grid) - low_floor.loss(grid))
    assert found["p_crossing"] == 1
    both = [c.loss(np.array([found["crossing"]])).item() for c in (low_floor, steep)]
    assert both[0] == pytest.approx(both[1], rel=1e-4)
    assert _crossing(grid, np.ones((3, 61)))["p_crossing"] == 0


def test_pairs_cancel_what_is_shared(posterior: bs.Posterior) -> None:
    found = posterior.versus("architecture", [1e13])
    for context in ("code", "docs"):
        gpt, llama = (found.draws[context, 1e13, arm] for arm in ("gpt", "llama"))
        assert np.std(gpt - llama) < 0.9 * np.hypot(gpt.std(), llama.std())
        row = found.pairs[found.pairs["context"] == context].iloc[0]
        truth = [_best(TRUTH[arm, context], 1e13) for arm in ("gpt", "llama")]
        assert row["difference_q0.05"] < truth[1] - truth[0] < row["difference_q0.95"]
        assert row["difference"] == pytest.approx(np.median(llama - gpt))
        assert (
            row["p_a"]
            < 0.5
            < found.arms.set_index(["context", "architecture"]).loc[(context, "llama"), "p_best"]
        )
        # llama is better, so that gpt's curve gets there with less than gpt's own budget: its figure is below one.
        assert 0.2 < row["gain"] < 1
    assert found.arms.groupby("context")["p_best"].sum().tolist() == pytest.approx([1, 1, 1])
    mean = found.arms[found.arms["context"] == "(mean)"]
    assert mean["p_best"].max() >= found.arms["p_best"].median()


def _best(truth: dict[str, float], flops: float) -> float:
    params, tokens = optimum(bs.law("chinchilla"), truth, flops)
    return float(bs.law("chinchilla").loss(truth, {"params": params, "tokens": tokens}))


def test_own_optimum_is_the_allocation_and_equal_sizes_are_equal(posterior: bs.Posterior) -> None:
    found = posterior.versus("task", [1e12, 1e13], at={"architecture": "gpt"})
    allocated = posterior.allocate([1e13], pd.DataFrame([{"architecture": "gpt", "task": "docs"}]))
    assert found.draws["gpt", 1e13, "docs"] == pytest.approx(allocated.draws["loss"][:, 0])
    arms = found.arms[found.arms["flops"] == 1e13]
    assert len(set(arms["equal_params"])) == 1
    assert (6 * arms["equal_params"] * arms["equal_tokens"]).tolist() == pytest.approx([1e13] * 2)
    # No run does better than a group's own optimum, drift apart.
    assert (arms["equal_loss"] >= arms["loss"] - 1e-3).all()
    assert found.sentences[-1].startswith("gpt: at 10¹³ FLOPs code is best with probability over 99")
    assert "docs" in str(found)


def floors(monkeypatch: pytest.MonkeyPatch, **by_arm: np.ndarray) -> None:
    """Let every group's law be one of known coefficients whose floor has these draws."""

    def made(posterior: bs.Posterior, groups: pd.DataFrame) -> list[Curve]:
        found = []
        for labels in groups.to_dict("records"):
            one = curve()
            draws = by_arm[labels["architecture"]]
            values = {name: np.repeat(x, len(draws)) for name, x in one.values.items()} | {"E": draws}
            found.append(Curve(one.law, values, labels, {}, 6.0, one.predictor))
        return found

    monkeypatch.setattr(import_module("bayescale.decide.versus"), "curves", made)


def test_a_tie_is_not_a_win(posterior: bs.Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    # gpt is the lower in 52 % of draws, and yet its median is the higher: its better draws are better by very little.
    draws, rng = 4000, np.random.default_rng(0)
    shared = 1.5 + 0.05 * rng.normal(size=draws)
    lead = np.where(np.arange(draws) % 100 < 52, 0.0005, -0.004)
    floors(monkeypatch, gpt=shared, llama=shared + lead)
    found = posterior.versus("architecture", [1e13], at={"task": "code"})
    pair = found.pairs.iloc[0]
    assert pair["p_a"] == 0.52
    assert pair["answer"] == "equivalent" and pair["p_equivalent"] == 1
    assert " best " not in found.sentences[0] and "are equivalent" in found.sentences[0]
    # A region that somebody states decides what counts.
    strict = posterior.versus("architecture", [1e13], at={"task": "code"}, equivalence=0.001)
    pair = strict.pairs.iloc[0]
    assert pair["answer"] == "not shown"
    assert (pair["p_a_better"], pair["p_equivalent"], pair["p_b_better"]) == (0.0, 0.52, 0.48)
    assert "no difference that these runs can show" in strict.sentences[0]


@pytest.mark.parametrize("order", [1, -1])
def test_who_is_named_best_is_who_the_difference_favours(
    posterior: bs.Posterior, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    rng = np.random.default_rng(1)
    shared = 1.5 + 0.05 * rng.normal(size=4000)
    floors(monkeypatch, gpt=shared, llama=shared + order * (0.5 + 0.01 * rng.normal(size=4000)))
    found = posterior.versus("architecture", [1e13], at={"task": "code"}, equivalence="5 %")
    best, other = ("gpt", "llama")[::order]
    pair = found.pairs.iloc[0]
    assert pair["answer"] == ("a better" if order == 1 else "b better")
    assert pair["equivalence"] == pytest.approx(0.05 * found.arms["loss"].mean())
    assert found.arms.set_index("architecture")["loss"].idxmin() == best
    assert f"{best} is best with probability over 99" in found.sentences[0]
    assert f"{other} is 0.50 above it" in found.sentences[0]
    wide = posterior.versus("architecture", [1e13], at={"task": "code"}, equivalence=1.0)
    assert wide.pairs["answer"].item() == "equivalent"


def test_the_region_is_the_noise_of_one_run(posterior: bs.Posterior) -> None:
    found = posterior.versus("architecture", [1e13])
    points = pd.DataFrame([{"architecture": "gpt", "task": "code", "flops": 1e13}])
    noise = run_noise(posterior, points)
    assert noise == pytest.approx(np.median(posterior.noise_scale(points, 0.0)))
    code = found.pairs[found.pairs["context"] == "code"].iloc[0]
    typical = found.arms.loc[found.arms["context"] == "code", "loss"].mean()
    assert code["equivalence"] == pytest.approx(noise * typical, rel=0.02)
    every = found.pairs[["p_a_better", "p_equivalent", "p_b_better"]]
    assert every.sum(axis=1).tolist() == pytest.approx([1] * len(every))
    assert (found.pairs["p_a_better"] <= found.pairs["p_a"]).all()


@pytest.mark.parametrize(
    "low, high, answer",
    [
        (0.2, 0.3, "a better"),
        (-0.3, -0.2, "b better"),
        (-0.05, 0.05, "equivalent"),
        (-0.05, 0.3, "not shown"),
    ],
)
def test_what_draws_show_of_a_difference(low: float, high: float, answer: str) -> None:
    found = contrast(np.linspace(low, high, 1001), 0.1)
    assert found["answer"] == answer


def test_a_region_that_is_none_is_refused() -> None:
    assert Equivalence.of("1%") == Equivalence.of("1.0 %") == Equivalence(share=0.01)
    assert Equivalence.of("0.02") == Equivalence.of(0.02) == Equivalence(nats=0.02)
    for given in ("much", "-1%", -0.1, float("nan"), "1 %%"):
        with pytest.raises(EquivalenceError, match=r"such as 0\.01, or a share of the loss, such as 1%"):
            Equivalence.of(given)


def test_what_cannot_be_compared_is_named(posterior: bs.Posterior) -> None:
    for arguments, said in (
        ({"by": "seed", "flops": [1e13]}, "grouped by seed: they are by architecture, task"),
        ({"by": "task", "flops": [1e3]}, "below the cheapest fitted run"),
        ({"by": "task", "flops": []}, "positive FLOPs"),
        ({"by": "task", "flops": [1e13], "levels": ["code"]}, "two groups or more"),
        ({"by": "task", "flops": [1e13], "levels": ["code", "latin"]}, "no run has task = latin"),
        ({"by": "task", "flops": [1e13], "at": {"architecture": "lstm"}}, "no run has architecture = lstm"),
        ({"by": "task", "flops": [1e13], "at": {"task": "code"}}, "no other grouping column"),
    ):
        with pytest.raises((VersusError, LabelError), match=said):
            posterior.versus(**arguments)


@pytest.mark.slow
def test_an_arm_with_three_runs_borrows_from_the_others() -> None:
    base = {"E": 1.5, "A": 30.0, "alpha": 0.32, "B": 60.0, "beta": 0.33}
    cells = {
        (arm, "code"): {**base, "A": x} for arm, x in (("a", 27.0), ("b", 30.0), ("c", 33.0), ("d", 28.0))
    }
    runs = simulate(np.geomspace(3e10, 3e12, 4), sizes=3, seed=2, cells=cells)
    few = runs[runs["architecture"] == "d"].iloc[[1, 4, 7]]
    table = pd.concat([runs[runs["architecture"] != "d"], few], ignore_index=True)
    settings = bs.Settings(chains=2, warmup=500, draws=500)
    group = pd.DataFrame([{"architecture": "d", "task": "code"}])
    together = bs.fit(table, "chinchilla", 0, settings, lambda *_: None)
    alone = bs.fit(few.reset_index(drop=True), "chinchilla", 0, settings, lambda *_: None)
    truth = _best(cells["d", "code"], 1e13)
    shared = together.allocate([1e13], group).draws["loss"][:, 0]
    own = alone.allocate([1e13]).draws["loss"][:, 0]
    print(f"sd {shared.std():.3f} with the others, {own.std():.3f} alone; truth {truth:.3f}")
    assert shared.std() < 0.3 * own.std()
    low, high = np.quantile(shared, (0.005, 0.995))
    assert low < truth < high
    assert abs(np.median(shared) - truth) < abs(np.median(own) - truth)
    # And the difference to a measured arm is sharper than either of the two losses.
    found = together.versus("architecture", [1e13])
    other, mine = (found.draws["", 1e13, arm] if ("", 1e13, arm) in found.draws else
                   found.draws["code", 1e13, arm] for arm in ("a", "d"))  # fmt: skip
    assert np.std(mine - other) < np.hypot(mine.std(), other.std())
    assert all(x <= y for x, y in pairwise(sorted(found.arms["p_best"])))
