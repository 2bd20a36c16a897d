"""Are posteriors what they say? Tables drawn from the prior, fitted, and the truth ranked; and docs/calibration.md:
``python benchmarks/calibration.py [--world NAME] [--simulations 200] [--quick] [--page] [--fresh]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.calibration.command import main

if __name__ == "__main__":
    sys.exit(main())
