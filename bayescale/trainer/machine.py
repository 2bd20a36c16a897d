"""What a measurement ran on: versions, processor and commit, and neither a host's name nor a path."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
from pathlib import Path


def processor() -> str:
    """Name the processor's model."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """Short hash of the source's commit, with `+` where the trainer has changed since; None without one."""
    # An installed package may lie in somebody else's repository; only one that tracks this file is its own.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    short = _git("rev-parse", "--short", "HEAD")
    return f"{short}+" if short and _git("status", "--porcelain", ".") else short


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def code() -> str:
    """Hash the trainer's own source: 12 hexadecimal digits that tell versions apart without a commit."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def provenance() -> dict[str, str | None]:
    """Versions, commit and code, as they were when the process first asked."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "commit": commit(),
        "code": code(),
    }
