"""Run a command as a person does: on a pseudo-terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What a terminal was sent: the exit status, the raw text, and its lines without control sequences."""

    status: int
    raw: str

    @property
    def lines(self) -> list[str]:
        return [line for line in re.split(r"[\r\n]+", CONTROL.sub("", self.raw)) if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def bayescale_on_terminal(*arguments: str | Path, columns: int = 80, cwd: Path | None = None) -> Shown:
    """Run the command line with standard input, output and error on a terminal so many columns wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bayescale.cli", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=environment | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    sent = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so where nobody holds the other end any more.
            break
        if not piece:
            break
        sent += piece
    os.close(ours)
    return Shown(process.wait(), sent.decode())
