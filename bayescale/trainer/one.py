"""Train one run of a sweep by several processes, each on its share of every batch.

    torchrun --nproc-per-node 2 -m bayescale.trainer.one SWEEP.toml RUN_ID --work WORK [--shard]

With --shard each process holds a part of the weights and of the optimiser's state, for what does not fit.

The result lies where the sweep looks for it, so that `bayescale train SWEEP.toml --work WORK` counts the run as
finished. The loss is that of one process up to rounding, since sums are taken in another order.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from bayescale.trainer import dataset, files, hardware, sweep, table, weights
from bayescale.trainer.config import read_sweep
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.hardware import Hardware
from bayescale.trainer.team import Team, joined
from bayescale.trainer.train import train


def main() -> None:
    """Train the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path)
    parser.add_argument("run_id")
    parser.add_argument("--work", type=Path, help=".bayescale/NAME where absent")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--shard", action="store_true", help="share the weights out too, by FSDP2")
    parser.add_argument(
        "--device", choices=hardware.DEVICES, default="auto", help="a GPU each where there are"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile the model's blocks")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        chosen = hardware.choose(arguments.device, arguments.compile)
        with joined(chosen, arguments.shard) as (team, own):
            _train(arguments, team, own)
    except TrainerError as error:
        sys.exit(f"bayescale: {error}")


def _train(arguments: argparse.Namespace, team: Team, own: Hardware) -> None:
    read = read_sweep(arguments.sweep)
    work = arguments.work or Path(".bayescale") / read.name
    if team.leads:  # the others find the tokens made
        sweep.lay_out(read, work)
    dist.barrier()
    planned, data = sweep.lay_out(read, work, lambda line: None)
    configs = {run.config.run_id: run.config for run in planned}
    if arguments.run_id not in configs:
        raise TrainerError(
            f"{arguments.sweep} has no run {arguments.run_id!r}; its runs: {', '.join(sorted(configs))}"
        )
    config = configs[arguments.run_id]
    state = work / "checkpoints" / f"{config.run_id}.safetensors"
    keep = weights.path(work, config.run_id) if read.keep_weights else None
    result = train(config, dataset.load(data[config.task]), state, team=team, keep=keep, hardware=own)
    if team.leads:
        files.write_json(table.result_path(work, config.run_id), result)
        state.unlink(missing_ok=True)
        print(f"run {config.run_id}: loss {result['loss']}")


if __name__ == "__main__":
    main()
