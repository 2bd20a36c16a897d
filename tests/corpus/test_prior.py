"""From a corpus to lines of a model file, in Python and on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bayescale.corpus import CorpusError, CorpusPrior, NoPowerLaw, corpus_prior
from bayescale.corpus.evidence import BACKGROUND, Evidence
from bayescale.laws import law
from bayescale.models import Model
from tests.corpus.sources import BETA, renewals


@pytest.fixture(scope="module")
def found() -> CorpusPrior:
    return corpus_prior(renewals(200_000, 0), seed=0)


def test_the_same_seed_gives_the_same_prior(found: CorpusPrior) -> None:
    again = corpus_prior(renewals(200_000, 0), seed=0)
    assert str(again) == str(found)
    assert again.to_dict() == found.to_dict()


def test_it_prints_what_it_measured(found: CorpusPrior) -> None:
    text = str(found)
    for word in ("gamma", "beta", "theory", "learning-curve", "[priors]", "90 % interval"):
        assert word in text
    low, high = np.quantile(found.beta, (0.05, 0.95))
    assert low < BETA < high
    np.testing.assert_allclose(found.routes["theory"].draws, found.gamma / (2 * found.beta))


def test_its_lines_are_a_prior_of_the_law(found: CorpusPrior) -> None:
    for name, parameter in (("chinchilla", "beta"), ("kaplan", "a_D")):
        priors = tomllib.loads(found.to_toml(parameter, "theory"))["priors"]
        model = Model.model_validate({"name": "mine", "law": name, "priors": priors})
        low, high = found.range("theory")
        assert model.prior(parameter).low == pytest.approx(low, rel=5e-3)
        assert model.prior(parameter).high == pytest.approx(high, rel=5e-3)
    with pytest.raises(CorpusError, match="no route 'hunch'"):
        found.to_toml(route="hunch")


def test_what_it_updates_is_the_default_prior_of_the_default_law() -> None:
    default = law("chinchilla").parameter("beta").prior
    assert (default.low, default.high, default.mass) == (*BACKGROUND, 0.9)


def test_evidence_sharpens_the_background_and_moves_it() -> None:
    draws = np.exp(np.random.default_rng(0).normal(np.log(0.2), 0.3, size=4000))
    low, high = Evidence("mine", "", draws, 0.4).prior((0.1, 1.0))
    # Two normals of the log: precisions add, and so do precision-weighted means.
    before, after = 0.6999**-2, (0.3**2 + 0.4**2) ** -1
    mean = (before * np.log(np.sqrt(0.1)) + after * np.log(0.2)) / (before + after)
    reach = 1.6449 / np.sqrt(before + after)
    assert (low, high) == pytest.approx((np.exp(mean - reach), np.exp(mean + reach)), rel=0.03)
    vague = Evidence("mine", "", np.exp(8 * np.random.default_rng(0).normal(size=4000)), 0.4)
    assert vague.prior((0.1, 1.0)) == pytest.approx((0.1, 1.0), rel=0.06)


def words(count: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    ranks = rng.zipf(1.4, size=count).clip(max=3000)
    # No lines of a fixed number of words: they would be a correlation.
    return " ".join(f"w{r:x}" for r in ranks)


@pytest.mark.parametrize("vocab", [300, 512])
def test_words_at_random_have_no_correlation_to_fit(tmp_path: Path, vocab: int) -> None:
    (tmp_path / "random.txt").write_text(words(120_000, 0))
    with pytest.raises(NoPowerLaw, match="no correlation to fit"):
        corpus_prior(tmp_path / "random.txt", vocab=vocab)


def test_a_folder_is_read_like_the_trainer_reads_it(tmp_path: Path) -> None:
    for i in range(30):
        (tmp_path / f"{i}.md").write_text(words(4000, i))
    with pytest.raises(CorpusError, match="no text in files that match"):
        corpus_prior(tmp_path)
    with pytest.raises(NoPowerLaw):
        corpus_prior(tmp_path, vocab=300, pattern="*.md")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no text in it"),
        (b"too little", "too little text for a tokenizer"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_bad_file_says_what_to_do(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=says):
        corpus_prior(path)


def test_other_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"bundled are .*python_code, python_docs"):
        corpus_prior("no-such-corpus")
    with pytest.raises(CorpusError, match="at least 257"):
        corpus_prior("python_docs", vocab=10)
    with pytest.raises(CorpusError, match="too few to measure"):
        corpus_prior(np.arange(1000))
    with pytest.raises(CorpusError, match="negative"):
        corpus_prior(np.array([-1] * 100_000))
    np.save(tmp_path / "square.npy", np.zeros((3, 3)))
    with pytest.raises(CorpusError, match="one row of whole numbers"):
        corpus_prior(tmp_path / "square.npy")


def priors(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bayescale.cli", "priors", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_verb(tmp_path: Path, found: CorpusPrior) -> None:
    np.save(tmp_path / "ids.npy", renewals(200_000, 0).astype(np.uint16))
    done = priors(tmp_path / "ids.npy", "--json", "--figure", tmp_path / "curves.png")
    figures = json.loads(done.stdout)
    assert figures["routes"]["theory"]["prior"] == pytest.approx(found.range("theory"))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "error: " in priors(tmp_path / "none.txt", status=2).stderr


def test_measuring_loads_neither_torch_nor_jax() -> None:
    code = (
        "import sys, numpy, bayescale.corpus\n"
        "try: bayescale.corpus.corpus_prior(numpy.arange(9))\n"
        "except bayescale.corpus.CorpusError: pass\n"
        "sys.exit(bool({'jax', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
