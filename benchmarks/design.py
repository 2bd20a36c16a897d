"""Which runs to buy and what to decide, ours beside the usual designs, and docs/design.md: ``python
benchmarks/design.py [--problem NAME] [--worlds N] [--fresh]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.design.command import main

if __name__ == "__main__":
    sys.exit(main())
