from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast import PointsError, expected_loss


def point(**labels: str | None) -> pd.DataFrame:
    return pd.DataFrame([{"params": 1e6, "tokens": 1e8, **labels}])


def width(table: pd.DataFrame) -> float:
    return float(np.log(table["q0.95"] / table["q0.05"]).iloc[0])


def test_keeps_the_points_and_says_what_the_band_is(posterior: bs.Posterior) -> None:
    points = point(architecture="gpt", task="code").assign(colour="blue")
    out = posterior.predict(points, quantiles=[0.9, 0.1])
    assert list(out.columns) == [*points.columns, "loss_mean", "loss_sd", "q0.1", "q0.9", "band", "group"]
    assert out["band"].item() == "loss of a new run"
    assert posterior.predict(points, of="mean")["band"].item() == "expected loss"


def test_a_new_runs_band_is_wider_by_the_noise(posterior: bs.Posterior, runs: pd.DataFrame) -> None:
    mean, run = (posterior.predict(runs, of=of) for of in ("mean", "run"))
    assert (run["loss_sd"] > mean["loss_sd"]).all()
    noise = np.sqrt(run["loss_sd"] ** 2 - mean["loss_sd"] ** 2) / mean["loss_mean"]
    # sigma = 0.004 and five degrees of freedom: a standard deviation of 0.005.
    assert noise.median() == pytest.approx(0.005, abs=0.002)


def test_groups_known_mixed_and_new(posterior: bs.Posterior) -> None:
    known = posterior.predict(point(architecture="gpt", task="code"), of="mean")
    mixed = posterior.predict(point(architecture="gpt", task=None), of="mean")
    new = posterior.predict(point(architecture="gpt", task="latin"), of="mean")
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
    points = pd.concat(
        [point(architecture="lstm", task="code"), point(architecture="lstm", task="code").assign(tokens=5e7)]
    )
    draws, _ = expected_loss(posterior, points)
    assert np.corrcoef(draws.T)[0, 1] > 0.95
    assert (draws[:, 1] > draws[:, 0]).all()
    alone, _ = expected_loss(posterior, point(architecture="lstm", task="code"))
    assert np.array_equal(alone[:, 0], draws[:, 0])


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
