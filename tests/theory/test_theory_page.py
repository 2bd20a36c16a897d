"""The page about the theory says what the theory says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_theory", DOCS / "make_theory.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    written = (DOCS / "theory.md").read_text(encoding="utf-8")
    simulated = written.split(maker.BEGIN)[1].split(maker.END)[0]
    assert simulated.count("±") == len(maker.OPTIMISED) * len(maker.RULES)
    made = maker.page(simulated)
    # The last digit of a slope may be another on another machine; the words and the table's shape may not.
    assert re.sub(r"\d", "#", made) == re.sub(r"\d", "#", written)
    for one, other in zip(numbers(made), numbers(written), strict=True):
        assert abs(one - other) <= 0.0015 or abs(one - other) <= 0.01 * abs(other)
    for figure in re.findall(r"!\[[^]]*\]\(([^)]+)\)", written):
        assert (DOCS / figure).stat().st_size > 10_000


def numbers(text: str) -> list[float]:
    return [float(x) for x in re.findall(r"\d+\.\d+", text)]
