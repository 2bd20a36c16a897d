"""One-pass SGD itself, and other optimisers, simulated for many seeds at once.

Nothing of size v is drawn: given W, the features W^T x and the target <x, b> of a normal x are jointly normal. In the
eigenbasis of W^T D W a feature is sqrt(l_i) g_i and the target sum_i c_i g_i + sqrt(F_0) g_0, with independent standard
normal g and c_i^2 = rho_i, which is the same in law. Optimisers that look at each coordinate see theta's own ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bayescale.backend  # noqa: F401, double precision
from bayescale.theory.errors import TheoryError
from bayescale.theory.features import Features


@dataclass(frozen=True)
class Optimiser:
    """A rule that turns gradients into steps.

    Attributes
    ----------
    name : {"sgd", "momentum", "adam", "sign"}
        ``momentum`` is the heavy ball, theta -= gamma m with m = momentum m + gradient; ``adam`` has its bias
        corrections; ``sign`` moves every coordinate by the step size.
    momentum, second : float
        Decay of the means of the gradient and of its square; `momentum` is that of ``momentum`` and ``adam``.
    epsilon : float
        Of Adam.
    decay : float
        The t-th step is the step size times (1 + t)^-decay: sign descent and Adam with a constant step stop at a
        noise floor of their own.
    """

    name: str = "sgd"
    momentum: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-12
    decay: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _RULES:
            raise TheoryError(f"no optimiser {self.name!r}: there are {', '.join(_RULES)}")


class _State(NamedTuple):
    theta: Any
    first: Any
    second: Any
    step: Any


def simulate(
    features: Features,
    iterations: Sequence[int] | np.ndarray,
    seeds: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    step: float | None = None,
) -> np.ndarray:
    """Run one-pass SGD from theta = 0 and measure its exact risk on the way.

    Parameters
    ----------
    features : Features
        With its problem's step size and batch.
    iterations : sequence of int
        After how many steps to measure, ascending, from 0 on.
    seeds : int
        Independent runs at once.
    optimiser : Optimiser, optional
        SGD where absent.
    seed : int
        Of all of them.
    step : float, optional
        Step size instead of the problem's: another optimiser has another scale.

    Returns
    -------
    ndarray, shape (seeds, iterations)
        P(theta_r) of each run (its own theta's, over all data: no test sample is drawn).
    """
    rule = optimiser or Optimiser()
    marks = np.asarray(iterations, int)
    if len(marks) == 0 or marks[0] < 0 or (np.diff(marks) <= 0).any():
        raise TheoryError("iterations are ascending whole numbers from 0 on")
    problem = features.problem
    coordinates = rule.name in ("adam", "sign")
    basis = jnp.asarray(features.basis) if coordinates else jnp.zeros((0, 0))
    data = (
        jnp.sqrt(jnp.asarray(features.eigenvalues)),
        jnp.asarray(features.signs * np.sqrt(features.energies)),
        jnp.sqrt(features.floor),
        basis,
    )
    zero = jnp.zeros((seeds, len(features.eigenvalues)))
    state = _State(zero, zero, zero, jnp.asarray(0))
    size = jnp.asarray(problem.gamma if step is None else step)
    key = jax.random.key(seed)
    out = []
    for mark in marks:
        state = _advance(rule, int(problem.batch), data, size, key, state, jnp.asarray(mark))
        out.append(np.asarray(_risk(data, state.theta, coordinates)))
    return np.stack(out, axis=1)


def _risk(data: Any, theta: Any, coordinates: bool) -> Any:
    root, along, rest, basis = data
    own = theta @ basis if coordinates else theta
    return ((root * own - along) ** 2).sum(axis=-1) + rest**2


@partial(jax.jit, static_argnums=(0, 1))
def _advance(rule: Optimiser, batch: int, data: Any, size: Any, key: Any, state: _State, mark: Any) -> _State:
    root, along, rest, basis = data
    coordinates = rule.name in ("adam", "sign")

    def body(state: _State) -> _State:
        drawn = jax.random.normal(
            jax.random.fold_in(key, state.step), (*state.theta.shape[:1], batch, len(root) + 1)
        )
        g, other = drawn[..., :-1], drawn[..., -1]
        own = state.theta @ basis if coordinates else state.theta
        residual = jnp.einsum("sbd,sd->sb", g, root * own - along) - rest * other
        gradient = root * jnp.einsum("sb,sbd->sd", residual, g)
        gradient = gradient @ basis.T if coordinates else gradient
        now = size * (1.0 + state.step) ** -rule.decay
        return _RULES[rule.name](rule, state, gradient, now)

    return jax.lax.while_loop(lambda s: s.step < mark, body, state)


def _sgd(rule: Optimiser, state: _State, gradient: Any, size: Any) -> _State:
    return state._replace(theta=state.theta - size * gradient, step=state.step + 1)


def _momentum(rule: Optimiser, state: _State, gradient: Any, size: Any) -> _State:
    first = rule.momentum * state.first + gradient
    return state._replace(theta=state.theta - size * first, first=first, step=state.step + 1)


def _adam(rule: Optimiser, state: _State, gradient: Any, size: Any) -> _State:
    first = rule.momentum * state.first + (1 - rule.momentum) * gradient
    second = rule.second * state.second + (1 - rule.second) * gradient**2
    t = state.step + 1.0
    move = first / (1 - rule.momentum**t) / (jnp.sqrt(second / (1 - rule.second**t)) + rule.epsilon)
    return _State(state.theta - size * move, first, second, state.step + 1)


def _sign(rule: Optimiser, state: _State, gradient: Any, size: Any) -> _State:
    return state._replace(theta=state.theta - size * jnp.sign(gradient), step=state.step + 1)


_RULES: dict[str, Callable[[Optimiser, _State, Any, Any], _State]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "sign": _sign,
}
