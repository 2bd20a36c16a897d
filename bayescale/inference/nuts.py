"""NUTS, by NumPyro, one compiled step for every chain, warm-up and refit.

Chains run in a thread pool: JAX releases the interpreter while it computes, so the cores are busy and the kernel is
compiled once. Draws come in chunks, between which progress is reported. The data are arguments of the kernel, so a
refit on data of the same shape compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc import hmc
from threadpoolctl import threadpool_limits

from bayescale.inference.start import Start
from bayescale.inference.whitening import Whitening, colour, log_white_density, whiten, whitening_at
from bayescale.models.density import Data, Layout

CHUNK = 50
"""Iterations between two reports of progress."""

LEARNING = 0.4
"""Share of the warm-up that learns the coordinates; half of that finds the posterior, half is averaged over."""

DENSE = 60
"""Coordinates up to which the mass matrix is dense."""

POINTS = 200
"""Draws that the coordinates are learned from."""

Progress = Callable[[int, int, int, int], None]
"""``(chain, done, total, divergences)``, called from the chains' threads."""


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Attributes
    ----------
    chains, warmup, draws : int
        `warmup` and `draws` are per chain, and rounded up to a multiple of 50; a warm-up takes at least 150.
    target_accept : float
        Mean acceptance that the step size is tuned to; nearer one, smaller steps.
    max_tree_depth : int
        A trajectory has at most ``2**max_tree_depth - 1`` leapfrog steps.
    again : bool
        Whether a fit that misses its health gate by little is sampled once more, more carefully.
    """

    chains: int = 4
    warmup: int = 1000
    draws: int = 1000
    target_accept: float = 0.95
    max_tree_depth: int = 10
    again: bool = True

    def __post_init__(self) -> None:
        for name in ("chains", "warmup", "draws", "max_tree_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1: got {getattr(self, name)}")
        if not 0.5 <= self.target_accept < 1:
            raise ValueError(f"target_accept lies between 0.5 and 1: got {self.target_accept}")


@dataclass(frozen=True, eq=False)
class Draws:
    """Raw draws.

    Attributes
    ----------
    z : ndarray, shape (chains, draws, size)
    stats : dict of ndarray, shape (chains, draws)
        Under ArviZ's names.
    """

    z: np.ndarray
    stats: dict[str, np.ndarray]


def _potential(layout: Layout, data: Data, whitening: Whitening) -> Callable[[Any], Any]:
    return lambda x: -log_white_density(x, layout, data, whitening)


@partial(jax.jit, static_argnums=1)
def _colour(x: Any, layout: Layout, data: Data, whitening: Whitening) -> Any:
    return jax.vmap(lambda one: colour(one, layout, data, whitening)[0])(x)


@cache
def _kernel(layout: Layout, warmup: int, target_accept: float, max_tree_depth: int) -> tuple[Any, Any]:
    """Two compiled functions, of one chain: begin, and advance by a chunk."""
    init, step = hmc(
        potential_fn_gen=lambda data, whitening: _potential(layout, data, whitening), algo="NUTS"
    )

    # What curved ridges leave of correlation a dense matrix takes up, where a warm-up's first windows can tell one.
    dense = layout.size <= DENSE

    @jax.jit
    def begin(x: Any, key: Any, *arguments: Any) -> Any:
        return init(
            x,
            warmup,
            step_size=0.5,
            inverse_mass_matrix=jnp.eye(layout.size) if dense else jnp.ones(layout.size),
            dense_mass=dense,
            target_accept_prob=target_accept,
            max_tree_depth=max_tree_depth,
            rng_key=key,
            model_args=arguments,
        )

    @jax.jit
    def advance(state: Any, *arguments: Any) -> Any:
        def one(state: Any, _: None) -> Any:
            state = step(state, model_args=arguments)
            kept = {
                "x": state.z,
                "diverging": state.diverging,
                "energy": state.energy,
                "n_steps": state.num_steps,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
                "lp": -state.potential_energy,
            }
            return state, kept

        return jax.lax.scan(one, state, None, length=CHUNK)

    return begin, advance


def sample(
    layout: Layout,
    data: Data,
    start: Start,
    seed: int,
    settings: Settings,
    progress: Progress | None = None,
) -> Draws:
    """Run the chains from dispersed starts.

    Every chain begins at a random place of typical distance from a mode, with spreads drawn from their prior; where
    the start has several modes the chains are dealt out among them, so that modes which chains do not leave are seen
    by R-hat.
    """
    # Threads within one product of small matrices cost more than they save, and the chains have the cores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(settings.chains) as pool:
        return _sample(layout, data, start, seed, settings, progress, pool)


def _sample(
    layout: Layout,
    data: Data,
    start: Start,
    seed: int,
    settings: Settings,
    progress: Progress | None,
    pool: ThreadPoolExecutor,
) -> Draws:
    learning, tuning, draws = _schedule(settings)
    total = learning + tuning + draws
    keys = [jax.random.fold_in(jax.random.PRNGKey(seed), index) for index in range(settings.chains)]

    def run(
        starts: list[Any], arguments: tuple[Data, Whitening], warmup: int, kept_draws: int, stage: int
    ) -> list[dict[str, np.ndarray]]:
        """Warm chains up in the given coordinates and draw: stage 0 learns the coordinates, stage 1 is kept."""
        begin, advance = _kernel(layout, warmup, settings.target_accept, settings.max_tree_depth)
        before = stage * learning

        def chain(index: int) -> dict[str, np.ndarray]:
            state = begin(starts[index], jax.random.fold_in(keys[index], 1 + stage), *arguments)
            kept: list[dict[str, np.ndarray]] = []
            divergences = 0
            for done in range(0, warmup + kept_draws, CHUNK):
                state, chunk = advance(state, *arguments)
                if done >= warmup:
                    chunk = {name: np.asarray(value) for name, value in chunk.items()}
                    divergences += int(chunk["diverging"].sum())
                    kept.append(chunk)
                if progress is not None:
                    jax.block_until_ready(state.i)
                    progress(index, before + done + CHUNK, total, divergences)
            return {name: np.concatenate([chunk[name] for chunk in kept]) for name in kept[0]}

        return list(pool.map(chain, range(settings.chains)))

    arguments = (data, whitening_at(start.modes[:1], layout, data))
    modes = [whiten(jnp.asarray(mode), layout, *arguments) for mode in start.modes]
    starts = [
        modes[index % len(modes)] + jax.random.normal(jax.random.fold_in(key, 0), (layout.size,))
        for index, key in enumerate(keys)
    ]
    first = run(starts, arguments, learning // 2, learning - learning // 2, 0)
    # Better coordinates, from where the chains have been; they go on from where they are.
    x = np.stack([chain["x"] for chain in first])
    z = np.asarray(_colour(x.reshape(-1, layout.size), layout, *arguments))
    step = max(1, len(z) // POINTS)
    arguments = (data, whitening_at(z[::step], layout, data))
    last = z.reshape(x.shape)[:, -1]
    chains = run([whiten(one, layout, *arguments) for one in last], arguments, tuning, draws, 1)
    together = {name: np.stack([c[name] for c in chains]) for name in chains[0]}
    x = together.pop("x")
    z = np.asarray(_colour(x.reshape(-1, layout.size), layout, *arguments)).reshape(x.shape)
    together["tree_depth"] = np.floor(np.log2(together["n_steps"])).astype(int) + 1
    return Draws(z, together)


def _schedule(settings: Settings) -> tuple[int, int, int]:
    """Iterations that learn the coordinates, that tune the steps in them, and that are kept; whole chunks each."""
    warmup, draws = (CHUNK * -(-n // CHUNK) for n in (settings.warmup, settings.draws))
    learning = 2 * CHUNK * max(1, round(LEARNING * warmup / (2 * CHUNK)))
    return learning, max(CHUNK, warmup - learning), draws
