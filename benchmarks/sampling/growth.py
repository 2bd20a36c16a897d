"""How cost grows: a gradient and a fit with the number of runs and of cells, a process for each."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.sampling.designs import HOFFMANN, Problem, simulate
from benchmarks.sampling.process import run
from benchmarks.sampling.race import Effort, keep

LEAST = 2.0
"""CPU seconds that a gradient is timed over."""


@dataclass(frozen=True)
class Size:
    """One simulated table.

    Attributes
    ----------
    axis : {"runs", "cells"}
    architectures, tasks, budgets, sizes : int
        See `simulate`.
    """

    axis: str
    architectures: int
    tasks: int
    budgets: int
    sizes: int

    @property
    def cells(self) -> int:
        return self.architectures * self.tasks

    @property
    def runs(self) -> int:
        return self.cells * self.budgets * self.sizes

    def table(self) -> pd.DataFrame:
        return simulate(self.architectures, self.tasks, self.budgets, self.sizes)


SIZES = (
    # More runs in five cells.
    Size("runs", 1, 5, 2, 1),
    Size("runs", 1, 5, 4, 5),
    Size("runs", 1, 5, 40, 5),
    Size("runs", 1, 5, 400, 5),
    # More cells of ten runs.
    Size("cells", 1, 1, 5, 2),
    Size("cells", 1, 5, 5, 2),
    Size("cells", 2, 5, 5, 2),
    Size("cells", 5, 10, 5, 2),
    Size("cells", 10, 10, 5, 2),
    Size("cells", 20, 25, 5, 2),
)
KINDS = ("gradient", "default", "fit")
"""A gradient and a fit of a model with effects of every cell, and a gradient of the default model, which has none."""


def _model() -> Any:
    return Problem("growth", "", "chinchilla", HOFFMANN, lambda: pd.DataFrame()).model()


def grow(effort: Effort, cap: float) -> None:
    """Measure what has not been measured: gradients, and fits at default settings, up to a cap of CPU seconds."""
    for kind in KINDS:
        for size in SIZES:
            path = effort.folder / "growth" / f"{kind}-{size.axis}-{size.cells}-{size.runs}.json"
            if path.is_file():
                continue
            with tempfile.TemporaryDirectory() as name:
                out = Path(name) / "out.json"
                what = [kind, out, *asdict(size).values()]
                log = effort.folder / "growth" / "logs" / f"{path.stem}.log"
                spent = run("benchmarks.sampling.growth", what, effort.folder / "growth" / "cache", log, cap)
                found = asdict(size) | {"kind": kind, "cells": size.cells, "runs": size.runs} | asdict(spent)
                if out.is_file():
                    found |= json.loads(out.read_text())
            keep(path, found)
            print(
                f"growth, {kind}, {size.runs} runs in {size.cells} cells: {spent.cpu_s:.0f} CPU-s, "
                f"{spent.peak_mib:.0f} MiB{', stopped' * spent.stopped}{spent.failed and ', ' + spent.failed}",
                flush=True,
            )


def measured(effort: Effort) -> list[dict[str, Any]]:
    """What has been kept, in the order of `SIZES`."""
    return list(_measured(effort))


def _measured(effort: Effort) -> Iterator[dict[str, Any]]:
    for kind in KINDS:
        for size in SIZES:
            path = effort.folder / "growth" / f"{kind}-{size.axis}-{size.cells}-{size.runs}.json"
            if path.is_file():
                yield json.loads(path.read_text())


def slope(points: list[dict[str, Any]], axis: str, kind: str = "gradient") -> float:
    """Exponent of the cost of a gradient in the number of runs or cells, between the two largest; NaN below two."""
    found = sorted(
        (p[axis], p["gradient_s"])
        for p in points
        if p["kind"] == kind and p["axis"] == axis and "gradient_s" in p
    )
    if len(found) < 2:
        return float("nan")
    (a, x), (b, y) = found[-2:]
    return float(np.log(y / x) / np.log(b / a))


def _gradient(model: Any, size: Size) -> dict[str, Any]:
    """CPU seconds of one gradient in the coordinates that are sampled."""
    import jax
    import jax.numpy as jnp

    from bayescale.inference.whitening import log_white_density, whitening_at
    from bayescale.models.arrays import data_of
    from bayescale.models.design import make_design
    from bayescale.models.layout import layout_of

    design = make_design(model, size.table())
    layout, data = layout_of(design), data_of(design)
    whitening = whitening_at(jnp.zeros(layout.size), layout, data)
    evaluate = jax.jit(jax.value_and_grad(lambda x, d, w: log_white_density(x, layout, d, w)))
    x = 0.1 * jnp.asarray(np.random.default_rng(0).normal(size=layout.size))
    jax.block_until_ready(evaluate(x, data, whitening))
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < LEAST or count < 3:
        jax.block_until_ready(evaluate(x, data, whitening))
        count += 1
    return {"dimensions": layout.size, "gradient_s": spent / count, "gradients": count}


def _fit(size: Size) -> dict[str, Any]:
    import bayescale as bs

    fit = bs.fit(size.table(), _model(), seed=0, settings=bs.Settings(folds=False))
    steps = fit.tree["sample_stats"]["n_steps"].to_numpy()
    return {"verdict": fit.health().verdict, "leapfrogs": int(steps.sum()), "draws": int(steps.size)}


def _measure(kind: str, size: Size) -> dict[str, Any]:
    import bayescale as bs
    from bayescale.bundled import DEFAULT_MODEL

    if kind == "fit":
        return _fit(size)
    return _gradient(bs.Model.load(DEFAULT_MODEL) if kind == "default" else _model(), size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("out", type=Path)
    parser.add_argument("axis")
    for field in ("architectures", "tasks", "budgets", "sizes"):
        parser.add_argument(field, type=int)
    given = vars(parser.parse_args())
    kind, out = given.pop("kind"), given.pop("out")
    result = _measure(kind, Size(**given))
    out.write_text(json.dumps(result))
