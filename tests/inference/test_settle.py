"""Where sampling starts: spreads and noise at the mode of their own posterior."""

from __future__ import annotations

import numpy as np

import bayescale as bs
from bayescale.inference.nuts import Settings, sample
from bayescale.inference.settle import QUIETEST, settled
from bayescale.inference.start import find_start
from bayescale.models.arrays import data_of
from bayescale.models.design import make_design
from bayescale.models.layout import layout_of
from tests.simulate import TRUTH, simulate

BUDGETS = np.geomspace(1e17, 1e20, 6)


def test_spreads_and_noise_settle_where_the_posterior_is() -> None:
    """Far from their priors' medians: floors that differ tenfold between the tasks."""
    cells = {
        (who, what): {**truth, "E": 0.3 if what == "code" else 3.0} for (who, what), truth in TRUTH.items()
    }
    design = make_design(bs.Model.load("chinchilla"), simulate(BUDGETS, 6, cells=cells))
    layout, data = layout_of(design), data_of(design)
    start = find_start(layout, data, np.random.default_rng(0))
    place = start.centre
    assert np.abs(settled(place, layout, data) - place).max() < 0.1, "it had not settled"
    drawn = sample(layout, data, start, 0, Settings(chains=2, warmup=300, draws=300)).z
    z = drawn.reshape(-1, layout.size)
    middle, sd = z.mean(axis=0), z.std(axis=0)
    others = slice(layout.linear, None)
    assert np.abs(middle[others]).max() > 1.5, "nothing is far from its prior"
    away = np.abs(place - middle) / sd
    assert away[others].max() < 2 and away.mean() < 0.7


def test_a_place_is_finite_whatever_the_losses() -> None:
    """Losses without any noise: it stays where something can be computed."""
    runs = simulate(BUDGETS)
    law = bs.law("chinchilla")
    for (who, what), truth in TRUTH.items():
        mine = (runs["architecture"] == who) & (runs["task"] == what)
        inputs = {c: runs.loc[mine, c].to_numpy() for c in law.inputs}
        runs.loc[mine, "loss"] = np.asarray(law.loss(truth, inputs))
    design = make_design(bs.Model.load("chinchilla"), runs)
    layout, data = layout_of(design), data_of(design)
    place = settled(np.zeros(layout.size), layout, data)
    assert np.isfinite(place).all()
    assert QUIETEST <= place[layout.linear + len(layout.groups)] < -2
