"""Small images as sequences of pixels: scikit-learn's handwritten digits, 8 x 8 pixels of 17 levels, row by row.

An image is 64 tokens, so a context of 64 sees one. Needs scikit-learn, which the images come with: the extra `images`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import numpy as np

from bayescale.trainer import needs
from bayescale.trainer.corpora._common import Corpus, Document, is_held_out

LEVELS = 17  # 0 to 16
FIRST_SYMBOL = 48  # "0": printable characters follow, one byte each


def collect() -> Corpus:
    """Gather the images, a document each, in the set's order.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    """
    needs("sklearn", what="corpus 'digits'", extra="images")
    images = import_module("sklearn.datasets").load_digits().data.astype(np.int64)
    letters = np.array([chr(FIRST_SYMBOL + level) for level in range(LEVELS)])
    documents = [Document(f"{n:04}", "".join(letters[image])) for n, image in enumerate(images)]
    return Corpus(
        tuple(d for d in documents if not is_held_out(d.name)),
        tuple(d for d in documents if is_held_out(d.name)),
        source="handwritten digits of UCI's optical recognition set, as scikit-learn has them: 8 x 8 pixels",
        licence="CC-BY-4.0",
        version=f"scikit-learn {version('scikit-learn')}",
        alphabet="".join(letters),
    )
