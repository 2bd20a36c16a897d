"""A byte-level BPE of a corpus's own, trained on its train split alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayescale.trainer.corpora._common import Document
from bayescale.trainer.errors import TrainerError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_DOCUMENT = "<|end|>"
END_ID = 0  # the trainer numbers special tokens first
SMALLEST_VOCAB = 257  # 256 bytes and the end of a document


def train(documents: Sequence[Document], vocab: int) -> Tokenizer:
    """Train a tokenizer of exactly `vocab` entries.

    Raises
    ------
    TrainerError
        If the text is too short to have that many.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END_OF_DOCUMENT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((d.text for d in documents), trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise TrainerError(
            f"the corpus yields {tokenizer.get_vocab_size()} tokenizer entries, not the {vocab} that "
            "data.vocab asks for; ask for fewer, or add text"
        )
    return tokenizer


def characters(alphabet: str) -> Tokenizer:
    """Make a tokenizer with an entry for each character of `alphabet`, in that order, and no other."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({c: number for number, c in enumerate(alphabet)}, alphabet[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def load(text: str) -> Tokenizer:
    """Read a tokenizer from its JSON."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(text)


def sha256(text: str) -> str:
    """Hash a tokenizer's JSON."""
    return hashlib.sha256(text.encode()).hexdigest()
