"""Children whose CPU is counted: user and system time of the process and of all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.published.tables import ROOT

LOOK = 0.2
"""Seconds between two looks at a child."""


@dataclass(frozen=True)
class Spent:
    """What a child came to.

    Attributes
    ----------
    cpu_s, wall_s : float
    peak_mib : float
        Most memory that the process itself held, MiB, as often as it was looked at; zero where the system does not say.
    stopped : bool
        Whether it was ended for using more CPU than it was given.
    failed : str
        Why it ended otherwise; empty where it did what it should.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float
    stopped: bool
    failed: str


def run(
    module: str,
    arguments: Sequence[str | Path],
    cache: Path,
    log: Path,
    cap: float = float("inf"),
    python: str = sys.executable,
) -> Spent:
    """Run a module of this folder to its end, or to a cap of CPU seconds.

    Parameters
    ----------
    cache : Path
        The child's folder for whatever its library keeps between processes; empty for a cold start.
    log : Path
        What it says.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(cache),
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        # Threads within small operations are spent on waiting; chains have the cores.
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    began, stopped, peak = time.monotonic(), False, 0.0
    with log.open("wb") as out:
        child = subprocess.Popen(
            [python, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            # A group and not a session of its own: what was asked of the scheduler for us holds for it too.
            process_group=0,
        )
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _peak_mib(child.pid))
            if not stopped and _cpu_of_group(child.pid) > cap:
                stopped = True
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(LOOK)
    # It has been waited for; Popen must not wait again.
    child.returncode = os.waitstatus_to_exitcode(status)
    failed = ""
    if child.returncode and not stopped:
        lines = log.read_text(errors="replace").strip().splitlines()
        failed = lines[-1] if lines else f"exit status {child.returncode}"
    return Spent(usage.ru_utime + usage.ru_stime, time.monotonic() - began, peak, stopped, failed)


def _peak_mib(pid: int) -> float:
    """High-water mark of a process's memory."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _cpu_of_group(group: int) -> float:
    """CPU seconds so far of a group's processes and their ended children; zero where the system does not say."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue  # gone since
        if int(fields[2]) == group:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")
