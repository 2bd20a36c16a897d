"""The likelihood of a choice given its context, as lm-evaluation-harness takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from bayescale.trainer import tokenizer
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.skills import Item

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MICROBATCH_TOKENS = 4096


@dataclass(frozen=True)
class Score:
    """What a model scores on a skill.

    Parameters
    ----------
    items : int
        Questions.
    correct : int
        Those whose right choice has the largest likelihood: harness's `acc`.
    correct_norm : int
        The same of likelihood per byte: its `acc_norm`.
    chance : float
        Share that guessing gets right.
    brier_sum : float
        Sum over items of the Brier score, sum over choices of (p - right)^2, where p is the likelihood normalised
        over the choices; 0 is perfect.
    loglik : float
        Sum over items of the log of the right choice's p, in nats.
    """

    items: int
    correct: int
    correct_norm: int
    chance: float
    brier_sum: float
    loglik: float


def encode(text: Tokenizer, item: Item) -> list[tuple[list[int], int]]:
    """Encode each choice behind its context: the ids, and how many of the last are the choice's.

    The end of a document stands before the context, as it stood before every beginning in training.
    """
    context, choices = item.context, item.choices
    # White space belongs to the word behind it, as in training.
    if kept := context.rstrip(" "):
        choices = tuple(context[len(kept) :] + choice for choice in choices)
        context = kept
    before = text.encode(context).ids if context else []
    encoded = []
    for choice in choices:
        both = text.encode(context + choice).ids
        # Where the tokenizer joins context and choice, they are encoded apart.
        tail = both[len(before) :] if both[: len(before)] == before else []
        tail = tail or text.encode(choice).ids
        encoded.append(([tokenizer.END_ID, *before, *tail], len(tail)))
    return encoded


def encode_all(text: Tokenizer, items: Sequence[Item]) -> list[list[tuple[list[int], int]]]:
    """Encode a skill's items, once for all models of a tokenizer."""
    if text.id_to_token(tokenizer.END_ID) != tokenizer.END_OF_DOCUMENT:
        raise TrainerError("a synthetic language has no words to ask for; measure skills on text")
    return [encode(text, item) for item in items]


@torch.no_grad()
def logliks(model: Decoder, encoded: Sequence[tuple[list[int], int]]) -> npt.NDArray[np.float64]:
    """Log-likelihood in nats of the last tokens of each sequence given those before, cut from the left to fit."""
    longest = model.shape.context + 1
    cut = [(ids[-longest:], min(count, longest - 1)) for ids, count in encoded]
    order = sorted(range(len(cut)), key=lambda i: len(cut[i][0]))
    found = np.zeros(len(cut))
    start = 0
    while start < len(order):
        stop = start + 1
        # Sequences of like length together, padded on the right, where a causal model does not look.
        while stop < len(order) and len(cut[order[stop]][0]) * (stop + 1 - start) <= MICROBATCH_TOKENS:
            stop += 1
        batch = order[start:stop]
        width = len(cut[batch[-1]][0])
        ids = torch.zeros(len(batch), width, dtype=torch.int64)
        choice = torch.zeros(len(batch), width - 1, dtype=torch.bool)
        for row, i in enumerate(batch):
            tokens, count = cut[i]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            choice[row, len(tokens) - 1 - count : len(tokens) - 1] = True
        logp = torch.log_softmax(model(ids[:, :-1]).double(), dim=-1)
        taken = logp.gather(-1, ids[:, 1:, None]).squeeze(-1)
        found[batch] = (taken * choice).sum(dim=1).numpy()
        start = stop
    return found


def score(model: Decoder, items: Sequence[Item], encoded: Sequence[list[tuple[list[int], int]]]) -> Score:
    """Score a model on a skill's items, encoded by its own tokenizer."""
    model.eval()
    flat = logliks(model, [choice for item in encoded for choice in item])
    correct = norm = 0
    brier = loglik = chance = 0.0
    at = 0
    for item in items:
        these = flat[at : at + len(item.choices)]
        at += len(item.choices)
        bytes_ = np.array([max(1, len(choice.encode())) for choice in item.choices])
        correct += int(these.argmax() == item.target)
        norm += int((these / bytes_).argmax() == item.target)
        log_p = these - np.logaddexp.reduce(these)
        right = np.arange(len(these)) == item.target
        brier += float(((np.exp(log_p) - right) ** 2).sum())
        loglik += float(log_p[item.target])
        chance += 1 / len(these)
    return Score(len(items), correct, norm, chance / len(items), brier, loglik)
