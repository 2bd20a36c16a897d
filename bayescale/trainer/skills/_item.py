"""One question: a context, the ways it may go on, and the way it did."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """A multiple choice, as lm-evaluation-harness has it.

    Parameters
    ----------
    context : str
        What comes before; may be empty.
    choices : tuple of str
        The ways to go on, white space between context and choice included.
    target : int
        Which of them is the text's own.
    """

    context: str
    choices: tuple[str, ...]
    target: int


def balanced(kinds: Mapping[Hashable, Sequence[T]], generator: np.random.Generator) -> list[T]:
    """Draw as many of each kind as the rarest has, so that no kind is a good guess."""
    fewest = min((len(these) for these in kinds.values()), default=0)
    drawn = []
    for these in kinds.values():
        drawn += [these[i] for i in sorted(generator.choice(len(these), fewest, replace=False))]
    return drawn


def shuffled(context: str, right: str, wrong: Sequence[str], generator: np.random.Generator) -> Item:
    """Put the right choice at a place of chance."""
    order = generator.permutation(1 + len(wrong))
    choices = [right, *wrong]
    return Item(context, tuple(choices[i] for i in order), int(np.flatnonzero(order == 0)[0]))
