"""Several modes: drawn in proportion to their evidence, and never passed in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.inference import fit, places
from bayescale.inference.fit import fit_design
from bayescale.inference.health import Check, Health, check_health
from bayescale.inference.kinds import two_kinds
from bayescale.inference.nuts import Draws
from bayescale.inference.places import NEGLIGIBLE, UNSURE, Mixture, Place, distinct, weigh
from bayescale.inference.quantities import quantities
from bayescale.inference.start import find_start
from bayescale.laws import Law, Parameter, Range
from bayescale.models.arrays import data_of
from bayescale.models.design import Design, make_design
from bayescale.models.layout import layout_of
from tests.inference.test_start import designed

DRAWS = 300


@pytest.fixture(scope="module")
def two_signs() -> Design:
    """The sign of a is not measured; the prior is centred at the positive root, .5."""
    law = bs.register(
        Law(
            name="test-two-signs",
            title="Nearly symmetrical",
            citation="none",
            equation="log L = a^2 log(N / 1e5)",
            latex="",
            inputs=("params",),
            parameters=(Parameter("a", "root of the slope", "1", "real", Range(-0.5, 1.5), "a"),),
            loss=lambda v, x: jnp.exp(v["a"] ** 2 * jnp.log(x["params"] / 1e5)),
        )
    )
    params = np.geomspace(1e6, 1e8, 12)
    noise = 0.01 * np.random.default_rng(0).normal(size=12)
    runs = pd.DataFrame({"params": params, "loss": np.exp(0.25 * np.log(params / 1e5) + noise)})
    return make_design(bs.Model(name="two signs", law=law.name), runs)


SHARE = 1 / (1 + np.exp(-0.5 * 1.6448536**2))
"""Of the positive root: the prior is one of its standard deviations, 1 / 1.645, from there to the negative one."""


def test_modes_are_drawn_in_proportion_to_their_evidence(
    two_signs: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "LOOK", 0)
    monkeypatch.setattr(fit, "_nearly", lambda health: False)
    found = fit_design(two_signs, 0, bs.Settings(chains=2, warmup=200, draws=DRAWS, folds=False))
    positive = (found.quantities.posterior["a_mean"] > 0).mean(axis=1)
    assert positive == pytest.approx([SHARE, SHARE], abs=0.05) and positive[0] == positive[1]
    check = next(c for c in found.health.checks if c.name == "modes")
    assert (check.verdict, check.value) == ("REVIEW", 2) and not found.health.passed
    assert sum("of the mass" in note for note in found.notes) == 2
    # Modes are mixed evenly along a chain, and folds go by the more probable one.
    first, second = np.split(found.quantities.posterior["a_mean"][0] > 0, 2)
    assert first.mean() == pytest.approx(second.mean(), abs=0.02)
    assert found.main is not None and found.main.z.shape == found.draws.z.shape
    assert (quantities(two_signs, found.main.z).posterior["a_mean"] > 0).all()


@pytest.fixture
def drawn(two_signs: Design) -> Iterator[tuple[Place, Place]]:
    """Hand-made draws of both modes."""
    layout = layout_of(two_signs)
    start = find_start(layout, data_of(two_signs), np.random.default_rng(0))
    assert len(start.modes) == 2
    rng = np.random.default_rng(0)
    yield tuple(  # type: ignore[misc]
        place(two_signs, mode + 0.01 * rng.normal(size=(4, DRAWS, layout.size))) for mode in start.modes
    )


def place(design: Design, z: np.ndarray) -> Place:
    flat = np.zeros(z.shape[:2])
    energy = np.random.default_rng(1).normal(size=z.shape[:2])
    stats = {"diverging": flat > 0, "tree_depth": flat + 3, "energy": energy}
    named = quantities(design, z)
    return Place(Draws(z, stats, layout_of(design)), named, check_health(named.posterior, stats, 10))


def test_a_mode_of_negligible_mass_is_left_out_with_a_note(
    two_signs: Design, drawn: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = iter([(0.0, 0.01), (np.log(NEGLIGIBLE) - 0.1, 0.01)])
    monkeypatch.setattr(places, "bridge", lambda *_: next(evidence))
    mixture, notes = weigh(drawn, two_signs, np.random.default_rng(0))
    assert mixture.places == drawn[:1] and mixture.shares == pytest.approx([1.0]) and len(notes) == 1


def test_shares_that_are_not_known_fail(drawn: tuple[Place, Place]) -> None:
    for error, verdict in ((0.1, "REVIEW"), (UNSURE, "FAIL")):
        health = Mixture(drawn, np.array([0.5, 0.5]), np.array([error, error])).health()
        assert next(c.verdict for c in health.checks if c.name == "modes") == verdict


def test_a_mixture_has_the_worst_of_its_modes(drawn: tuple[Place, Place]) -> None:
    bad = Check("R-hat", "FAIL", 1.3, "below 1.01", "a", "")
    others = tuple(c for c in drawn[1].health.checks if c.name != "R-hat")
    worse = replace(drawn[1], health=Health((bad, *others)))
    health = Mixture((drawn[0], worse), np.array([0.9, 0.1]), np.zeros(2)).health()
    check = next(c for c in health.checks if c.name == "R-hat")
    assert (check.verdict, check.where) == ("FAIL", "a of mode 2")


def test_divergences_count_by_the_share_of_their_mode(drawn: tuple[Place, Place]) -> None:
    def health(share: float) -> str:
        rare = tuple(replace(c, value=6.0) if c.name == "divergences" else c for c in drawn[1].health.checks)
        mixed = Mixture(
            (drawn[0], replace(drawn[1], health=Health(rare))), np.array([1 - share, share]), np.zeros(2)
        )
        return next(c.verdict for c in mixed.health().checks if c.name == "divergences")

    # Six of 1,200 draws: beyond one in two thousand of the mixture, or not.
    assert health(0.5) == "FAIL" and health(0.05) == "REVIEW"


def test_places_that_are_the_same_are_one(two_signs: Design, drawn: tuple[Place, Place]) -> None:
    first, second = drawn
    assert distinct([first, second, first]) == [first, second]
    torn = np.concatenate([first.draws.z[:2], second.draws.z[:2]])
    assert distinct([first, place(two_signs, torn)]) is None


@pytest.mark.parametrize("worse", [0, 18, 23])
def test_two_kinds_of_runs_are_named(worse: int) -> None:
    """In a narrow mode by the mode itself, and in a broad one by what the better half of the runs says."""
    design = designed(worse)
    start = find_start(layout_of(design), data_of(design), np.random.default_rng(0))
    said = two_kinds(design, start.modes[None, :1], start.majority)
    if not worse:
        assert said == ""
        return
    assert said.startswith(f"{worse} of 48 runs are 12 % worse")
    # The first draws of the same generator as the table's are its noise.
    rng = np.random.default_rng(0)
    rng.normal(size=48)
    assert f"rows {np.sort(rng.permutation(48)[:worse])[0] + 1}," in said


@pytest.mark.slow
def test_two_modes_of_weight_are_both_drawn_and_said() -> None:
    """Twenty-one of forty-eight runs 12 % worse: the narrow mode and the broad one have much the same mass."""
    found = fit_design(designed(21), 0, bs.Settings(folds=False))
    narrow = (found.quantities.posterior["sigma"] < 0.01).mean()
    assert 0.4 < narrow < 0.8 and found.health.verdict == "REVIEW"
    assert any("two kinds of runs?" in note for note in found.notes)
