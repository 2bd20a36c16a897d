"""Bands of the default over the exact ones: what is made of worlds that were fitted."""

from __future__ import annotations

import pytest

from benchmarks.extrapolation.page import _simulated
from benchmarks.extrapolation.simulated import World, summary


def made(default: float, health: str = "PASS") -> World:
    places = {"default": [0.5, 0.9], "exact": [0.5, 0.97]}
    return World({"default": health, "exact": "PASS"}, {"default": default, "exact": 0.02}, places, 1.0, {})


def test_ratios_and_coverage_of_the_sound() -> None:
    found = summary([made(0.02), made(0.03), made(0.04), made(9.0, "FAIL")])
    assert (found["worlds"], found["sound"], found["losses"]) == (4, 3, 6)
    assert (found["ratio"], found["most"]) == pytest.approx((1.5, 2.0))
    assert found["default"]["inside80"] == 1.0 and found["exact"]["inside90"] == 0.5


def test_the_page_says_whether_it_holds() -> None:
    assert "asked: at most 1.5; met" in "".join(_simulated([made(0.03)]))
    assert "asked: at most 1.5; **not met**" in "".join(_simulated([made(0.031)]))
