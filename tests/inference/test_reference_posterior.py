"""Our draws against a stored posterior of the same model, written and sampled by another hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats

import bayescale as bs
from bayescale.inference.fit import Fit, fit_design
from bayescale.inference.health import scalars
from bayescale.laws import Range
from bayescale.models import Noise, make_design

FILE = Path(__file__).parent / "reference_posterior.json"
if not FILE.is_file():
    pytest.skip("not made yet: python benchmarks/reference_posterior.py", allow_module_level=True)


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fit(reference: dict) -> Fit:
    priors = {name: Range(*ends) for name, ends in reference["priors"].items()}
    model = bs.Model(
        name="reference",
        law="chinchilla",
        pooling={"E": "1 + (1|task)"},
        priors={name: priors[name] for name in ("E", "A", "alpha", "B", "beta")},
        spread={"E": priors["spread"]},
        # Runs of one compute: the reference has noise that is the same for all.
        noise=Noise(sigma=priors["sigma"], nu=priors["nu"], sigma_decade=Range(1 - 1e-9, 1 + 1e-9)),
    )
    design = make_design(model, pd.DataFrame(reference["runs"]))
    return fit_design(design, 0, bs.Settings(folds=False))


def test_the_reference_meets_posteriordbs_rules(reference: dict) -> None:
    facts = reference["made by"]
    assert facts["draws"] >= 10_000 and facts["divergences"] == 0
    assert facts["worst R-hat"] < 1.01 and facts["least E-BFMI"] > 0.2
    # Errors are those of effective draws: a few thousand make them a fifth of ours.
    assert facts["least bulk ESS"] > 5_000 and facts["least tail ESS"] > 3_500


@pytest.mark.slow
def test_our_posterior_is_the_reference(reference: dict, fit: Fit) -> None:
    assert fit.health.verdict != "FAIL", str(fit.health)
    named = fit.quantities
    names, drawn = scalars(named.posterior, {n: named.coords[d[0]] for n, d in named.dims.items()})
    ours = dict(zip(names, np.moveaxis(drawn, 2, 0), strict=True))
    # The size of a term is a population's: it is the same in every cell here.
    ours |= {f"{x}_term": ours[f"{x}_term[code]"] for x in ("A", "B")}
    far = {}
    for name, summary in reference["quantities"].items():
        x = ours[name]
        for what, known in summary.items():
            if what == "mean":
                value, error = x.mean(), array_stats.mcse(x, method="mean")
            elif what == "sd":
                value, error = x.std(ddof=1), array_stats.mcse(x, method="sd")
            else:
                p = float(what[1:])
                value, error = np.quantile(x, p), array_stats.mcse(x, method="quantile", prob=p)
            far[name, what] = (value - known["value"]) / np.hypot(error, known["mcse"])
    scores = np.array(list(far.values()))
    # Ninety-odd standard scores, many of them of one draw's sum: four is beyond chance.
    worst = max(far, key=lambda key: abs(far[key]))
    assert np.abs(scores).max() < 4, (worst, far[worst])
    assert np.sqrt((scores**2).mean()) < 1.6
