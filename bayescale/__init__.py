"""Bayesian scaling laws: measured runs in; a posterior, bands, allocations and decisions out.

Names are imported when first used, so that ``import bayescale`` is cheap and only what needs JAX loads it.
"""

from __future__ import annotations

import importlib
from typing import Any

# Not lazily: once its module of the same name is imported, the attribute would be the module.
from bayescale.bundled import bundled as bundled

__version__ = "0.1.0"

_HOME = {
    "Action": "bayescale.decide",
    "Conventions": "bayescale.runs",
    "Decision": "bayescale.decide",
    "Law": "bayescale.laws",
    "Model": "bayescale.models",
    "Posterior": "bayescale.api",
    "Settings": "bayescale.inference",
    "backtest": "bayescale.api",
    "check_runs": "bayescale.runs",
    "compare": "bayescale.api",
    "fit": "bayescale.api",
    "law": "bayescale.laws",
    "law_of": "bayescale.laws",
    "load": "bayescale.api",
    "read_runs": "bayescale.runs",
    "register": "bayescale.laws",
    "write_runs": "bayescale.runs",
}

__all__ = ["__version__", "bundled", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bayescale' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    # Once found, a plain attribute.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
