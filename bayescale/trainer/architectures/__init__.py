"""Decoder-only language models, one file each.

A file `architectures/NAME.py` with `build(shape: Shape) -> Decoder` is an architecture called NAME. Of a
shape's `kv_heads`, `experts` and `granularity` it takes those that it names in `TAKES`.
Importing this package imports no torch; making a model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayescale.trainer import registry
from bayescale.trainer.errors import TrainerError

if TYPE_CHECKING:
    from bayescale.trainer.architectures._common import Decoder, Shape


def names() -> list[str]:
    """List the architectures."""
    return registry.names(__name__)


def build(name: str, shape: Shape) -> Decoder:
    """Make a model of the named architecture and shape, its weights not yet drawn.

    Raises
    ------
    TrainerError
        If there is no such architecture, or it does not come in that shape.
    """
    module = registry.load(__name__, name)
    for option, usual in (("kv_heads", 0), ("experts", 1), ("granularity", 1)):
        if getattr(shape, option) != usual and option not in getattr(module, "TAKES", ()):
            raise TrainerError(f"architecture {name!r} takes no {option}; leave it out")
    model: Decoder = module.build(shape)
    return model
