"""Speech as discrete audio tokens: espeak-ng reads a text, and each sample becomes one of 256 mu-law levels.

Eight bits of mu-law at 8 kHz is what telephones send (ITU-T G.711). A second of speech is 8,000 tokens, so short
contexts see the wave and not the words. To install it: apt-get install espeak-ng
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bayescale.trainer import corpora
from bayescale.trainer.corpora._common import Corpus, Document, is_held_out
from bayescale.trainer.errors import TrainerError

RATE = 8_000  # samples a second
LEVELS = 256
MU = LEVELS - 1
FIRST_SYMBOL = 0x100  # letters with a mark: a character a level, none of them white space
SILENCE = 0.01  # of the largest amplitude; leading silence is cut
LONGEST_TEXT = 400  # characters given to the synthesiser; more is never heard in `seconds`


def collect(
    source: str = "python_docs",
    voices: str = "en-us,en-gb,en-gb-scotland,en-us+f3,en-gb+f2",
    passages: int = 480,
    seconds: float = 1.0,
) -> Corpus:
    """Have a text read.

    Parameters
    ----------
    source : str
        The corpus whose documents are read, each from its beginning.
    voices : str
        Voices of espeak-ng, separated by commas; a document's name decides which reads it.
    passages : int
        Documents to read, drawn evenly from the source.
    seconds : float
        How much of each is kept.

    Raises
    ------
    TrainerError
        If espeak-ng is not installed, a voice is unknown, or nothing was said.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise TrainerError(
            "corpus 'speech' is made by espeak-ng, not installed here; run: apt-get install espeak-ng"
        )
    names = [voice for voice in voices.replace(" ", "").split(",") if voice]
    if not names or passages < 1 or seconds <= 0:
        raise TrainerError("corpus 'speech': give at least one voice, one passage, and seconds above 0")
    text = corpora.collect(source, {})
    everything = [*text.train, *text.held_out]
    every = max(1, len(everything) // passages)
    letters = np.array([chr(FIRST_SYMBOL + level) for level in range(LEVELS)])
    documents = []
    for document in sorted(everything, key=lambda d: d.name)[::every][:passages]:
        voice = names[hashlib.sha256(document.name.encode()).digest()[-1] % len(names)]
        heard = say(program, document.text[:LONGEST_TEXT], voice)[: round(seconds * RATE)]
        if len(heard):
            documents.append(Document(document.name, "".join(letters[mu_law(heard)])))
    held_out = tuple(d for d in documents if is_held_out(d.name))
    train = tuple(d for d in documents if not is_held_out(d.name))
    if not train or not held_out:
        raise TrainerError(
            f"corpus 'speech': {len(documents)} passages of {source!r} leave nothing to train on, or nothing held "
            "out; ask for more passages"
        )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30)
    return Corpus(
        train,
        held_out,
        source=f"{source} read by espeak-ng, {seconds:g} s a document, mu-law of {LEVELS} levels at {RATE} Hz",
        licence=text.licence,
        version=f"{version.stdout.split(' Data')[0].strip()}; {text.version}".rstrip("; "),
        alphabet="".join(letters),
    )


def say(program: str, text: str, voice: str) -> npt.NDArray[np.float64]:
    """Synthesise a text: samples at `RATE` in [-1, 1], the largest amplitude being 1, without leading silence."""
    from scipy.signal import resample_poly

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        # By file, since what it writes to a pipe does not say its length.
        done = subprocess.run(
            [program, "-v", voice, "-w", str(file), "--stdin"],
            input=text, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode or not file.exists():
            raise TrainerError(f"espeak-ng does not speak as {voice!r}: {' '.join(done.stderr.split())}; choose "
                               "from espeak-ng --voices")  # fmt: skip
        with wave.open(str(file)) as opened:
            rate = opened.getframerate()
            samples = np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2").astype(float)
    common = int(np.gcd(RATE, rate))
    heard = resample_poly(samples, RATE // common, rate // common) if len(samples) else samples
    loud = np.abs(heard).max(initial=0.0)
    if not loud:
        return heard[:0]
    return np.clip(heard[np.flatnonzero(np.abs(heard) > SILENCE * loud)[0] :] / loud, -1.0, 1.0)


def mu_law(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Compress samples in [-1, 1] to levels 0 to 255 (G.711's continuous curve)."""
    compressed = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
    return np.clip(((compressed + 1) / 2 * LEVELS).astype(np.int64), 0, LEVELS - 1)
