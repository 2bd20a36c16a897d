"""Synthetic languages: their entropy is what it is said to be."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bayescale.trainer import dataset
from bayescale.trainer.config import Task
from bayescale.trainer.corpora import _language, hidden_markov, zipf_markov
from bayescale.trainer.corpora._common import Corpus


@pytest.fixture(scope="module")
def chain() -> Corpus:
    return zipf_markov.collect(symbols=12, documents=60)


def ids(corpus: Corpus) -> np.ndarray:
    text = "".join(d.text for d in corpus.train).encode()
    return np.frombuffer(text, np.uint8).astype(np.int64) - _language.FIRST_SYMBOL


def test_the_markov_languages_rate_is_that_of_its_text(chain: Corpus) -> None:
    entropy = chain.facts["entropy"]
    said = ids(chain)
    # Counting triples: with 12 symbols the text has some 250 a triple, so the plug-in estimate is near.
    counts = np.bincount((said[:-2] * 12 + said[1:-1]) * 12 + said[2:], minlength=12**3).reshape(144, 12)
    share = counts / counts.sum(axis=1, keepdims=True)
    plug_in = -(counts * np.log(np.where(counts, share, 1))).sum() / counts.sum()
    # It is biased down by the free parameters over twice the sample.
    assert plug_in + 144 * 11 / 2 / counts.sum() == pytest.approx(entropy["rate"], abs=0.004)
    assert entropy["rate_se"] == 0.0
    # Given one symbol alone, more is left open; a window of one is all that.
    pairs = np.bincount(said[:-1] * 12 + said[1:], minlength=144).reshape(12, 12)
    one = -(pairs * np.log(pairs / pairs.sum(axis=1, keepdims=True))).sum() / pairs.sum()
    assert entropy["floor"][0] == pytest.approx(one, abs=0.005)
    assert entropy["floor"][0] > entropy["rate"] + 0.1
    assert entropy["floor"][9] == pytest.approx((one + 9 * entropy["rate"]) / 10, abs=0.001)


def test_the_markov_languages_stretches_are_stationary(chain: Corpus) -> None:
    """The first two symbols are drawn as all others are: their frequencies are those of the whole text."""
    many = zipf_markov.collect(symbols=12, documents=500)
    heads = np.array([[ord(c) - _language.FIRST_SYMBOL for c in d.text[:2]] for d in many.train])
    share = np.bincount(ids(chain), minlength=12) / len(ids(chain))
    for column in heads.T:
        found = np.bincount(column, minlength=12) / len(column)
        assert np.abs(found - share).max() < 4 * np.sqrt(0.25 / len(column))


def test_the_filter_is_exact() -> None:
    """It agrees with the sum over every path of states."""
    generator = np.random.default_rng(0)
    moves, utters = hidden_markov._draw_language(3, 3, 1.5, generator)
    start = hidden_markov._stationary(moves)
    assert start @ moves == pytest.approx(start) and start.sum() == pytest.approx(1)
    said = np.array([[0, 2, 1, 1, 0]])
    found = hidden_markov.filter_surprise(said, start, moves, utters)[0]
    for length in range(1, 6):
        total = 0.0
        for path in product(range(3), repeat=length):
            p = start[path[0]] * utters[path[0], said[0, 0]]
            for t in range(1, length):
                p *= moves[path[t - 1], path[t]] * utters[path[t], said[0, t]]
            total += p
        assert found[:length].sum() == pytest.approx(-np.log(total))


def test_the_filters_rate_and_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_markov, "TEXTS", 256)
    entropy = hidden_markov.collect(symbols=16, states=8, documents=40).facts["entropy"]
    rate, error, floor = entropy["rate"], entropy["rate_se"], np.array(entropy["floor"])
    assert 0 < error < 0.01
    # Longer windows leave less open, down towards the rate and never below.
    assert (np.diff(floor) < 0.003).all() and floor[0] > floor[255] > rate
    # A second run of the filter on another text, of the same language.
    generator = np.random.default_rng(0)
    moves, utters = hidden_markov._draw_language(16, 8, 2.0, generator)
    start = hidden_markov._stationary(moves)
    other = hidden_markov._sample(start, moves, utters, 256, 1200, np.random.default_rng(9))
    surprise = hidden_markov.filter_surprise(other, start, moves, utters)
    again = surprise[:, 256:].mean(axis=1)
    assert again.mean() == pytest.approx(rate, abs=4 * np.hypot(error, again.std() / 16))
    short = surprise[:, 1:9].mean(axis=1)
    assert short.mean() == pytest.approx(floor[7], abs=4 * np.hypot(entropy["floor_se"][7], short.std() / 16))


def test_a_symbol_is_a_token(chain: Corpus, tmp_path: Path) -> None:
    task = Task.model_validate(
        {"name": "m", "corpus": "zipf_markov", "options": {"symbols": 12, "documents": 60}}
    )
    made = dataset.load(dataset.prepare(task, 1024, tmp_path))
    assert made.manifest["vocab"] == 12 and made.manifest["bytes_per_token"] == 1.0
    assert (made.train == ids(chain)).all()
    assert made.manifest["entropy"]["rate"] == chain.facts["entropy"]["rate"]
    assert len(made.held_out) == _language.DOCUMENT * made.manifest["held_out"]["documents"]


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="symbols is 95; give 2 to 94"):
        zipf_markov.collect(symbols=95)
    with pytest.raises(ValueError, match="documents is 3; give at least 40"):
        hidden_markov.collect(documents=3)
