"""The weights that a run ends with, kept so that more can be measured of it than its loss."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from bayescale.trainer import architectures, files
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import whole


def path(work: Path, run_id: str) -> Path:
    """Where they lie in a work folder."""
    return work / "weights" / f"{run_id}.safetensors"


def save(file: Path, run_id: str, model: nn.Module, write: bool = True) -> None:
    """Write them atomically; of a sharded model every process takes part, and one writes."""
    from safetensors.torch import save as serialise

    tensors = {name: whole(parameter) for name, parameter in model.named_parameters()}
    if write:
        files.write_bytes(file, serialise(tensors, {"run_id": run_id}))


def load(file: Path, config: RunConfig) -> Decoder:
    """Make a run's model with the weights it ended with, ready to be evaluated.

    Raises
    ------
    TrainerError
        If they were not kept, or the file is another run's, or broken.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise TrainerError(
            f"{file} is not there: run {config.run_id} did not keep its weights; put keep_weights = true at the "
            "top of the sweep file and call bayescale train again"
        )
    model = architectures.build(config.kind or config.architecture, config.shape())
    model.initialise(config.seed, config.base_width)  # for what is no parameter, such as the logits' scale
    try:
        with safe_open(file, framework="pt") as opened:
            if opened.metadata().get("run_id") != config.run_id:
                raise TrainerError(f"{file} belongs to run {opened.metadata().get('run_id')}; delete it")
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(opened.get_tensor(name))
    except SafetensorError as error:
        raise TrainerError(
            f"{file} is not a file of weights ({error}); delete it and call bayescale train again"
        ) from None
    return model.eval()
