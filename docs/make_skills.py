"""Make the fitted parts of `docs/skills.md`, `docs/small-worlds.md` and `docs/measured.md`, with their figures.

``python docs/make_skills.py [PART ...] [--work DIR]``: all parts, or those that are named. Takes some ten minutes of a
processor's time. Posteriors of losses are kept in DIR, so that a command that was interrupted resumes; delete them to
fit anew. Every number is computed here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fitted.compression import compression
from fitted.datastore import datastore
from fitted.emergence import emergence
from fitted.groups import groups
from fitted.modalities import modalities
from fitted.moves import moves
from fitted.observational import observational

HERE = Path(__file__).parent
PARTS = {
    "emergence": emergence,
    "moves": moves,
    "groups": groups,
    "datastore": datastore,
    "compression": compression,
    "observational": observational,
    "modalities": modalities,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--work", type=Path, default=HERE.parent / "build" / "skills")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}: there are {', '.join(PARTS)}")
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or PARTS:
        PARTS[name](arguments.work)


if __name__ == "__main__":
    main()
