"""Bands beyond the runs, ours beside the usual practice, and docs/extrapolation.md: ``python
benchmarks/extrapolation.py [--table NAME] [--model NAME] [--fresh]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.extrapolation.command import main

if __name__ == "__main__":
    sys.exit(main())
