"""A sweep's runs on a Ray cluster: the same runs, handed to whichever node is free.

The tokens travel through Ray's object store, so that nodes need no folder in common. Where they do have one, a
run that its node lost goes on from its checkpoint, else it starts over; a run is the same either way. Only the
process that started the sweep writes results, so every run ends exactly once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bayescale.trainer import dataset
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.hardware import Hardware
from bayescale.trainer.plan import PlannedRun, RunConfig
from bayescale.trainer.progress import Reporter
from bayescale.trainer.train import train
from bayescale.trainer.workshop import Result, Workshop

RETRIES = 10  # of a run whose process or node dies


def on_ray(
    todo: list[PlannedRun], workshop: Workshop, reporter: Reporter
) -> Iterator[tuple[PlannedRun, Result]]:
    """Carry runs out on the cluster that `ray.init` finds, starting one on this machine where there is none.

    At most `workshop.workers` runs are under way at once, cheapest first, each asking for `workshop.threads`
    processors. A run whose process or node dies is handed out again, `RETRIES` times.
    """
    ray: Any = import_module("ray")  # optional, and without types
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        tokens = {task: ray.put(_in_memory(dataset.load(folder))) for task, folder in workshop.data.items()}
        # An error of the run itself is no reason to try again: it would come back.
        remote = ray.remote(
            num_cpus=workshop.threads,
            num_gpus=int(workshop.hardware.is_gpu),
            max_retries=RETRIES,
            retry_exceptions=False,
        )(_train)
        waiting = list(reversed(todo))
        under_way: dict[Any, Any] = {}
        while waiting or under_way:
            while waiting and len(under_way) < workshop.workers:
                run = waiting.pop()
                state = workshop.state(run.config).absolute()
                kept = workshop.kept(run.config)
                reference = remote.remote(
                    run.config,
                    tokens[run.config.task],
                    str(state),
                    workshop.every,
                    workshop.threads,
                    str(kept.absolute()) if kept else None,
                    workshop.hardware,
                )
                under_way[reference] = run
            (done, *_), _ = ray.wait(list(under_way), num_returns=1)
            yield under_way.pop(done), ray.get(done)
    finally:
        if started:
            ray.shutdown()


def _in_memory(data: Dataset) -> Dataset:
    """Turn mapped files into arrays, which is what travels."""
    return Dataset(data.train[:], data.held_out[:], data.held_out_documents[:], data.manifest)


def _train(
    config: RunConfig,
    data: Dataset,
    state: str,
    every: float,
    threads: int,
    keep: str | None,
    hardware: Hardware,
) -> Result:
    import torch

    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    torch.set_num_threads(threads)
    return train(config, data, Path(state), every, keep=Path(keep) if keep else None, hardware=hardware)
