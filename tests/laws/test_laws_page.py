"""The page about the laws says what the laws say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import bayescale as bs
from bayescale.laws.registry import shipped

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_laws", DOCS / "make_laws.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(maker: ModuleType) -> None:
    written = (DOCS / "laws.md").read_text(encoding="utf-8")
    assert written == maker.page(), "the laws have changed: python docs/make_laws.py"


def test_every_law_stands_on_the_page_once_and_every_link_leads_somewhere(maker: ModuleType) -> None:
    page = maker.page()
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    for name in shipped():
        assert headings.count(name) == 1, name
    anchors = {maker.slug(heading) for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors
    figures = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", page))
    assert figures == {f"laws/{path.name}" for path in (DOCS / "laws").glob("*.png")}
    assert len(figures) == len(maker.topics())


def test_tables_have_as_many_cells_as_their_heads(maker: ModuleType) -> None:
    width = None
    for line in maker.page().splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (None, cells), line
        width = cells


def test_figures_are_of_the_priors(maker: ModuleType) -> None:
    law = bs.law("chinchilla")
    main, grid, losses, published = maker.curves(law)
    assert (
        main == "params" and losses.shape == (maker.DRAWS, len(grid)) and len(published) == len(law.published)
    )
    assert np.isfinite(losses).all() and (np.diff(losses, axis=1) < 0).all()
    low, high = np.quantile(losses, (0.05, 0.95), axis=0)
    for line in published:
        assert (low < line).all() and (line < high).all()
    # A law's figure is drawn without complaint, and is a PNG as wide as a page.
    png = maker.figure([law])
    assert png[:4] == b"\x89PNG" and int.from_bytes(png[16:20], "big") == pytest.approx(1248, abs=2)


def test_every_equation_is_mathematics() -> None:
    parser = MathTextParser("path")
    own = bs.law_of(
        "E + A * sqrt(log1p(params / s_0)) - k * minimum(datastore_tokens, q1)**2 / (1e-9 + tanh(-tokens))"
    )
    for law in [*shipped().values(), own]:
        assert parser.parse(f"${law.latex}$").width > 0, law.name
