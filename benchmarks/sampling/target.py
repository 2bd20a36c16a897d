"""A posterior as plain arrays, for libraries that know nothing of ours: NumPy is all that this file needs.

What is sampled is a vector x of real numbers: standardised population means; of every factor the effects on the link
scale, shape (free, parameters), as they are ("centred") or over their spread ("non-centred"); standardised logs of the
spreads; standardised logs of the noise parameters.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray

ENOUGH = 20
"""Runs a level from which an expert centres the level's effects; tools that centre with fewer run into the funnel."""


@dataclass(frozen=True, eq=False)
class Factor:
    """Effects of one factor on one or several parameters.

    Attributes
    ----------
    name : str
    basis : ndarray, shape (cells, free)
        From free coordinates, which sum to zero over levels, to every cell's effect.
    parameters : list of int
        Which parameters have such effects.
    spread : ndarray, shape (parameters, 2)
        Mean and standard deviation of the log of the standard deviation between levels.
    starts, spreads : list of int
        Where the coordinates and the spread of each lie in our own vector.
    centred : bool
    """

    name: str
    basis: Array
    parameters: list[int]
    spread: Array
    starts: list[int]
    spreads: list[int]
    centred: bool

    @property
    def free(self) -> int:
        return int(self.basis.shape[1])


@dataclass(frozen=True, eq=False)
class Target:
    """A posterior.

    Attributes
    ----------
    law : {"chinchilla", "clark"}
    names : list of str
        The law's parameters; all but Clark's three slopes are sampled in logs.
    mean, sd : ndarray, shape (parameters,)
        Prior of the population means on the link scale.
    factors : list of Factor
    noise_names : list of str
        ``sigma``, ``nu``, and where there are any ``sigma_decade`` and ``sigma_run`` (`bayescale.models.noise`).
    noise : ndarray, shape (noise parameters, 2)
        Mean and standard deviation of their logs.
    inputs : dict of ndarray, shape (rows,)
        `log_n` and `log_d` over the reference point, base e; for Clark `log_n` base 10 and `experts`.
    experts : float
        Clark's reference point.
    cell, run : ndarray of int, shape (rows,)
    log_loss, relative_se, decades : ndarray, shape (rows,)
    """

    law: str
    names: list[str]
    mean: Array
    sd: Array
    factors: list[Factor]
    noise_names: list[str]
    noise: Array
    inputs: dict[str, Array]
    experts: float
    cell: Array
    run: Array
    log_loss: Array
    relative_se: Array
    decades: Array

    @property
    def size(self) -> int:
        return len(self.names) + sum((f.free + 1) * len(f.parameters) for f in self.factors) + len(self.noise)

    @property
    def cells(self) -> int:
        return int(self.cell.max()) + 1

    @property
    def several(self) -> bool:
        """Whether some run gives several rows."""
        return "sigma_run" in self.noise_names

    def split(self, x: Any) -> tuple[Any, list[Any], list[Any], Any]:
        """Means, effects (free, parameters) a factor, spreads (parameters,) a factor, noise; leading axes are kept."""
        at = len(self.names)
        means, effects, spreads = x[..., :at], [], []
        for f in self.factors:
            count = f.free * len(f.parameters)
            effects.append(x[..., at : at + count].reshape(*x.shape[:-1], f.free, len(f.parameters)))
            at += count
        for f in self.factors:
            spreads.append(x[..., at : at + len(f.parameters)])
            at += len(f.parameters)
        return means, effects, spreads, x[..., at:]

    def join(self, means: Array, effects: list[Array], spreads: list[Array], noise: Array) -> Array:
        """The inverse of `split`."""
        flat = [e.reshape(*e.shape[:-2], -1) for e in effects]
        return np.concatenate([means, *flat, *spreads, noise], axis=-1)

    def to_ours(self, x: Array) -> Array:
        """Our own vector z, of the same size."""
        means, effects, spreads, noise = self.split(x)
        z = np.zeros_like(x)
        z[..., : len(self.names)] = means
        z[..., x.shape[-1] - len(self.noise) :] = noise
        for f, effect, spread in zip(self.factors, effects, spreads, strict=True):
            tau = np.exp(f.spread[:, 0] + f.spread[:, 1] * spread)
            found = effect if f.centred else effect * tau[..., None, :]
            for i, (start, at) in enumerate(zip(f.starts, f.spreads, strict=True)):
                z[..., start : start + f.free] = found[..., i]
                z[..., at] = spread[..., i]
        return z

    def log_volume(self, x: Array) -> Array:
        """Log of the volume that a unit of x takes in z, up to a constant."""
        _, _, spreads, _ = self.split(x)
        total = np.zeros(x.shape[:-1])
        for f, spread in zip(self.factors, spreads, strict=True):
            if not f.centred:
                total = total + f.free * np.sum(f.spread[:, 0] + f.spread[:, 1] * spread, axis=-1)
        return total

    def by_run(self) -> tuple[Array, Array]:
        """Rows of every run, shape (runs, most), and which of them there are: for libraries without segment sums."""
        order = [np.flatnonzero(self.run == i) for i in range(int(self.run.max()) + 1)]
        most = max(map(len, order))
        rows, there = np.zeros((len(order), most), int), np.zeros((len(order), most))
        for i, found in enumerate(order):
            rows[i, : len(found)], there[i, : len(found)] = found, 1.0
        return rows, there

    def write(self, path: Path) -> None:
        def plain(value: Any) -> Any:
            return value.tolist() if isinstance(value, np.ndarray) else value

        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), default=plain))

    @classmethod
    def read(cls, path: Path) -> Target:
        found = json.loads(path.read_text())
        plain = {"law", "names", "noise_names", "experts"}
        factors = [
            Factor(**f | {name: np.array(f[name], float) for name in ("basis", "spread")})
            for f in found.pop("factors")
        ]
        inputs = {name: np.array(x, float) for name, x in found.pop("inputs").items()}
        whole = {name: np.array(found.pop(name), int) for name in ("cell", "run")}
        arrays = {name: x if name in plain else np.array(x, float) for name, x in found.items()}
        return cls(**arrays, **whole, factors=factors, inputs=inputs)
