"""The same posterior as other libraries write it. Every module has

``log_densities(target, x)``: at points x, shape (points, size), up to a constant;
``sample(target, seed, chains, warmup, draws, options)``: draws of x, shape (chains, draws, size), and statistics of
shape (chains, draws): ``diverging``, ``n_steps`` (leapfrog steps), ``energy``.

They import NumPy and their own library, nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Sampled = tuple[np.ndarray, dict[str, np.ndarray]]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rival:
    """One way to sample the posterior with another library.

    Attributes
    ----------
    module : str
        Of this folder.
    title : str
    package : str
        On the registry.
    options : frozenset of str
        For its `sample`.
    form : str
        How effects are written (`benchmarks.sampling.export.FORMS`).
    trial : bool
        Sampled only where it is asked for by name.
    """

    module: str
    title: str
    package: str
    options: frozenset[str] = NOTHING
    form: str = "by rows"
    trial: bool = False


RIVALS = {
    "numpyro-plain": Rival("numpyro_sites", "NumPyro, a site per parameter, diagonal mass", "numpyro"),
    "numpyro-packed": Rival("numpyro_packed", "NumPyro, packed sites, diagonal mass", "numpyro"),
    "numpyro-dense": Rival(
        "numpyro_packed", "NumPyro, packed sites, dense mass", "numpyro", frozenset({"dense"})
    ),
    "nutpie": Rival("nutpie_pymc", "nutpie, diagonal", "nutpie"),
    "nutpie-low-rank": Rival("nutpie_pymc", "nutpie, low-rank", "nutpie", frozenset({"low-rank"})),
    "pymc": Rival("pymc_model", "PyMC, default NUTS", "pymc"),
    "blackjax": Rival("blackjax_window", "BlackJAX, window adaptation", "blackjax"),
    "stan": Rival("stan_model", "Stan (PyStan), default NUTS", "pystan", trial=True),
    "numpyro-centred": Rival(
        "numpyro_packed", "NumPyro, packed, all centred", "numpyro", form="centred", trial=True
    ),
    "numpyro-non-centred": Rival(
        "numpyro_packed", "NumPyro, packed, none centred", "numpyro", form="non-centred", trial=True
    ),
}
"""By the name that ``--samplers`` takes."""
