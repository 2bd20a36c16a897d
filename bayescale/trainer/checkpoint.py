"""A run's state in the middle, in one safetensors file: weights, moments, random state, and how far it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bayescale.trainer import files
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.team import placed, whole


@dataclass
class Progress:
    """How far a run is.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Wall time spent on them, over all attempts.
    first_loss : float
        Train loss of the first batch, nats per token.
    curve : list of (tokens, loss)
        Mean train loss, nats per token, over the steps up to each count of tokens.
    pending : list of float
        Losses of the steps since the curve's last point.
    noise : list of (step, signal, noise)
        What `noise.Split.estimate` says of the gradient, at the steps where it is measured.
    """

    step: int = 0
    seconds: float = 0.0
    first_loss: float = float("nan")
    curve: list[tuple[int, float]] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    noise: list[tuple[int, float, float]] = field(default_factory=list)


def save(
    path: Path,
    run_id: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    write: bool = True,
) -> None:
    """Write the state atomically; of a sharded model every process takes part, and one writes."""
    from safetensors.torch import save as serialise

    tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        tensors[f"weight.{name}"] = whole(parameter)
        for key, value in optimizer.state[parameter].items():
            tensors[f"moment.{key}.{name}"] = whole(value)
    if not write:
        return
    metadata = {"run_id": run_id, "progress": json.dumps(asdict(progress))}
    files.write_bytes(path, serialise(tensors, metadata))


def load(path: Path, run_id: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Put a saved state back, or return None where there is none to go on from.

    Raises
    ------
    TrainerError
        If the file is another run's, or broken.
    """
    from safetensors import SafetensorError, safe_open

    files.sweep(path)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise TrainerError(
            f"{path} is not a checkpoint ({error}); delete it, and the run starts over"
        ) from None
    if metadata.get("run_id") != run_id:
        raise TrainerError(f"{path} belongs to run {metadata.get('run_id')}, not {run_id}; delete it")
    torch.set_rng_state(tensors.pop("rng"))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for key, value in tensors.items():
            kind, rest = key.split(".", 1)
            if kind == "weight":
                parameters[rest].copy_(placed(value, parameters[rest]))
            else:
                moment, name = rest.split(".", 1)
                optimizer.state[parameters[name]][moment] = placed(value, parameters[name])
    stored = json.loads(metadata["progress"])
    stored["curve"] = [(int(tokens), float(loss)) for tokens, loss in stored["curve"]]
    stored["noise"] = [(int(step), float(g), float(s)) for step, g, s in stored.get("noise", [])]
    return Progress(**stored)
