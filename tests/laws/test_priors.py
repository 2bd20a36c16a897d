"""Default priors against what is published: every fit lies well inside, and the figures that justify them are right."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bayescale.laws import Law, Published, laws
from bayescale.laws.deepseek import SIZE_EXPONENTS
from bayescale.laws.gadre import ERROR_LAWS
from bayescale.laws.henighan import TABLE
from bayescale.laws.krajewski import DENSE
from bayescale.laws.mixed_modal import MODALITIES
from bayescale.laws.terms import BETWEEN_EXPONENTS, BETWEEN_FLOORS, EXPONENT, FLOOR, SIZE, SLOPE, WHOLE_LOSS
from bayescale.laws.usual import ranges

LAWS = laws()
# Amplitudes of the modalities are not comparable with their rounded exponents.
ELSEWHERE = [("chinchilla", DENSE, None)] + [
    ("chinchilla", published, ("E", "alpha", "beta")) for published in MODALITIES.values()
]
SETS = [
    pytest.param(LAWS[name], published, only, id=f"{name}-{published.label}")
    for name, published, only in [
        *((law.name, published, None) for law in LAWS.values() for published in law.published),
        *ELSEWHERE,
    ]
]


def middle(law: Law, published: Published) -> dict[str, float]:
    """The middle of a publication's own runs, as far as it is known; of usual ones otherwise."""
    ends = {**ranges(law), **published.runs}
    return {name: float(np.sqrt(low * high)) for name, (low, high) in ends.items()}


@pytest.mark.parametrize("law, published, only", SETS)
def test_every_published_set_lies_in_the_central_98_per_cent(
    law: Law, published: Published, only: tuple[str, ...] | None
) -> None:
    at, checked = middle(law, published), []
    assert set(published.runs) <= set(law.inputs)
    for p in law.parameters:
        if p.name not in published.values or (only and p.name not in only):
            continue
        x = published.values[p.name]
        if p.centring is not None:
            try:
                x = float(p.centring.from_natural(x, published.values, at))
            except KeyError:
                continue  # the publication leaves open what this one is relative to
        if x == 0 and p.support == "positive":
            assert p.name in ("L_inf", "E")  # fitted without a floor: no prior of a positive floor holds zero
            continue
        low, high = p.prior.interval(p.support, 0.98)
        assert low < x < high, (p.name, x, low, high)
        checked.append(p.name)
    assert checked


def test_published_sets_are_not_together_at_one_edge_of_a_prior() -> None:
    """Where three and more sets are published, their mean is within 1.3 standard deviations of the prior's."""
    far = {}
    for law in LAWS.values():
        for p in law.parameters:
            mean, sd = p.prior.normal(p.support)
            z = []
            for published in law.published:
                if set(law.parameter_names) <= set(published.values) and all(published.values.values()):
                    x = float(law.sampled(published.values, middle(law, published))[p.name])
                    z.append(((np.log(x) if p.support == "positive" else x) - mean) / sd)
            if p.support != "unit" and len(z) >= 3:
                far[law.name, p.name] = float(np.mean(z))
    assert far and max(map(abs, far.values())) < 1.3, far


def spread(xs) -> float:
    return float(np.std(np.log(list(xs)), ddof=1))


def test_figures_that_justify_the_floor() -> None:
    modal = {name: p.values["E"] for name, p in MODALITIES.items()}
    fits = [fit for row in TABLE for fit in (row.size, row.compute) if fit is not None and fit.floor > 0]
    assert min(f.floor for f in fits) == 0.14 and min(modal.values()) == 0.16
    assert max(f.floor for f in fits) == pytest.approx(4.1, abs=0.02)
    assert DENSE.values["E"] == 0.47 and modal["Text"] == 2.42
    assert spread(modal.values()) == pytest.approx(1.1, abs=0.05)
    assert spread(e for name, e in modal.items() if name != "Code") == pytest.approx(0.1, abs=0.05)
    low, high = FLOOR.interval("positive", 0.98)
    assert low < 0.14 and high > 4.1
    assert BETWEEN_FLOORS.interval("positive", 0.98)[1] > 1.1


def test_figures_that_justify_exponents() -> None:
    alphas, betas = ([p.values[name] for p in MODALITIES.values()] for name in ("alpha", "beta"))
    assert min(alphas + betas) == 0.11 and max(alphas + betas) == 0.37
    assert spread(alphas) == pytest.approx(0.52, abs=0.005) and spread(betas) == pytest.approx(
        0.42, abs=0.005
    )
    with_floor = [row.size.exponent for row in TABLE if row.size and row.size.floor > 0]
    assert (min(with_floor), max(with_floor)) == (0.13, 0.24)
    mean, sd = EXPONENT.normal("positive")
    assert np.exp(mean) == pytest.approx(0.24, abs=0.01) and sd == pytest.approx(0.86, abs=0.005)
    low, high = EXPONENT.interval("positive", 0.9)
    assert low < 0.11 and high > 0.61
    without = [row.size.exponent for row in TABLE if row.size and not row.size.floor]
    assert min(without) == 0.037
    low, high = SLOPE.interval("positive", 0.9)
    assert low < 0.037 and high > 0.2


def test_figures_that_justify_how_exponents_differ_between_corpora() -> None:
    # N ~ C^a with a = beta / (alpha + beta), so alpha / beta = 1/a - 1.
    ratio = spread(1 / a - 1 for a in SIZE_EXPONENTS.values())
    assert ratio == pytest.approx(0.26, abs=0.005)
    each = ratio / np.sqrt(2)
    assert each == pytest.approx(0.18, abs=0.005)
    low, high = BETWEEN_EXPONENTS.interval("positive", 0.9)
    assert low < each < high
    assert BETWEEN_EXPONENTS.interval("positive", 0.98)[1] > 0.5  # and modalities


def test_figures_that_justify_terms() -> None:
    sizes = []
    for name in ("chinchilla", "muennighoff", "krajewski"):
        law = LAWS[name]
        for published in law.published:
            sampled = law.sampled(published.values, middle(law, published))
            sizes += [float(x) for key, x in sampled.items() if key in ("A", "B", "a", "b")]
    assert min(sizes) > 0.1 and max(sizes) < 2.5
    low, high = SIZE.interval("positive", 0.9)
    assert low < min(sizes) / 2 and high > max(sizes)
    low, high = WHOLE_LOSS.interval("positive", 0.9)
    for name in ("kaplan-n", "kaplan-d", "kaplan-c", "kaplan-cmin"):
        law = LAWS[name]
        published = law.published[0]
        assert low < float(law.loss(published.values, middle(law, published))) < high


def test_every_law_says_where_it_comes_from() -> None:
    for law in LAWS.values():
        assert re.search(r"arXiv:\d{4}\.\d{5}\b", law.citation), law.name
        for published in law.published:
            assert "arXiv:" in published.citation or "this project" in published.citation, published.label
    assert all(error.label for error in ERROR_LAWS)
