"""Published figures beside ours, and docs/published.md: ``python benchmarks/published.py [--only NAME] [--fresh]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.published.command import main

if __name__ == "__main__":
    sys.exit(main())
