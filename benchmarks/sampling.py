"""Our engine beside other libraries on the same posteriors, and docs/sampling.md: ``python benchmarks/sampling.py
[--quick] [--only POSTERIOR] [--samplers NAMES] [--seeds N] [--python INTERPRETER] [--page]``.

The other libraries are the extra ``bench``; where they do not go with what else is installed they may live in an
environment of their own, whose interpreter `--python` names.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Run as a script, only this folder is on the path; the package of the same name lies beside the file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sampling.command import main

if __name__ == "__main__":
    sys.exit(main())
