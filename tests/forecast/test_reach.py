"""The warning that goes with a band: how far it reaches, and how forecasts that far did."""

from __future__ import annotations

import pandas as pd

import bayescale as bs
from bayescale.forecast.reach import checked_decades, reach


def points(posterior: bs.Posterior, *factors: float) -> pd.DataFrame:
    """Runs so many times dearer than the dearest fitted one, at its tokens per param."""
    dearest = posterior.runs.loc[posterior.runs["flops"].idxmax()]
    rows = [{"params": dearest["params"] * f**0.5, "tokens": dearest["tokens"] * f**0.5} for f in factors]
    return pd.DataFrame(rows).assign(architecture="gpt", task="code")


def test_the_scale_goes_by_how_far_forecasts_were_checked(posterior: bs.Posterior) -> None:
    checked = checked_decades(posterior)
    assert 0.1 < checked["flops"] < 1.5
    near = 10 ** (checked["flops"] * 0.9)
    found = reach(posterior, points(posterior, 0.1, near, 10 ** (checked["flops"] * 2), 1e5))
    assert [text.partition(":")[0] for text in found] == ["inside", "near", "beyond", "far"]
    assert "decades of compute" in found[1] and "5 decades of compute" in found[3]
    # The record of the fit's own folds stands beside the distance, and only where there is one.
    assert "in their 90 % bands" in found[1] and "90 %" not in found[0]


def test_tokens_per_param_outside_the_runs_are_said(posterior: bs.Posterior) -> None:
    inside = points(posterior, 0.01)
    odd = inside.assign(params=inside["params"] / 100, tokens=inside["tokens"] * 10)
    assert "tokens per param, where the runs have" in reach(posterior, odd)[0]
    assert "tokens per param" not in reach(posterior, inside)[0]


def test_without_folds_nothing_was_checked(runs: pd.DataFrame) -> None:
    quick = bs.Settings(chains=2, warmup=200, draws=100, folds=False)
    posterior = bs.fit(runs, model="chinchilla", settings=quick)
    assert checked_decades(posterior) == {}
    (text,) = reach(posterior, points(posterior, 3.0))
    assert text.startswith("beyond: ") and text.endswith("no forecast of known runs was checked")
    assert posterior.predict(points(posterior, 3.0))["reach"].item() == text
