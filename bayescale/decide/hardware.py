"""Accelerators by name: peak arithmetic, memory and power, from their makers' data sheets."""

from __future__ import annotations

from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field


class Device(BaseModel):
    """An accelerator.

    Attributes
    ----------
    peak_flops : float
        Dense 16-bit matrix arithmetic, FLOP/s; no sparsity.
    memory_gb : float
        Memory, in units of 1e9 bytes.
    kw : float
        Rated power, kW.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    peak_flops: float = Field(gt=0, allow_inf_nan=False)
    memory_gb: float = Field(gt=0, allow_inf_nan=False)
    kw: float = Field(gt=0, allow_inf_nan=False)


DEVICES = MappingProxyType(
    {
        "V100": Device(peak_flops=125e12, memory_gb=32, kw=0.30),
        "A100": Device(peak_flops=312e12, memory_gb=80, kw=0.40),
        "L40S": Device(peak_flops=362e12, memory_gb=48, kw=0.35),
        "H100": Device(peak_flops=989e12, memory_gb=80, kw=0.70),
        "H200": Device(peak_flops=989e12, memory_gb=141, kw=0.70),
        "B200": Device(peak_flops=2250e12, memory_gb=180, kw=1.00),
    }
)
"""SXM boards where there are several; any other is written out in full."""

ADAM_BYTES = 16.0
"""Bytes a parameter takes in mixed-precision training with Adam: weights, gradients, a 32-bit copy, two moments
(Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054, section 3.1). Activations come on top."""

SERVING_BYTES = 2.0
"""Bytes a parameter takes in 16-bit inference; the key-value cache comes on top."""
