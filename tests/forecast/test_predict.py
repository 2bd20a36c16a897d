from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast import PointsError, expected, expected_loss
from bayescale.forecast.expected import Predictor
from bayescale.inference.drift import COMMON
from bayescale.models.density import natural_at


def point(**labels: str | None) -> pd.DataFrame:
    return pd.DataFrame([{"params": 1e6, "tokens": 1e8, **labels}])


def width(table: pd.DataFrame) -> float:
    return float(np.log(table["q0.95"] / table["q0.05"]).iloc[0])


def test_keeps_the_points_and_says_what_the_band_is(posterior: bs.Posterior) -> None:
    points = point(architecture="gpt", task="code").assign(colour="blue")
    out = posterior.predict(points, quantiles=[0.9, 0.1])
    added = [
        "loss_mean",
        "loss_sd",
        "q0.1",
        "q0.9",
        "band",
        "group",
        "level",
        "decades_beyond",
        "beyond_along",
    ]
    assert list(out.columns) == [*points.columns, *added]
    assert out["band"].item() == "loss of a new run"
    assert posterior.predict(points, of="mean")["band"].item() == "expected loss"


def test_a_new_runs_band_is_wider_by_the_noise(posterior: bs.Posterior, runs: pd.DataFrame) -> None:
    mean, run = (posterior.predict(runs, of=of) for of in ("mean", "run"))
    half = [(x["q0.75"] - x["q0.25"]) / (2 * 0.674) for x in (mean, run)]
    assert (half[1] > half[0]).all()
    noise = np.sqrt(half[1] ** 2 - half[0] ** 2) / mean["loss_mean"]
    # sigma = 0.004 and five degrees of freedom: quartiles at 0.727 of the scale, those of a normal of 0.0043.
    assert noise.median() == pytest.approx(0.0043, abs=0.0015)


def test_a_new_run_has_no_moments(posterior: bs.Posterior) -> None:
    # The exponential of a Student-t has no mean, whatever its degrees of freedom.
    out = posterior.predict(point(architecture="gpt", task="code"))
    assert out[["loss_mean", "loss_sd"]].isna().all(axis=None)
    assert "loss_mean" in out.to_csv(index=False)
    mean = posterior.predict(point(architecture="gpt", task="code"), of="mean")
    assert mean["loss_mean"].item() == pytest.approx(mean["q0.5"].item(), rel=0.01)


def test_a_group_from_a_wide_population_has_a_forecast(
    posterior: bs.Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wide(*arguments: Any) -> dict[str, np.ndarray]:
        found = {name: np.array(value) for name, value in natural_at(*arguments).items()}
        # An exponent of thousands, and an amplitude past what a float holds.
        found["beta"][0], found["B"][0] = 3e3, np.inf
        return found

    monkeypatch.setattr(expected, "natural_at", wide)
    assert np.isfinite(
        posterior.predict(point(architecture="lstm", task="prose"), new_groups=True)
        .filter(like="q")
        .to_numpy()
    ).all()


def test_a_new_group_is_not_a_thousand_times_the_others(posterior: bs.Posterior) -> None:
    new = point(architecture="lstm", task="prose")
    apart = np.log(Predictor(posterior).parameters(new).values["beta"][:, 0] / posterior.draws("beta_mean"))
    # New in two ways, by a factor of thirty at most in each; hardly a draw is.
    assert np.abs(apart).max() <= 2 * np.log(30) + 1e-9
    assert np.median(np.abs(apart)) < 0.5


def test_groups_known_mixed_and_new(posterior: bs.Posterior) -> None:
    known = posterior.predict(point(architecture="gpt", task="code"), of="mean")
    mixed = posterior.predict(point(architecture="gpt", task=None), of="mean")
    new = posterior.predict(point(architecture="gpt", task="latin"), of="mean", new_groups=True)
    assert [t["group"].item() for t in (known, mixed, new)] == [
        "known",
        "mixture over task",
        "new: task=latin",
    ]
    assert width(known) < width(mixed) < width(new)
    # The mixture has the two tasks at its ends.
    tasks = [
        posterior.predict(point(architecture="gpt", task=t), of="mean")["q0.5"].item()
        for t in ("code", "docs")
    ]
    assert mixed["q0.05"].item() < min(tasks) + 0.05 < max(tasks) - 0.05 < mixed["q0.95"].item()


def test_a_mixture_is_half_of_each_group(posterior: bs.Posterior) -> None:
    draws, _ = expected_loss(posterior, point(architecture="gpt", task=None))
    code, docs = (expected_loss(posterior, point(architecture="gpt", task=t))[0] for t in ("code", "docs"))
    same = np.isclose(draws, code), np.isclose(draws, docs)
    assert (same[0] ^ same[1]).all()
    assert same[0].mean() == pytest.approx(0.5, abs=0.04)


def test_points_of_one_new_group_share_it(posterior: bs.Posterior) -> None:
    # Inside the fitted runs, where nothing drifts.
    first = point(architecture="lstm", task="code").assign(params=2e5, tokens=1e6)
    draws, _ = expected_loss(posterior, pd.concat([first, first.assign(tokens=2e6)]))
    assert np.corrcoef(draws.T)[0, 1] > 0.95
    assert (draws[:, 1] < draws[:, 0]).all()
    alone, _ = expected_loss(posterior, first)
    assert np.array_equal(alone[:, 0], draws[:, 0])


def test_beyond_the_runs_the_law_drifts_the_more_the_further(posterior: bs.Posterior) -> None:
    cell = {"architecture": "gpt", "task": "code"}
    sizes = 2e5 * np.array([1.0, 10.0, 100.0])
    points = pd.DataFrame({"params": sizes, "tokens": 10 * sizes}).assign(**cell)
    predictor = Predictor(posterior)
    drift = predictor.drift(points)
    assert not drift[:, 0].any()
    spread = drift.std(axis=0)
    top = posterior.runs["params"].max(), posterior.dearest
    assert points["params"][1] > top[0] and 6 * points["params"][1] * points["tokens"][1] > top[1]
    for i in (1, 2):
        flops = posterior.draws("drift_flops") * np.log(60 * sizes[i] ** 2 / top[1])
        params = posterior.draws("drift_params") * np.log(sizes[i] / top[0])
        assert spread[i] == pytest.approx(np.sqrt(np.mean(flops**2 + params**2)), rel=0.05)
    # Cells share half of it.
    other = predictor.drift(points.assign(task="docs"))
    assert np.corrcoef(drift[:, 2], other[:, 2])[0, 1] == pytest.approx(COMMON, abs=0.06)
    assert np.array_equal(predictor.drift(points.iloc[2:])[:, 0], drift[:, 2])


def test_many_points_come_back_in_order(posterior: bs.Posterior) -> None:
    points = pd.DataFrame(
        {"params": np.geomspace(1e5, 1e7, 1200), "tokens": 1e8, "architecture": "gpt", "task": "code"}
    )
    out = posterior.predict(points, of="mean")
    assert len(out) == 1200
    assert (np.diff(out["q0.5"]) < 0).all()


@pytest.mark.parametrize(
    "points, said",
    [
        (pd.DataFrame({"params": [1e6]}), "lack the column 'tokens'"),
        (pd.DataFrame({"params": [1e6, -1], "tokens": [1e8, 1e8]}), "row 2, column params: '-1.0'"),
        (pd.DataFrame({"params": [1e6], "tokens": ["many"]}), "row 1, column tokens: 'many'"),
    ],
)
def test_bad_points_are_named(posterior: bs.Posterior, points: pd.DataFrame, said: str) -> None:
    with pytest.raises(PointsError) as error:
        posterior.predict(points)
    assert said in str(error.value)


@pytest.mark.parametrize("options", [{"quantiles": [0.0, 0.5]}, {"quantiles": []}, {"of": "runs"}])
def test_bad_options(posterior: bs.Posterior, options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        posterior.predict(point(architecture="gpt", task="code"), **options)  # type: ignore[arg-type]
