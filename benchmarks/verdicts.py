"""Verdicts against simulated truths, and docs/verdicts.md:
``python benchmarks/verdicts.py [--worlds 1008] [--jobs 2] [--family NAME] [--page] [--fresh] [--folder FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.verdicts.command import main

if __name__ == "__main__":
    sys.exit(main())
