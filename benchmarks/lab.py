"""The bundled laboratory sweep fitted, and docs/lab.md: ``python benchmarks/lab.py``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The fits run chains in threads of their own; more threads inside each only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lab.command import main

if __name__ == "__main__":
    sys.exit(main())
