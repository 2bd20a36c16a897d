"""JAX, imported when first used: laws are listed, printed and checked without it.

`jax` and `jnp` stand for the modules of these names. Everything that computes at import (a jitted function, a constant
array) belongs into a module that imports JAX itself.
"""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """A module that is imported when one of its names is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import bayescale.backend  # noqa: F401, sets JAX up

        value = getattr(importlib.import_module(self._name), attribute)
        # Once found, a plain attribute.
        setattr(self, attribute, value)
        return value


jax: Any = LazyModule("jax")
jnp: Any = LazyModule("jax.numpy")
