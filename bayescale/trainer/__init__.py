"""Train small language models and measure them: sweeps in, runs tables out.

Importing this package imports no torch; running a sweep needs the extra `train`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bayescale.trainer.errors import MissingExtra, TrainerError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["needs", "run_sweep"]

ENGINES = ("local", "ray")


def needs(*modules: str, what: str = "training", extra: str = "train") -> None:
    """Say in a line what to install for `what`, where one of the modules is not there."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f'{what} needs {", ".join(missing)}, not installed here; run: pip install "bayescale[{extra}]"',
        )


def run_sweep(
    path: Path,
    out: Path | None = None,
    work: Path | None = None,
    workers: int = 1,
    threads: int = 1,
    engine: str = "local",
    device: str = "auto",
    compiled: bool = False,
) -> pd.DataFrame:
    """Carry out the sweep that a file describes, or go on with it where it stopped.

    Parameters
    ----------
    path : Path
        The sweep file (TOML).
    out : Path, optional
        The runs table, rewritten atomically after every run; by default what the file's `out` says, beside
        it.
    work : Path, optional
        The folder of tokens, checkpoints and results; by default `.bayescale/NAME` in the current folder.
    workers : int
        Processes that train side by side, a run each.
    threads : int
        Threads of each.
    engine : {"local", "ray"}
        What carries the runs out: this machine's processes, or the Ray cluster that `ray` finds (the one of
        the environment variable RAY_ADDRESS, or else one started on this machine). With Ray, `workers` is
        the most runs at once, and each asks the cluster for `threads` processors
        (and, on GPUs, for one of them).
    device : {"auto", "cpu", "cuda"}
        What to train on; a GPU where there is one, by default. A CPU's losses repeat bit for bit.
    compiled : bool
        Whether the models' blocks go through `torch.compile`.

    Returns
    -------
    DataFrame
        The runs table: a row a finished run.

    Raises
    ------
    TrainerError
        If the sweep file is wrong, or another sweep runs in the work folder; one line an error.
    MissingExtra
        If torch, tokenizers or safetensors (or ray, where it is asked for) are not installed.
    """
    if engine not in ENGINES:
        raise TrainerError(f"there is no engine {engine!r}; choose from {', '.join(ENGINES)}")
    for name, value in (("workers", workers), ("threads", threads)):
        if value < 1:
            raise TrainerError(f"{name} is {value}; it must be at least 1")
    needs("torch", "tokenizers", "safetensors")
    if engine == "ray" and find_spec("ray") is None:
        raise MissingExtra('engine ray needs ray, not installed here; run: pip install "bayescale[ray]"')
    from bayescale.trainer import hardware, sweep
    from bayescale.trainer.config import read_sweep

    path = Path(path)
    read = read_sweep(path)
    return sweep.run(
        read,
        out=Path(out) if out else path.parent / read.out,
        work=Path(work) if work else Path(".bayescale") / read.name,
        workers=workers,
        threads=threads,
        engine=engine,
        hardware=hardware.choose(device, compiled),
    )
