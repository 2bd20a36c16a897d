"""The inputs of a plausible set of runs, by law: where a law is drawn, and where it is tested."""

from __future__ import annotations

import math

import numpy as np

from bayescale.laws.base import Law

Ends = tuple[float, float]

INPUTS: dict[str, Ends] = {
    "params": (1e7, 1e9),
    "tokens": (1e9, 5e10),
    "unique_tokens": (5e8, 5e9),
    "flops": (1e17, 1e21),
    "flops_min": (1e17, 1e21),
    "steps": (1e3, 1e5),
    "batch_tokens": (1e5, 4e6),
    "position": (4, 1024),
    "context": (128, 8192),
    "density": (0.05, 1.0),
    "width": (64, 4096),
    "precision_weights": (5, 16),
    "precision_activations": (5, 16),
    "precision_kv": (5, 16),
    "precision_post": (3, 6),
    "experts": (2, 256),
    "granularity": (1, 16),
    "ensemble": (1, 16),
    "datastore_tokens": (1e9, 1e12),
    "learning_rate": (2e-4, 2e-3),
    "lr_end": (1e-6, 1e-4),
    "decay_steps": (1e2, 1e4),
    # Of runs at such rates, from early on to the end.
    "lr_area": (0.2, 20),
}
"""What an input runs over unless the law says otherwise below."""

FRACTION: Ends = (0.2, 0.9)
"""An input that nobody has listed: something between nothing and all."""

OF_LAW: dict[str, dict[str, Ends]] = {
    # Examples of four-digit addition.
    "bnsl1": {"tokens": (144, 1000)},
    # Two breaks, and a straight piece on each side of both, take four decades.
    "bnsl2": {"tokens": (1e8, 1e12)},
    # The leaderboard's models.
    "guo": {"params": (1e9, 7e10), "tokens": (1e12, 1.5e13)},
    "guo-free": {"params": (1e9, 7e10), "tokens": (1e12, 1.5e13)},
    # Fine-tuning data, from scarce to more than what pre-training is worth.
    "hernandez": {"params": (1e6, 1e9), "tokens": (1e5, 1e10)},
    # Wide: over 60 runs with sizes and data within two decades, the floor is hardly known at so small an exponent.
    "gadre": {"params": (1e7, 7e9), "tokens": (1e9, 1e12)},
    # From fewer tokens than its scale of data, or the data term and the floor cannot be told apart.
    "frantar": {"tokens": (3e8, 6.5e10)},
    "kaplan": {"params": (1e5, 1e9), "tokens": (2e7, 2e10)},
    # Features and samples of a simulated world; real models are larger and the theory does not mind.
    "plrf": {"params": (30, 3000), "tokens": (1e3, 1e6)},
    "tissue": {"lr_annealing": (0.01, 0.3)},
    "muennighoff": {"params": (1e7, 5e9), "tokens": (1e9, 1e11)},
    # Nine parameters need a wide grid.
    "farseer": {"params": (2e8, 6e9), "tokens": (1e9, 2e11)},
}


def ranges(law: Law) -> dict[str, Ends]:
    """Lowest and highest of each input of a law."""
    return {name: OF_LAW.get(law.name, {}).get(name, INPUTS.get(name, FRACTION)) for name in law.inputs}


def reference(law: Law) -> dict[str, float]:
    """The middle of the inputs: their geometric means."""
    return {name: math.sqrt(low * high) for name, (low, high) in ranges(law).items()}


def typical(law: Law) -> dict[str, float]:
    """The medians of the priors, in the units of the equation."""
    middle = {p.name: p.prior.interval(p.support, 1e-9)[0] for p in law.parameters}
    return {name: float(x) for name, x in law.natural(middle, reference(law)).items()}


def counts_as(law: Law, name: str) -> bool:
    """Whether a law whose parameters are stated at twice an input is that law at half of the input."""
    rng = np.random.default_rng(0)
    at = reference(law)
    run = {key: x * np.exp(rng.normal(scale=0.5, size=4)) for key, x in at.items()}
    half = run | {name: run[name] / 2}
    for _ in range(4):
        sampled = {
            p.name: p.prior.interval(p.support, rng.uniform(0, 0.8))[rng.integers(2)] for p in law.parameters
        }
        there, here = (law.natural(sampled, {**at, name: k * at[name]}) for k in (2, 1))
        one, other = (
            np.asarray(law.loss(values, law.prepared(inputs)))
            for values, inputs in ((there, run), (here, half))
        )
        if not np.allclose(one, other, rtol=1e-6, atol=0):
            return False
    return True
