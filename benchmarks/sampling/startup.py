"""What it costs to begin: the import, the first draw cold and warm, and a refit on data of the same shape."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.sampling.designs import PROBLEMS
from benchmarks.sampling.process import Spent, run

IMPORTS = 5
REFERENCE = PROBLEMS[0]


def measure(folder: Path) -> dict[str, Any]:
    """All of it, on the reference posterior; seconds of CPU and of the clock, of whole processes."""
    from bayescale.models.design import make_design
    from benchmarks.sampling.export import target_of

    found: dict[str, Any] = {"import": _import()}
    print(f"import bayescale: {found['import']:.2f} CPU-s", flush=True)
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "target.json"
        target_of(make_design(REFERENCE.model(), REFERENCE.runs())).write(target)
        # One step of warm-up and one draw of one chain, against the first chunk of fifty steps of ours.
        shortest = ("--chains", "1", "--warmup", "1", "--draws", "1")
        theirs = ("numpyro-plain", target, Path(name) / "out.npz", *shortest)
        for cache in ("cold", "warm"):
            for what, module, arguments in (
                ("ours", "benchmarks.sampling.startup", ("first", Path(name) / "out.json")),
                ("numpyro", "benchmarks.sampling.rivals.child", theirs),
            ):
                log = folder / "logs" / f"startup-{what}-{cache}.log"
                spent = _done(run(module, arguments, Path(name) / what, log))
                found[f"{what}-{cache}"] = asdict(spent)
                print(f"first draw, {what}, {cache}: {spent.cpu_s:.1f} CPU-s", flush=True)
        out = Path(name) / "refit.json"
        log = folder / "logs" / "startup-refit.log"
        _done(run("benchmarks.sampling.startup", ("refit", out), Path(name) / "ours", log))
        found["refit"] = json.loads(out.read_text())
        print(f"refit: {found['refit']}", flush=True)
    return found


def _done(spent: Spent) -> Spent:
    if spent.failed:
        raise RuntimeError(spent.failed)
    return spent


def _import() -> float:
    """CPU seconds of ``import bayescale`` over a bare interpreter, the least of several."""
    spent = "import resource; r = resource.getrusage(resource.RUSAGE_SELF); print(r.ru_utime + r.ru_stime)"

    def least(code: str) -> float:
        command = [sys.executable, "-c", code]
        every = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(IMPORTS)]
        return min(float(one.stdout) for one in every)

    return least(f"import bayescale; {spent}") - least(spent)


def _first() -> None:
    """To the first iterations that are in hand, fifty of a chain: they come in chunks."""
    import bayescale as bs

    def stop(chain: int, done: int, total: int, divergences: int) -> None:
        # Threads do not end for an exception in one of them, and nothing after the first draw is of interest.
        os._exit(0)

    bs.fit(REFERENCE.runs(), REFERENCE.model(), seed=0, progress=stop)


def _refit(out: Path) -> None:
    """How many programs a second fit compiles whose data have the shape of the first's."""
    import jax.monitoring

    import bayescale as bs
    from benchmarks.sampling.designs import simulate

    compiled: list[float] = []

    def heard(event: str, duration: float, **more: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(duration)

    jax.monitoring.register_event_duration_secs_listener(heard)
    settings = bs.Settings(warmup=200, draws=100, folds=False)
    found: dict[str, Any] = {}
    for name, seed in (("first", 0), ("second", 1)):
        before = len(compiled)
        bs.fit(simulate(3, 4, budgets=6, sizes=5, seed=seed), REFERENCE.model(), seed=seed, settings=settings)
        found[f"{name}_programs"] = len(compiled) - before
        found[f"{name}_seconds"] = sum(compiled[before:])
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["first", "refit"])
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "first":
        _first()
    else:
        _refit(chosen.out)
