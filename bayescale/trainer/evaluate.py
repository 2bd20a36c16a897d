"""The held-out loss and its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.errors import TrainerError

MICROBATCH_TOKENS = 4096


@dataclass(frozen=True)
class HeldOut:
    """A measured loss.

    Parameters
    ----------
    loss : float
        Mean over tokens, in nats per token.
    loss_se : float
        Standard error of that mean over *documents* (files): the ratio estimator's, clustered by document,
        since a file's tokens are alike. It says how far another draw of held-out files would move the loss.
        Every run of a task is measured on the same tokens, so most of it is common to them all and cancels in
        differences: it is no measure of the scatter about a scaling law.
    tokens : int
        Tokens measured on.
    """

    loss: float
    loss_se: float
    tokens: int


def windows(dataset: Dataset, context: int, tokens: int) -> np.ndarray:
    """Starts of the windows measured on: all, or evenly spaced if the split has more than `tokens`."""
    there = (len(dataset.held_out) - 1) // context
    if there < 1:
        raise TrainerError(
            f"the held-out split has {len(dataset.held_out)} tokens, fewer than one context of {context}; "
            "add text, or shorten data.context"
        )
    count = min(there, max(1, tokens // context))
    return np.arange(count) * there // count * context


@dataclass(frozen=True)
class TokenLosses:
    """The loss of every token that was measured, in the held-out split's order.

    Parameters
    ----------
    losses : array of float64, (tokens,)
        In nats.
    owners : array of int, (tokens,)
        The held-out document that each token belongs to.
    ids : array of int, (tokens,)
        The tokens predicted.
    places : array of int, (tokens,)
        Tokens of context that each was predicted from, from 1 on.
    """

    losses: npt.NDArray[np.float64]
    owners: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    def where(self, these: npt.NDArray[np.bool_]) -> TokenLosses:
        """Keep some of the tokens."""
        return TokenLosses(self.losses[these], self.owners[these], self.ids[these], self.places[these])


def measure(model: Decoder, dataset: Dataset, tokens: int) -> HeldOut:
    """Measure the mean loss of predicting each token of the held-out windows from those before it there."""
    found = token_losses(model, dataset, tokens)
    return summary(found.losses, found.owners)


@torch.no_grad()
def token_losses(model: Decoder, dataset: Dataset, tokens: int) -> TokenLosses:
    """Measure the loss of each token of the held-out windows, given those before it there."""
    context = model.shape.context
    starts = windows(dataset, context, tokens)
    at_once = max(1, MICROBATCH_TOKENS // context)
    losses, owners, predicted = [], [], []
    device = next(model.parameters()).device
    model.eval()
    for first in range(0, len(starts), at_once):
        spans = starts[first : first + at_once, None] + np.arange(context + 1)
        ids = torch.from_numpy(dataset.held_out[spans].astype(np.int64)).to(device)
        logits = model(ids[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        losses.append(loss.double().cpu().numpy())
        owners.append(dataset.held_out_documents[spans[:, 1:]].ravel())
        predicted.append(ids[:, 1:].flatten().cpu().numpy())
    model.train()
    return TokenLosses(
        np.concatenate(losses),
        np.concatenate(owners),
        np.concatenate(predicted),
        np.tile(np.arange(1, context + 1), len(starts)),
    )


def summary(losses: np.ndarray, owners: np.ndarray) -> HeldOut:
    """Take the mean and its standard error over documents."""
    mean = float(losses.mean())
    _, document = np.unique(owners, return_inverse=True)
    excess = np.bincount(document, weights=losses - mean)
    documents = len(excess)
    if documents < 2:
        # One document says nothing of how documents differ; its tokens are the best there is.
        error = float(losses.std(ddof=1) / np.sqrt(len(losses)))
    else:
        error = float(np.sqrt((excess**2).sum() * documents / (documents - 1)) / len(losses))
    return HeldOut(mean, error, len(losses))
