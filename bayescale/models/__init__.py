"""A model: a law, its pooling, its priors and its noise.

Names are imported when first used: a model is read and printed without JAX and pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayescale.models.design import Design, DesignError, make_design
    from bayescale.models.effects import Effects
    from bayescale.models.spec import Model, ModelError, Noise

__all__ = ["Design", "DesignError", "Effects", "Model", "ModelError", "Noise", "make_design"]

_HOME = {
    "Design": "bayescale.models.design",
    "DesignError": "bayescale.models.design",
    "Effects": "bayescale.models.effects",
    "Model": "bayescale.models.spec",
    "ModelError": "bayescale.models.spec",
    "Noise": "bayescale.models.spec",
    "make_design": "bayescale.models.design",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
