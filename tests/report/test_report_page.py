"""The page itself: whole, self-contained, escaped, the same every time."""

import base64
import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import bayescale as bs
from bayescale.forecast import HeldOutError
from bayescale.inference.health import Check, Health
from bayescale.report import ReportError, write_report
from bayescale.report.figures import style
from bayescale.report.subject import Subject
from tests.report.conftest import SHORT, silent
from tests.simulate import TRUTH, simulate

FIGURES = 11
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags with their attributes, and text without tags or style."""

    VOID = frozenset({"meta", "img", "br", "source", "link", "input", "hr"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def images(self):
        """Every embedded picture, decoded."""
        sources = [a.get("src", a.get("srcset")) for tag, a in self.tags if tag in ("img", "source")]
        return [
            base64.b64decode(s.removeprefix("data:image/svg+xml;base64,"), validate=True) for s in sources
        ]


@pytest.fixture(scope="session")
def full(posterior, holdout, decision, tmp_path_factory):
    """The page with everything on it, written once."""
    folder = tmp_path_factory.mktemp("report")
    path = write_report(posterior, folder / "new" / "report.html", decision, holdout, folder / "figures")
    return path, Page(path.read_text(encoding="utf-8"))


def test_verdict_comes_first_with_colour_and_word(full):
    path, page = full
    html = path.read_text(encoding="utf-8")
    body = html[html.index("<body>") :]
    assert body.index('class="headline"') < body.index("<table") < body.index("<figure")
    words = re.search(r'class="verdict tone-(\w+)">\s*<div class="word">([^<]+)</div>', html)
    assert words is not None
    known = {"go": "Go", "nogo": "No-go", "first": "Run first", "unknown": "Not from these data"}
    assert known[words[1]] == words[2]
    assert "Is the tenfold run worth it?" in page.text


def test_page_has_every_part(full, posterior):
    _, page = full
    parts = [
        "Loss against compute", "Held-out check", "Groups that the average hides",
        "The law’s parameters by group", "How to spend a budget",
        "Does the law fit?", "Would the fitted model make such runs?", "Does the fit hang on single runs?",
        "What the priors decide", "Health of the fit", "The runs table", "Conventions", "The model", "Every quantity",
        "Where this came from",
    ]  # fmt: skip
    places = [page.text.index(part) for part in parts]
    assert places == sorted(places)
    known = posterior.provenance
    for text in (
        posterior.sha256, known["runs_sha256"], known["model_sha256"], known["created"],
        "bayescale fit sim.csv --seed 0",
        known["versions"]["numpyro"], "L = E + A N^-alpha + B D^-beta", "alpha ~ 1 + (1|architecture) + (1|task)",
        "Besiroglu 2024", "of 12 held-out runs", "no label for architecture",
    ):  # fmt: skip
        assert text in page.text
    for check in posterior.health().checks:
        assert check.name in page.text


def test_page_is_self_contained_and_small(full):
    path, page = full
    html = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert "url(" not in html
    assert "@import" not in html


def test_every_figure_has_alt_text_and_a_caption(full):
    _, page = full
    figures = [a for tag, a in page.tags if tag == "figure"]
    assert {a["id"] for a in figures} == {
        "loss-compute", "held-out", "parameters", "optimum", "residuals", "replicated", "pareto-k", "priors", "ranks",
        "energy", "gaps",
    }  # fmt: skip
    assert len([1 for tag, _ in page.tags if tag == "figcaption"]) == len(figures)
    assert all(len(a["alt"]) > 20 for tag, a in page.tags if tag == "img")


def test_figures_are_valid_svg_for_page_and_phone(full):
    _, page = full
    roots = [ElementTree.fromstring(svg) for svg in page.images()]
    assert len(roots) == 2 * FIGURES + 1
    assert all(root.tag == "{http://www.w3.org/2000/svg}svg" for root in roots)
    widths = [float(root.attrib["width"].removesuffix("pt")) for root in roots]
    assert [sum(abs(w - 72 * inches) < 0.1 for w in widths) for inches in (style.NARROW, style.WIDE)] == [
        FIGURES,
        FIGURES,
    ]


def test_figures_are_written_as_files_too(full):
    path, page = full
    folder = path.parent.parent / "figures"
    assert {p.suffix for p in folder.iterdir()} == {".png", ".svg"}
    assert len(list(folder.iterdir())) == 2 * FIGURES
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in folder.glob("*.png"))
    assert (folder / "loss-compute.svg").read_bytes() in page.images()


def test_same_posterior_same_bytes(posterior, tmp_path):
    first = write_report(posterior, tmp_path / "a.html", figures=tmp_path / "a")
    posterior.save(tmp_path / "fit.nc")
    second = write_report(bs.load(tmp_path / "fit.nc"), tmp_path / "b.html", figures=tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    for one in (tmp_path / "a").iterdir():
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_matplotlib_is_left_as_it_was(posterior, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    write_report(posterior, tmp_path / "report.html")
    assert dict(matplotlib.rcParams) == before


def test_without_a_decision_the_headline_is_the_forecast(posterior, tmp_path):
    page = Page(write_report(posterior, tmp_path / "report.html").read_text(encoding="utf-8"))
    headline = next(a for tag, a in page.tags if tag == "section")
    assert headline["class"] == "verdict tone-plain"
    assert re.search(r"Alpha is 0\.\d+ \[.*\] and beta is 0\.\d+ .*at ten times the compute", page.text)
    assert "No held-out runs were given" in page.text


def test_labels_are_data_and_never_markup(tmp_path):
    runs = simulate(np.geomspace(3e10, 3e12, 3), 3, seed=0)
    names = {"gpt": EVIL, "llama": r'_$\frac{1}{0}$ "&\u4e2d'}
    runs["architecture"] = runs["architecture"].map(names)
    runs.attrs = {"source": f"{EVIL}.csv"}
    posterior = bs.fit(runs, "chinchilla", seed=0, settings=SHORT, progress=silent, command=EVIL)
    decision = bs.Decision(
        question=EVIL,
        target_loss=2.0,
        actions=[bs.Action(name=f"$a_{EVIL}", params=1e6, tokens=1e7, groups={"architecture": EVIL})],
    )
    held = simulate(np.array([1e13]), 2, seed=1)
    held["architecture"] = held["architecture"].map(names)
    path = write_report(posterior, tmp_path / "report.html", decision, held, tmp_path / "figures")
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert "<script" not in html.lower()
    assert not [tag for tag, _ in page.tags if tag in ("script", "frac")]
    assert page.text.count(EVIL) >= 4
    assert any(EVIL in a.get("alt", "") for _, a in page.tags)
    for svg in page.images():
        root = ElementTree.fromstring(svg)
        assert not [e for e in root.iter() if e.tag.lower().endswith("script")]
        assert b"<script" not in re.sub(rb"<!--.*?-->", b"", svg, flags=re.DOTALL)
    # The comment that matplotlib writes beside each text shows what it was told to draw.
    drawn = (tmp_path / "figures" / "optimum.svg").read_text()
    assert r"$\frac{1}{0}$" in drawn


def test_label_for_a_figure_is_one_plain_line():
    assert style.label("a\n b\t\u0007") == "a b ?"
    assert style.label("_hidden") == " _hidden"
    assert style.label("$x$") == "$x$"
    assert style.label("\u4e2d") == "?"
    assert style.label("x" * 99) == "x" * 29 + "…"


@pytest.mark.parametrize(
    "ends", [(3.05, 5.3), (1.9, 4.2), (2.01, 2.09), (9.2, 9.9), (3e10, 5e13), (1e4, 4e11), (0.2, 30)]
)
def test_log_ticks_are_few_inside_and_rising(ends):
    ticks = style.log_ticks(*ends)
    assert 2 <= len(ticks) <= 6
    assert ticks == sorted(set(ticks))
    assert ends[0] * 0.99 <= ticks[0] <= ticks[-1] <= ends[1] * 1.01


def test_failed_gate_is_loud(posterior, decision, tmp_path):
    bad = Health(
        (Check("R-hat", "FAIL", float("nan"), "below 1.01", "E_mean", "Chains disagree. Sample longer."),)
    )
    failed = dataclasses.replace(posterior, verdict=bad)
    html = write_report(failed, tmp_path / "report.html", decision).read_text(encoding="utf-8")
    assert html.index("DO NOT USE") < html.index("<main>")
    assert "Not from these data" in html
    assert "tone-unknown" in html
    assert "Chains disagree. Sample longer." in html
    # No probability of it stands at the top, and what to do stands in the verdict's box.
    top = html[html.index('<section class="verdict') : html.index("<h2>")]
    assert "P(loss" not in top and "%" not in top
    assert 'data-kind="failed_fit"' in top and "Sample longer" in top and "with reservations" not in top


def test_table_without_groups_and_with_oddities(tmp_path):
    runs = simulate(np.geomspace(3e10, 3e12, 3), 4, seed=0, cells={("gpt", "code"): TRUTH["gpt", "code"]})
    runs = runs.drop(columns=["architecture"])
    runs.attrs = {"conventions": {"params": "non-embedding", "loss": "nats/token"}}
    runs["colour"] = "blue"
    posterior = bs.fit(runs, "chinchilla", seed=0, settings=SHORT, progress=silent)
    page = Page(write_report(posterior, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "one value for all runs" in page.text
    assert "colour" in page.text
    assert "non-embedding parameters" in page.text


def test_more_groups_than_panels_says_so(posterior, monkeypatch, tmp_path):
    monkeypatch.setattr("bayescale.report.subject.MOST_PANELS", 3)
    page = Page(write_report(posterior, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "the 3 groups with the most runs, of 4" in page.text


def test_held_out_runs_that_cannot_be_compared_are_refused(posterior, holdout, tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(HeldOutError, match="no rows"):
        write_report(posterior, path, holdout=holdout[:0])
    with pytest.raises(HeldOutError, match="no column 'loss'"):
        write_report(posterior, path, holdout=holdout.drop(columns="loss"))
    with pytest.raises(HeldOutError, match="9 of 9 held-out runs are among the fitted ones"):
        write_report(posterior, path, holdout=posterior.runs[:9])
    other = holdout.copy()
    other.attrs = {"conventions": {"loss": "bits/byte"}}
    with pytest.raises(HeldOutError, match="mixes conventions"):
        write_report(posterior, path, holdout=other)
    with pytest.raises(ReportError, match="is a folder"):
        write_report(posterior, tmp_path)
    assert not path.exists()


def test_held_out_band_covers_what_the_same_law_made(posterior, holdout):
    held = Subject(posterior, None, holdout).checked
    assert held is not None
    assert held.inside(0.9).sum() >= held.inside(0.8).sum() >= held.inside(0.5).sum()
    assert held.inside(0.9).mean() > 0.5
    assert np.abs(held.error).mean() < 0.03


def test_frontier_agrees_with_allocate(posterior):
    subject = Subject(posterior)
    table = posterior.allocate([subject.budgets[-1]]).table
    for i, found in subject.frontiers.items():
        assert found.params is not None
        assert found.params[2, -1] == pytest.approx(table["params"].iloc[i], rel=1e-9)
        assert found.loss[0, -1] == pytest.approx(table["loss_q0.05"].iloc[i], rel=1e-9)


def test_pairs_of_groups_are_said_to_differ_where_the_runs_show_it(posterior, full):
    from bayescale.report.contrasts import contrasts

    found = contrasts(Subject(posterior))
    # One pair a task: architectures are rivals, evaluation sets are not.
    assert len(found) == 2 and (found["a"].str.split(":").str[-1] == found["b"].str.split(":").str[-1]).all()
    total = found[["p_a_better", "p_equivalent", "p_b_better"]].sum(axis=1)
    assert total.tolist() == pytest.approx([1, 1])
    assert (found["equivalence"] > 0).all()
    versus = posterior.versus("architecture", [10 * posterior.dearest])
    same = versus.pairs[versus.pairs["context"] != "(mean)"]
    assert found["difference"].tolist() == pytest.approx(same["difference"].tolist(), abs=0.02)
    assert "Groups against each other" in full[1].text
