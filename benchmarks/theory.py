"""Coverage of exact finite-window exponents by phase, and docs/theory-coverage.md: ``python benchmarks/theory.py``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread: chains and linear algebra only get in each other's way, and the study runs in the background.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.theory.command import main

if __name__ == "__main__":
    sys.exit(main())
