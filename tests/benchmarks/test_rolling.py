"""Budget after budget: shares inside the bands are pooled over tables, and the page says what failed."""

from __future__ import annotations

from benchmarks.extrapolation.page import markdown
from benchmarks.extrapolation.rolling import Rolled, inside


def fold(health: str) -> dict[str, object]:
    figures = {"error": 0.012, "inside50": 0.5, "inside80": 0.75, "inside90": 0.9, "width90": 0.05}
    return {
        "fold": "1e+20 FLOPs", "fitted": 40, "held_out": 4, "flops_beyond": 0.5, "params_beyond": 0.2,
        "health": health, "missed": "", **figures,
    }  # fmt: skip


def test_shares_are_pooled_over_losses_and_not_over_tables() -> None:
    # Places .10 to .89 lie inside the 80 % band: the quantiles .10 and .90 are below and above.
    many = Rolled([fold("PASS")], [0.10, 0.5, 0.89, 0.3, 0.4, 0.6], 1.0, {"sampler": 0})
    few = Rolled([fold("PASS")], [0.09, 0.90], 1.0, {"sampler": 0})
    assert inside([many, few], 0.8) == 6 / 8
    assert inside([many], 0.5) == 4 / 6


def test_the_page_says_what_failed() -> None:
    places = [k / 100 for k in range(100)]
    sound, failed = (
        Rolled([fold("PASS")], places, 1.0, {"sampler": 0}),
        Rolled([fold("FAIL")], [], 1.0, {"sampler": 0}),
    )
    text = markdown({}, "generalised", {"lab": sound, "porian": failed})
    assert "0.80 lie inside the 80 % bands (asked: 0.72 to 0.88; met)" in text
    assert "1 fits failed the health gate, and do not count" in text
    assert "| porian | 1e+20 FLOPs | 40 | 4 | 0.5 | 1.20 % | 0.50 | 0.75 | 0.90 | 5.0 % | FAIL |" in text
    assert "budget after budget of lab: sampler 0 (now " in text
