"""Where the model files and the measured runs that come with the package are."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "generalised"
"""Of the files in `models/`, the one that is fitted where nobody names another."""


def bundled(kind: str) -> Path:
    """The folder of bundled `models` or `runs`: inside an installed wheel, or at the top of a checkout."""
    here = Path(__file__).parent
    installed = here / "_bundled" / kind
    return installed if installed.is_dir() else here.parent / kind
