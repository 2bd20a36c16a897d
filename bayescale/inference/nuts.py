"""NUTS, by NumPyro, one compiled step for every chain, warm-up and refit.

Chains run in a thread pool: JAX releases the interpreter while it computes, so the cores are busy and the kernel is
compiled once. Draws come in chunks, between which progress is reported. The data are arguments of the kernel, so a
refit on data of the same shape compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from threading import Event
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc import hmc
from threadpoolctl import threadpool_limits

from bayescale.inference.settle import settled
from bayescale.inference.start import Start
from bayescale.inference.whitening import (
    Whitening,
    colour,
    log_white_density,
    mixed,
    whiten_one,
    whitening_at,
)
from bayescale.models.arrays import Data
from bayescale.models.layout import Layout

CHUNK = 50
"""Iterations between two reports of progress."""

TUNING = 0.3
"""Share of the warm-up that tunes the steps, once to learn the coordinates and once in them: equal, so that one
compilation serves both."""

TARGET = 0.95
"""Mean acceptance that steps are tuned to where nobody says otherwise."""

LONG = 0.8
"""Mean acceptance that longer steps are tried at first: in white coordinates they halve the trees. Where one of them
diverges its draws are dropped, and the tuned steps take over."""

POOR = 0.6
"""Mean acceptance of a chunk of longer steps that they are given up at."""

STRETCH = 2.5
"""Of the tuned steps, at most."""

TURN, NUDGE = 3.4, 1.2
"""Length at which a trajectory in white coordinates has turned (half a period, and a little), and by how much more
steps are stretched for a whole tree to be that long."""

SHIFT = 1e-3
"""Of white coordinates, for differences of slopes."""

THINNED = 1000
"""Draws that a second attempt takes its coordinates from."""

Progress = Callable[[int, int, int, int], None]
"""``(chain, done, total, divergences)``, called from the chains' threads."""


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Attributes
    ----------
    chains, warmup, draws : int
        `warmup` and `draws` are per chain, and rounded up to a multiple of 50; a warm-up takes at least 200.
    target_accept : float
        Mean acceptance that the step size is tuned to; nearer one, smaller steps. Up to the default, longer steps are
        tried first, of a mean acceptance of 0.8, and given up where one diverges.
    max_tree_depth : int
        A trajectory has at most ``2**max_tree_depth - 1`` leapfrog steps.
    again : bool
        Whether a fit that misses its health gate by little is sampled once more, more carefully.
    folds : bool
        Whether the fit is repeated without the dearest and the largest of its runs, to learn how far forecasts drift
        (`bayescale.inference.drift`); without, the drift is as the model's prior has it.
    """

    chains: int = 4
    warmup: int = 500
    draws: int = 1000
    target_accept: float = TARGET
    max_tree_depth: int = 10
    again: bool = True
    folds: bool = True

    def __post_init__(self) -> None:
        for name in ("chains", "warmup", "draws", "max_tree_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1: got {getattr(self, name)}")
        if not 0.5 <= self.target_accept < 1:
            raise ValueError(f"target_accept lies between 0.5 and 1: got {self.target_accept}")

    def careful(self, sure: float, finer: bool = True, longer: bool = True) -> Settings:
        """A second attempt, with trees one level deeper.

        Parameters
        ----------
        sure : float
            Acceptance that steps are made smaller up to.
        finer : bool
            Whether steps are made smaller, for a fifth of the rejections.
        longer : bool
            Whether twice the draws are taken.
        """
        target = max(self.target_accept, min(1 - (1 - self.target_accept) / 5, sure))
        return replace(
            self,
            target_accept=target if finer else self.target_accept,
            draws=(1 + longer) * self.draws,
            max_tree_depth=self.max_tree_depth + 1,
            again=False,
        )


@dataclass(frozen=True, eq=False)
class Draws:
    """Raw draws.

    Attributes
    ----------
    z : ndarray, shape (chains, draws, size)
    stats : dict of ndarray, shape (chains, draws)
        Under ArviZ's names.
    layout : Layout
        Of the vectors; its law says which ridges were straightened.
    """

    z: np.ndarray
    stats: dict[str, np.ndarray]
    layout: Layout


def _potential(layout: Layout, data: Data, whitening: Whitening) -> Callable[[Any], Any]:
    return lambda x: -log_white_density(x, layout, data, whitening)


@partial(jax.jit, static_argnums=1)
def _colour(x: Any, layout: Layout, data: Data, whitening: Whitening) -> Any:
    # One after the other: a batch of thousands of small factorisations is no faster, and takes memory.
    return jax.lax.map(lambda one: colour(one, layout, data, whitening)[0], x)


@cache
def _kernel(layout: Layout, warmup: int, target_accept: float, max_tree_depth: int) -> tuple[Any, Any]:
    """Two compiled functions, of one chain: begin, and advance by a chunk."""
    init, step = hmc(
        potential_fn_gen=lambda data, whitening: _potential(layout, data, whitening), algo="NUTS"
    )

    @jax.jit
    def begin(x: Any, key: Any, *arguments: Any) -> Any:
        return init(
            x,
            warmup,
            step_size=0.5,
            # Correlations are in the coordinates already (`whitening.mixed`).
            inverse_mass_matrix=jnp.ones(layout.size),
            dense_mass=False,
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

    Every chain begins at a random place of typical distance from a mode; where the start has several modes the chains
    are dealt out among them, so that modes which chains do not leave are seen by R-hat.
    """
    tuning, learning, draws = _schedule(settings)
    total = 2 * tuning + learning + draws
    whitening = _curved(start.modes[0], layout, data, tuning, settings)
    keys = _keys(seed, settings)
    modes = [whiten_one(mode, layout, data, whitening) for mode in start.modes]
    starts = _about(modes, keys)

    def after(before: int) -> Progress | None:
        return progress and (lambda i, done, _, divergences: progress(i, before + done, total, divergences))

    first = _stage(
        layout,
        data,
        whitening,
        starts,
        [jax.random.fold_in(k, 1) for k in keys],
        tuning,
        learning,
        settings,
        after(0),
    )
    # Better coordinates, from where the chains have been; they go on from where they are.
    known = first.z.reshape(-1, layout.size)
    whitening = mixed(whitening_at(np.median(known, axis=0), layout, data), known, layout, data)
    starts = [whiten_one(one, layout, data, whitening) for one in first.z[:, -1]]
    return _stage(
        layout,
        data,
        whitening,
        starts,
        [jax.random.fold_in(k, 2) for k in keys],
        tuning,
        draws,
        settings,
        after(tuning + learning),
    )


def resample(
    data: Data, known: Draws, seed: int, settings: Settings, progress: Progress | None = None
) -> Draws:
    """Run the chains again, from draws of the posterior of the same data: nothing is searched for or compiled."""
    layout = known.layout
    tuning, _, draws = _schedule(settings)
    z = known.z.reshape(-1, layout.size)
    thinned = z[:: max(1, len(z) // THINNED)]
    whitening = mixed(whitening_at(np.median(z, axis=0), layout, data), thinned, layout, data)
    picked = np.random.default_rng(seed).choice(len(z), size=settings.chains, replace=False)
    starts = [whiten_one(z[i], layout, data, whitening) for i in picked]
    return _stage(layout, data, whitening, starts, _keys(seed, settings), tuning, draws, settings, progress)


def refit(data: Data, known: Draws, seed: int, settings: Settings, progress: Progress | None = None) -> Draws:
    """Run the chains on other data of the same shape: nothing is compiled.

    Parameters
    ----------
    known : Draws
        Of a posterior that is not far off. Spreads and noise settle from its middle to where the new data want them,
        coordinates are taken there, and chains start about it.
    """
    layout = known.layout
    tuning, _, draws = _schedule(settings)
    centre = settled(np.median(known.z.reshape(-1, layout.size), axis=0), layout, data)
    whitening = _curved(centre, layout, data, tuning, settings)
    keys = _keys(seed, settings)
    starts = _about([whiten_one(centre, layout, data, whitening)], keys)
    return _stage(layout, data, whitening, starts, keys, tuning, draws, settings, progress)


def _curved(centre: np.ndarray, layout: Layout, data: Data, tuning: int, settings: Settings) -> Whitening:
    """Coordinates about a place, white in spreads and noise too by the density's own curvature there.

    Of spreads that many groups tell the posterior is a tenth as wide as the prior: steps would have to be.
    """
    begin, _ = _kernel(layout, tuning, settings.target_accept, settings.max_tree_depth)
    whitening, key = whitening_at(centre, layout, data), jax.random.PRNGKey(0)
    x = np.asarray(whiten_one(centre, layout, data, whitening))
    others = range(layout.linear, layout.size)

    def slope(at: int, shift: float) -> np.ndarray:
        # What a chain begins with has the slope: a program of its own would take seconds to compile.
        moved = x + shift * (np.arange(layout.size) == at)
        return np.asarray(begin(moved, key, data, whitening).z_grad)[layout.linear :]

    curvature = np.array([(slope(i, SHIFT) - slope(i, -SHIFT)) / (2 * SHIFT) for i in others])
    if not np.isfinite(curvature).all():
        return whitening
    bends, axes = np.linalg.eigh((curvature + curvature.T) / 2)
    mix = np.eye(layout.size)
    # Nowhere wider than the prior, which is what flat or rising directions are left with.
    mix[np.ix_(others, others)] = np.linalg.cholesky((axes / np.maximum(bends, 1.0)) @ axes.T)
    return whitening | {"mix": jnp.asarray(mix)}


def _about(modes: list[Any], keys: list[Any]) -> list[Any]:
    """A place of typical distance from a mode for every chain, the modes in turn."""
    return [
        modes[index % len(modes)] + jax.random.normal(jax.random.fold_in(key, 0), modes[0].shape)
        for index, key in enumerate(keys)
    ]


def _keys(seed: int, settings: Settings) -> list[Any]:
    return [jax.random.fold_in(jax.random.PRNGKey(seed), index) for index in range(settings.chains)]


def _stage(
    layout: Layout,
    data: Data,
    whitening: Whitening,
    starts: list[Any],
    keys: list[Any],
    tuning: int,
    draws: int,
    settings: Settings,
    progress: Progress | None,
) -> Draws:
    """Tune every chain's steps in the given coordinates, then draw, at first by longer ones where they may be."""
    begin, advance = _kernel(layout, tuning, settings.target_accept, settings.max_tree_depth)

    def tell(index: int, done: int, divergences: int) -> None:
        if progress is not None:
            progress(index, done + CHUNK, tuning + draws, divergences)

    def look(state: Any) -> tuple[Any, float]:
        state, chunk = advance(state, data, whitening)
        return state, float(chunk["acceptance_rate"].mean())

    def tune(index: int) -> tuple[Any, float]:
        state = begin(starts[index], keys[index], data, whitening)
        for done in range(0, tuning, CHUNK):
            state, accepted = look(state)
            tell(index, done, 0)
        return state, accepted

    def draw(state: Any, index: int, trouble: Event | None) -> dict[str, np.ndarray] | None:
        kept: list[dict[str, np.ndarray]] = []
        divergences = 0
        for done in range(tuning, tuning + draws, CHUNK):
            state, chunk = advance(state, data, whitening)
            kept.append({name: np.asarray(value) for name, value in chunk.items()})
            divergences += int(kept[-1]["diverging"].sum())
            if trouble is not None:
                if divergences or kept[-1]["acceptance_rate"].mean() < POOR:
                    trouble.set()
                if trouble.is_set():
                    return None
            tell(index, done, divergences)
        return {name: np.concatenate([chunk[name] for chunk in kept]) for name in kept[0]}

    def together(states: list[Any], trouble: Event | None) -> list[dict[str, np.ndarray]]:
        """Of every chain what is kept; of none where there was trouble."""
        found = pool.map(partial(draw, trouble=trouble), states, range(settings.chains))
        return [one for one in list(found) if one is not None and not (trouble and trouble.is_set())]

    # Threads within one product of small matrices cost more than they save, and the chains have the cores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(settings.chains) as pool:
        tuned, accepted = zip(*pool.map(tune, range(settings.chains)), strict=True)
        states = _alike(list(tuned))
        chains: list[dict[str, np.ndarray]] = []
        step = float(states[0].adapt_state.step_size)
        by = _stretch(step, float(np.mean(accepted)), settings)
        if by > 1:
            # What is accepted while steps are tuned is not what the tuned ones are accepted at: a look tells.
            looked, accepted = zip(*pool.map(look, _stretched(states, by)), strict=True)
            again = _stretch(by * step, float(np.mean(accepted)), settings)
            chains = together(_stretched(looked, again), Event())
        chains = chains or together(_stretched(states, _whole(step, settings) / step), None)
    stats = {name: np.stack([c[name] for c in chains]) for name in chains[0]}
    x = stats.pop("x")
    # A chunk at a time, so that one program serves any number of draws.
    z = np.stack([_colour(c, layout, data, whitening) for c in x.reshape(-1, CHUNK, layout.size)]).reshape(
        x.shape
    )
    stats["tree_depth"] = np.floor(np.log2(stats["n_steps"])).astype(int) + 1
    return Draws(z, stats, layout)


def _stretch(step: float, accepted: float, settings: Settings) -> float:
    """How much longer steps of the mean acceptance `LONG` are, by what a step was accepted at.

    Of a Gaussian's trajectories the share that is rejected goes with the square of the step.
    """
    if settings.target_accept > TARGET or not 0 < accepted < 1:
        return 1.0
    return _whole(step * min(STRETCH, float(np.sqrt((1 - LONG) / (1 - accepted)))), settings) / step


def _whole(step: float, settings: Settings) -> float:
    """A little longer a step, where one of half the trees is near, unless smaller ones are asked for."""
    if settings.target_accept > TARGET:
        return step
    # A tree has one step less than a power of two.
    whole = TURN / (2.0 ** np.arange(2, 9) - 1)
    near = whole[(whole >= step) & (whole <= NUDGE * step)]
    return float(near.min()) if len(near) else step


def _stretched(states: Sequence[Any], by: float) -> list[Any]:
    steps = [by * state.adapt_state.step_size for state in states]
    return [
        state._replace(adapt_state=state.adapt_state._replace(step_size=step))
        for state, step in zip(states, steps, strict=True)
    ]


def _alike(states: list[Any]) -> list[Any]:
    """The same steps for every chain, from what all of them found: one that was tuned too coarse gets stuck."""
    tuned = [state.adapt_state for state in states]
    inverse = jnp.exp(jnp.mean(jnp.log(jnp.stack([one.inverse_mass_matrix for one in tuned])), axis=0))
    step = jnp.exp(jnp.mean(jnp.log(jnp.stack([one.step_size for one in tuned]))))
    return [
        state._replace(
            adapt_state=one._replace(
                step_size=step,
                inverse_mass_matrix=inverse,
                mass_matrix_sqrt=1 / jnp.sqrt(inverse),
                mass_matrix_sqrt_inv=jnp.sqrt(inverse),
            )
        )
        for state, one in zip(states, tuned, strict=True)
    ]


def _schedule(settings: Settings) -> tuple[int, int, int]:
    """Iterations that tune the steps (twice), that learn the coordinates, and that are kept; whole chunks each."""
    warmup, draws = (CHUNK * -(-n // CHUNK) for n in (settings.warmup, settings.draws))
    tuning = CHUNK * max(1, round(TUNING * warmup / CHUNK))
    return tuning, max(2 * CHUNK, warmup - 2 * tuning), draws
