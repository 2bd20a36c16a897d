"""Devices, precision and compilation: what they change, and what not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bayescale.trainer import architectures, run_sweep
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.hardware import Hardware, choose
from bayescale.trainer.machine import processor
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.train import train

Variant = Callable[..., RunConfig]
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.mark.parametrize("architecture", architectures.names())
def test_half_precision_trains_to_nearly_the_same_loss(
    architecture: str, chain: Dataset, variant: Variant
) -> None:
    config = variant(architecture=architecture)
    full, half = train(config, chain), train(replace(config, precision="bf16"), chain)
    assert half["loss"] == pytest.approx(full["loss"], rel=0.01)
    assert half["loss"] != full["loss"], "nothing was rounded"


def test_precision_is_part_of_a_run_and_the_device_is_not(chain: Dataset, variant: Variant) -> None:
    config = variant(steps=2)
    assert config.run_id == replace(config, precision="float32").run_id
    assert config.run_id != replace(config, precision="bf16").run_id
    assert train(config, chain)["machine"] == processor()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("architecture", architectures.names())
def test_compiled_blocks_train_to_the_same_loss(architecture: str, chain: Dataset, variant: Variant) -> None:
    config = variant(architecture=architecture, depth=2)
    plain = train(config, chain)
    compiled = train(config, chain, hardware=Hardware(compiled=True))
    assert compiled["loss"] == pytest.approx(plain["loss"], abs=1e-3)


@NO_GPU
def test_a_gpu_that_is_not_there_is_said(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    assert choose() == Hardware("cpu")
    with pytest.raises(ValueError, match="torch finds no GPU here; choose --device cpu"):
        run_sweep(sweep_file(), work=tmp_path / "work", device="cuda")
    with pytest.raises(ValueError, match="there is no device 'tpu'; choose from auto, cpu, cuda"):
        choose("tpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("architecture", architectures.names())
def test_a_gpu_reaches_the_loss_of_a_processor(architecture: str, chain: Dataset, variant: Variant) -> None:
    config = variant(architecture=architecture)
    found = train(config, chain, hardware=choose("cuda"))
    assert found["loss"] == pytest.approx(train(config, chain)["loss"], abs=5e-3)
    assert found["machine"] == torch.cuda.get_device_name()
