"""One rival in a process of its own: ``python -m benchmarks.sampling.rivals.child NAME TARGET OUT ...``.

Writes draws and statistics as .npz, or with ``--points`` the log densities there as .npy.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.sampling.rivals import RIVALS
from benchmarks.sampling.target import Target


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=list(RIVALS))
    parser.add_argument("target", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--points", type=Path)
    for name in ("seed", "chains", "warmup", "draws"):
        parser.add_argument(f"--{name}", type=int, default=0)
    chosen = parser.parse_args()
    rival, target = RIVALS[chosen.name], Target.read(chosen.target)
    module = import_module(f"benchmarks.sampling.rivals.{rival.module}")
    if chosen.points is not None:
        np.save(chosen.out, module.log_densities(target, np.load(chosen.points)))
        return
    x, stats = module.sample(target, chosen.seed, chosen.chains, chosen.warmup, chosen.draws, rival.options)
    np.savez(chosen.out, x=x, version=version(rival.package), **stats)


if __name__ == "__main__":
    main()
