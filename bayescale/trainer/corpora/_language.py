"""What synthetic languages share: one-letter symbols, documents, the entropy in the manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bayescale.trainer.corpora._common import Corpus, Document, is_held_out
from bayescale.trainer.errors import TrainerError

FIRST_SYMBOL = 33  # "!": printable characters follow, one byte each
MOST_SYMBOLS = 94
DOCUMENT = 8192  # symbols
CONTEXTS = 256  # the floor is known for contexts up to this

Float = npt.NDArray[np.float64]


def check(symbols: int, documents: int) -> None:
    """Refuse what the alphabet or the split cannot hold."""
    if not 2 <= symbols <= MOST_SYMBOLS:
        raise TrainerError(f"symbols is {symbols}; give 2 to {MOST_SYMBOLS}, a printable character each")
    if documents < 40:
        raise TrainerError(f"documents is {documents}; give at least 40, a twentieth of which is held out")


def corpus(
    sampled: npt.NDArray[np.int64],
    symbols: int,
    source: str,
    rate: tuple[float, float],
    floor: Sequence[float] | Float,
    floor_se: Sequence[float] | Float,
) -> Corpus:
    """Make a corpus of sampled documents, with what is known of its entropy.

    Parameters
    ----------
    sampled : array of int, (documents, symbols a document)
        Independent stretches of the stationary process.
    symbols : int
        Size of the alphabet.
    source : str
        What the language is.
    rate : (float, float)
        Entropy rate, nats per symbol, and its standard error (0: exact).
    floor, floor_se : array
        For each context T from 1 on: the mean over t = 1..T of the entropy of a symbol given the t before it,
        which is the least expected loss of any model on windows of T, and its standard error.
    """
    alphabet = "".join(chr(FIRST_SYMBOL + n) for n in range(symbols))
    letters = np.array(list(alphabet))
    documents = [Document(f"{n:05}", "".join(letters[row])) for n, row in enumerate(sampled)]
    return Corpus(
        tuple(d for d in documents if not is_held_out(d.name)),
        tuple(d for d in documents if is_held_out(d.name)),
        source=source,
        licence="CC0-1.0",
        alphabet=alphabet,
        facts={
            "entropy": {
                "unit": "nats per symbol, which is a token",
                "rate": rate[0],
                "rate_se": rate[1],
                "floor": [float(value) for value in floor],
                "floor_se": [float(value) for value in floor_se],
            }
        },
    )


def zipf(size: int, exponent: float) -> Float:
    """Return Zipf's distribution over ranks 1 to `size`: p(r) proportional to r ** -exponent."""
    weight = np.arange(1, size + 1, dtype=float) ** -exponent
    return weight / weight.sum()


def draw(cumulative: Float, uniform: Float) -> npt.NDArray[np.int64]:
    """Draw one symbol a row by inversion: rows of cumulative probabilities, one uniform number each."""
    return np.minimum((uniform[:, None] > cumulative).sum(axis=1), cumulative.shape[1] - 1)
