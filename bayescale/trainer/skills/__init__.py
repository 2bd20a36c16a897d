"""What a model can do without being taught: one file a skill, each made from a corpus's own held-out text.

A file `skills/NAME.py` with `items(texts, generator) -> list[Item]` is a skill called NAME. It is measured on every
corpus whose held-out text yields enough items, and scored by likelihood (`after.scoring`). Items are balanced, so
that preferring one answer whatever the context scores at chance.
Importing this package imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from types import MappingProxyType

import numpy as np

from bayescale.trainer import registry
from bayescale.trainer.skills._item import Item

__all__ = ["FEWEST", "MOST", "Item", "items_of", "names", "sha256"]

MOST = 400  # items of a skill
FEWEST = 40  # below, a proportion says too little to be worth a row


def names() -> list[str]:
    """List the skills."""
    return registry.names(__name__)


def items_of(
    texts: Sequence[str], only: Sequence[str] = (), most: int = MOST, fewest: int = FEWEST
) -> MappingProxyType[str, list[Item]]:
    """Make the items of every skill that these held-out texts have enough for.

    Parameters
    ----------
    texts : sequence of str
        Held-out documents.
    only : sequence of str
        Skills to make; all where empty.
    most, fewest : int
        At most so many items a skill, drawn evenly from the texts; a skill with fewer than `fewest` is left out.

    Returns
    -------
    mapping of skill to list of Item
        The same for the same texts, on every machine.
    """
    made = {}
    for name in only or names():
        generator = np.random.default_rng(list(name.encode()))
        items = registry.load(__name__, name).items(texts, generator)
        if len(items) > most:
            items = [items[i] for i in sorted(generator.choice(len(items), most, replace=False))]
        if len(items) >= fewest:
            made[name] = items
    return MappingProxyType(made)


def sha256(items: Sequence[Item]) -> str:
    """Hash a skill's items: figures of two hashes are not of the same test."""
    canonical = json.dumps([asdict(item) for item in items], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
