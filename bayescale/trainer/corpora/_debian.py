"""Text that Debian packages install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bayescale.trainer.errors import TrainerError


def version(corpus: str, package: str) -> str:
    """Return the version of an installed package.

    Raises
    ------
    TrainerError
        If it is not installed, or this is no Debian; the message says what to run.
    """
    if shutil.which("dpkg-query") is None:
        raise TrainerError(
            f"corpus {corpus!r} is read from the Debian package {package}, and there is no dpkg here; run on "
            "Debian or Ubuntu, or give the same text as corpus 'folder'"
        )
    said = _query("-W", "-f", "${db:Status-Status} ${Version}", package)
    if not said.startswith("installed "):
        raise TrainerError(
            f"corpus {corpus!r} is read from the Debian package {package}, not installed here; run: apt-get "
            f"install {package}"
        )
    return f"{package} {said.split()[1]}"


def files(package: str, pattern: str) -> list[Path]:
    """List the files of an installed package whose path matches a glob pattern, in order of path."""
    paths = (Path(line) for line in _query("-L", package).splitlines())
    return sorted(path for path in paths if path.match(pattern) and path.is_file() and not path.is_symlink())


def _query(*arguments: str) -> str:
    done = subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else ""
