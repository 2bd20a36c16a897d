"""How much runs would tell before there are any: the law linearised at draws of its prior.

A prior is too wide for one Gaussian: what a run tells depends on where in it the truth lies. At every draw the law is
linearised in its standardised parameters (prior covariance one); with J the slopes of the candidates' log losses and
sigma the noise, runs leave (I + J'J / sigma^2)^-1, and the information on a quantity of gradient g is
-1/2 log(g' left g / g' g), averaged over draws (Bayesian local design, Chaloner & Verdinelli 1995). It looks at the
population's parameters, as `bayescale.models.identifiability` does.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayescale.decide.candidates import candidate_flops
from bayescale.decide.decision import DecisionError
from bayescale.decide.information import About
from bayescale.forecast.expected import inputs_of
from bayescale.models.arrays import Data, data_of
from bayescale.models.density import population, unlink
from bayescale.models.layout import Layout, layout_of
from bayescale.posterior import PosteriorData

DRAWS = 128


class FirstKnowledge:
    """What batches of candidates would tell about quantities, from a prior alone."""

    def __init__(
        self, posterior: PosteriorData, runs: pd.DataFrame, about: list[About], seed: int = 0
    ) -> None:
        law = posterior.model.definition
        every = [runs, *(one for one in about if isinstance(one, pd.DataFrame))]
        table = pd.concat(every, ignore_index=True)
        if "flops" in law.inputs:
            table["flops"] = candidate_flops(posterior, table)
        inputs = {name: jnp.asarray(x) for name, x in inputs_of(law, table).items()}
        # The prior is stated at its own reference point, not at that of the candidates and targets.
        layout, data = layout_of(posterior.design), data_of(posterior.design)
        z = np.random.default_rng([seed, 6]).normal(size=(DRAWS, len(law.parameters)))
        slopes = np.asarray(_slopes(z, layout, data, inputs))
        good = np.isfinite(slopes).all(axis=(1, 2))
        self._slopes = slopes[good][:, : len(runs)]
        sigma = np.exp(posterior.model.noise.sigma.normal("positive")[0])
        self._noise = sigma**2
        extra = iter(range(len(runs), len(table)))
        self._gradients = [self._gradient(one, law.parameter_names, slopes[good], extra) for one in about]

    @staticmethod
    def _gradient(one: About, names: tuple[str, ...], slopes: np.ndarray, extra: Any) -> np.ndarray:
        if isinstance(one, pd.DataFrame):
            return np.asarray(slopes[:, next(extra)])
        name = str(one).removesuffix("_mean")
        if name not in names:
            raise DecisionError(
                f"before any data, a first sweep is planned for a run's loss or for {', '.join(names)}: got {one!r}"
            )
        return np.tile((np.array(names) == name).astype(float), (len(slopes), 1))

    def _left(self, batch: tuple[int, ...]) -> np.ndarray:
        """Covariance of the parameters that a batch leaves at each draw, shape (draws, parameters, parameters)."""
        chosen = self._slopes[:, list(batch)]
        size = self._slopes.shape[2]
        return np.asarray(np.linalg.inv(np.eye(size) + np.swapaxes(chosen, 1, 2) @ chosen / self._noise))

    def _information(self, left: np.ndarray) -> np.ndarray:
        """Sum over quantities, averaged over draws; leading dimensions of `left` before draws are kept."""
        total = np.zeros(left.shape[:-3])
        for g in self._gradients:
            after = np.einsum("kp,...kpq,kq->...k", g, left, g)
            total = total - 0.5 * np.log(after / (g**2).sum(axis=1)).mean(axis=-1)
        return np.asarray(total)

    def gain(self, batch: tuple[int, ...]) -> float:
        """Expected information of a batch on each of the quantities, summed, nats."""
        return float(self._information(self._left(batch)))

    def each(self, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Gain that every candidate would add to a batch, shape (candidates,)."""
        left = self._left(batch)
        moved = np.einsum("kpq,kcq->ckp", left, self._slopes)
        scale = self._noise + np.einsum("kcp,ckp->ck", self._slopes, moved)
        after = left[None] - moved[..., :, None] * moved[..., None, :] / scale[..., None, None]
        return np.asarray(self._information(after) - self._information(left))


@partial(jax.jit, static_argnums=1)
def _slopes(z: Any, layout: Layout, data: Data, inputs: dict[str, Any]) -> Any:
    def log_loss(one: Any) -> Any:
        values = unlink(layout.law, population(one, layout, data), data["reference"])
        return jnp.log(layout.law.loss(values, inputs))

    return jax.vmap(jax.jacfwd(log_loss))(z)
