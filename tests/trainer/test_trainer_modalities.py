"""Images and speech as tokens."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from bayescale.trainer import corpora, dataset
from bayescale.trainer.config import Task
from bayescale.trainer.corpora import speech
from bayescale.trainer.errors import TrainerError


def test_digits_are_images_of_64_tokens(tmp_path: object) -> None:
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    data = dataset.load(dataset.prepare(Task(name="digits", corpus="digits"), 300, tmp_path))  # type: ignore[arg-type]
    assert data.manifest["vocab"] == 17
    images = load_digits().data
    assert len(data.train) + len(data.held_out) == images.size
    # A token a pixel, its number the level; every window of 64 is an image of the set.
    there = {tuple(image) for image in images.astype(int)}
    assert all(tuple(image) in there for image in np.asarray(data.held_out).astype(int).reshape(-1, 64))


def test_mu_law_is_the_telephones() -> None:
    levels = speech.mu_law(np.array([-1.0, -1e-9, 0.0, 1e-9, 1.0]))
    assert levels.tolist() == [0, 127, 128, 128, 255]
    # A sample of a hundredth is resolved finely: ln(1 + 2.55) / ln(256) of the way up, times 128 levels.
    assert speech.mu_law(np.array([0.01]))[0] == int(128 * (1 + np.log(3.55) / np.log(256)))


def test_speech_is_synthesised() -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("espeak-ng is not installed")
    heard = speech.say(program, "The quick brown fox.", "en-us")
    assert np.abs(heard).max() == pytest.approx(1.0)
    assert 0.8 * speech.RATE < len(heard) < 3 * speech.RATE
    # Voiced speech: neighbouring samples are alike, as noise's are not.
    assert np.corrcoef(heard[:-1], heard[1:])[0, 1] > 0.5
    with pytest.raises(TrainerError, match="does not speak as 'klingon-x'"):
        speech.say(program, "nuqneH", "klingon-x")


def test_speech_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TrainerError, match="apt-get install espeak-ng"):
        corpora.collect("speech", {})
