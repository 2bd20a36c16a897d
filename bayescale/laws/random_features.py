"""Power-law random features: the deterministic equivalent of one-pass SGD, and nothing that grows with its sizes.

Data x in R^v have variances t_j = j^-2alpha, the target is <x, b> with b_j = j^-beta, and d random features W^T x
(entries of W of variance 1/d) are fitted by SGD of step gamma on sums over batches of B (Paquette et al. 2024,
arXiv:2405.15074, section 2). Everything here is a function of the resolvent of the v x v matrix D^1/2 W W^T D^1/2,
whose deterministic equivalent has one unknown, m(z) (their eq. 9):

    m(z) = 1 / (1 + 1/d sum_j t_j / (t_j m(z) - z)),   or with w = z / m:   z = w (1 - 1/d sum_j t_j / (t_j - w)).

Three things keep it small. Sums over j are exact for the first few and a quadrature in log j beyond, so that v may be
a million, or infinite where 2 alpha > 1. The learning curve is not run: with q(l) = 1 - 2 gamma B l + gamma^2 B (B+1)
l^2, the Volterra equation P(r) = F(r) + sum_s K(r-1-s) P(s) (their eq. 7) is an algebraic one for the generating
functions, P^(x) = F^(x) / (1 - x K^(x)), and as 1 - x q(l) has two roots in l, both F^ and K^ are differences of the
resolvent at two points. And P(r) is got back from P^ at a dozen points of a contour, for one r at a time.

Written in `jax.numpy`, differentiable and mapped by `jax.vmap` in every argument: alpha, beta, d, gamma, r.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bayescale.lazy_jax import jax, jnp

Array = Any


class Accuracy(NamedTuple):
    """How finely sums and contours are resolved.

    Attributes
    ----------
    exact : int
        Modes that are summed one by one.
    panels, points : int
        Panels in log j beyond them, and Gauss-Legendre points in each.
    contour : int
        Points of the contour, both halves; the error falls as 3.9^-contour (Trefethen, Weideman and Schmelzer 2006,
        BIT 46, section 4).
    newton : int
        Newton steps for each point of the resolvent.
    """

    exact: int = 32
    panels: int = 16
    points: int = 8
    contour: int = 24
    newton: int = 6


FINE = Accuracy()
"""For curves: relative errors of some 1e-8."""

BEYOND = 30.0
"""With v infinite the quadrature ends at so many times d; the rest is a short series."""
SERIES = 8


class Modes(NamedTuple):
    """The spectrum of the data as nodes and weights of a sum over j = 1 .. v.

    Attributes
    ----------
    t, target : ndarray, shape (nodes,)
        Variances j^-2alpha, and the target's energy t_j b_j^2.
    weight : ndarray, shape (nodes,)
    alpha, beta : float
    last : float
        Where the nodes end; the sum goes on to infinity where `infinite`.
    infinite : bool
    """

    t: Array
    target: Array
    weight: Array
    alpha: Array
    beta: Array
    last: Array
    infinite: bool


def modes(alpha: Array, beta: Array, d: Array, v: Array | None = None, accuracy: Accuracy = FINE) -> Modes:
    """The nodes for a problem; `v` of None is infinite, which needs 2 alpha > 1."""
    unit, share = np.polynomial.legendre.leggauss(accuracy.points)
    infinite = v is None
    last = BEYOND * d if v is None else v + 0.5
    low, high = np.log(accuracy.exact + 0.5), jnp.log(last)
    step = (high - low) / accuracy.panels
    log_j = low + step * (np.arange(accuracy.panels)[:, None] + (unit + 1) / 2).ravel()
    beyond = step * np.tile(share / 2, accuracy.panels) * jnp.exp(log_j)
    # Euler and Maclaurin's term at the lower end of the integral, sum - integral = f'/24, as a difference of two modes.
    first = np.ones(accuracy.exact + 1)
    first[-2:] = 23 / 24, 1 / 24
    log_j = jnp.concatenate([np.log(np.arange(1.0, accuracy.exact + 2)), log_j])
    t = jnp.exp(-2 * alpha * log_j)
    return Modes(
        t, t * jnp.exp(-2 * beta * log_j), jnp.concatenate([first, beyond]), alpha, beta, last, infinite
    )


def total(spectrum: Modes, target: bool = False) -> Array:
    """sum_j t_j, the trace, or with `target` sum_j t_j b_j^2, the loss before the first step."""
    found = (spectrum.weight * (spectrum.target if target else spectrum.t)).sum()
    if not spectrum.infinite:
        return found
    return found + _beyond(spectrum, 2 * spectrum.alpha + (2 * spectrum.beta if target else 0.0))


def _sums(spectrum: Modes, w: Array) -> tuple[Array, Array, Array]:
    """sum t / (t - w), its derivative in w, and sum t b^2 / (t - w), at one w off the spectrum."""
    inverse = _inverse(spectrum.t - w)
    part = spectrum.weight * inverse
    bulk, slope = (part * spectrum.t).sum(), (part * inverse * spectrum.t).sum()
    target = (part * spectrum.target).sum()
    if spectrum.infinite:
        k = np.arange(SERIES)
        powers = jnp.cumprod(jnp.full(SERIES, _inverse(w)))
        rest = -powers * _beyond(spectrum, 2 * spectrum.alpha * (k + 1))
        bulk, slope = bulk + rest.sum(), slope - (rest * (k + 1)).sum() * _inverse(w)
        target = target - (powers * _beyond(spectrum, 2 * spectrum.alpha * (k + 1) + 2 * spectrum.beta)).sum()
    return bulk, slope, target


def _inverse(z: Array) -> Array:
    """1 / z of a complex z that is no extreme; division guards against those, and takes far longer to compile."""
    return jnp.conj(z) / (z.real**2 + z.imag**2)


def _beyond(spectrum: Modes, power: Array) -> Array:
    """The integral of j^-power from where the nodes end to infinity."""
    return spectrum.last ** (1 - power) / (power - 1)


class Point(NamedTuple):
    """The resolvent at one z: w = z / m, and the two sums at w."""

    z: Array
    w: Array
    bulk: Array
    target: Array


def floor_point(spectrum: Modes, d: Array, steps: int = 40) -> Array:
    """w at z = 0, which is -1 / kappa with sum_j kappa t_j / (1 + kappa t_j) = d, shape ()."""
    return _real(spectrum, d, 0.0, steps)


def _real(spectrum: Modes, d: Array, z: Array, steps: int) -> Array:
    """w at a real z <= 0."""
    # z(w) is concave and rises: from the left Newton's method never passes the root, and |w| = |z| / m <= |z| + tr / d.
    still, size, at = _frozen(spectrum, d, z)
    start = at - total(still) / size
    found = jax.lax.fori_loop(0, steps, lambda _, w: _newton(still, size, w, at)[0], start)
    return _newton(spectrum, d, found, z)[0]


def _newton(spectrum: Modes, d: Array, w: Array, z: Array) -> tuple[Array, Array]:
    """One step towards z(w) = z, and dz/dw."""
    bulk, slope, _ = _sums(spectrum, w)
    rise = 1 - bulk / d - w * slope / d
    return w - (w * (1 - bulk / d) - z) * _inverse(rise), rise


def _frozen(spectrum: Modes, d: Array, z: Array) -> tuple[Modes, Array, Array]:
    """The same as constants: roots are found with these, and only their last step is differentiated."""
    names = [name for name in Modes._fields if name != "infinite"]
    still = spectrum._replace(**{name: jax.lax.stop_gradient(getattr(spectrum, name)) for name in names})
    return still, jax.lax.stop_gradient(d), jax.lax.stop_gradient(jnp.asarray(z))


def _path(spectrum: Modes, d: Array, z: Array, newton: int) -> Point:
    """The resolvent along a path of complex z, shape (points,), that starts near the negative axis and goes round."""
    still, size, at = _frozen(spectrum, d, z)

    def advance(state: tuple[Array, Array, Array], ahead: Array) -> tuple[tuple[Array, Array, Array], Array]:
        w, here, rise = state
        w = w + (ahead - here) * _inverse(rise)
        w, rise = jax.lax.fori_loop(
            0, newton, lambda _, found: _newton(still, size, found[0], ahead), (w, rise)
        )
        return (w, ahead, rise), w

    start = -jnp.sqrt(at[0].real ** 2 + at[0].imag ** 2)
    w = _real(still, size, start, 3 * newton).astype(z.dtype)
    _, found = jax.lax.scan(advance, (w, start.astype(z.dtype), _newton(still, size, w, start)[1]), at)
    return _points(spectrum, d, z, found)


def _far(spectrum: Modes, d: Array, z: Array) -> Point:
    """The resolvent beyond the spectrum, where m is close to one, shape (points,)."""
    still, size, at = _frozen(spectrum, d, z)

    def step(_: int, w: Array) -> Array:
        return jax.vmap(lambda w, z: _newton(still, size, w, z)[0])(w, at)

    return _points(spectrum, d, z, jax.lax.fori_loop(0, 3, step, at))


def _points(spectrum: Modes, d: Array, z: Array, w: Array) -> Point:
    """The resolvent where w is known to all but its last Newton step."""
    w = jax.vmap(lambda w, z: _newton(spectrum, d, w, z)[0])(w, z)
    bulk, _, target = jax.vmap(lambda w: _sums(spectrum, w))(w)
    return Point(z, w, bulk, target)


def _expm1(p: Array) -> Array:
    """e^p - 1, exact for small p."""
    real, half = jnp.expm1(p.real), jnp.sin(p.imag / 2)
    return (real - 2 * (1 + real) * half**2) + 1j * (1 + real) * jnp.sin(p.imag)


class Generating(NamedTuple):
    """The generating functions F^(x) and K^(x) at some x = e^-p, shape (points,) each."""

    forcing: Array
    kernel: Array


def _generating(spectrum: Modes, d: Array, gamma: Array, batch: Array, p: Array, newton: int) -> Generating:
    """F^ and K^ along a path of p: 1 - x q(l) is quadratic in l, with one root near the spectrum and one beyond it."""
    curvature = gamma**2 * batch * (batch + 1)
    middle = 1 / (gamma * (batch + 1))
    lift = _expm1(p)
    root = middle * jnp.sqrt(1 + (batch + 1) / batch * lift)
    # middle - root, without the cancellation of a small p.
    near = -(middle**2) * (batch + 1) / batch * lift * _inverse(middle + root)
    a, b = _path(spectrum, d, near, newton), _far(spectrum, d, middle + root)
    # Over -x curvature (z_a - z_b); z_b - z_a is twice the root.
    scale = (1 + lift) * _inverse(root) / (2 * curvature)
    forcing = scale * (a.w * a.target * _inverse(a.z) - b.w * b.target * _inverse(b.z))
    kernel = scale * gamma**2 * batch * (a.z * a.bulk - b.z * b.bulk)
    return Generating(forcing, kernel)


class Parts(NamedTuple):
    """The expected risk and what it is made of, at one r.

    Attributes
    ----------
    risk : P(r), of the Volterra equation.
    forcing : F(r), the risk of gradient flow on the population, the limit included.
    kernel : K(r).
    """

    risk: Array
    forcing: Array
    kernel: Array


def parts(
    spectrum: Modes, d: Array, gamma: Array, batch: Array, r: Array, accuracy: Accuracy = FINE
) -> Parts:
    """P(r), F(r) and K(r) by the contour of Trefethen and Weideman, for one r >= `shortest(accuracy)`, shape ().

    On that contour the exponential and the resolvent are both tame for one r; each r has its own.
    """
    half = accuracy.contour // 2
    theta = np.pi * (2 * np.arange(half) + 1) / accuracy.contour
    unit = -0.6122 + 0.5017 * theta / np.tan(0.6407 * theta) + 0.2645j * theta
    slope = 0.5017 / np.tan(0.6407 * theta) - 0.5017 * 0.6407 * theta / np.sin(0.6407 * theta) ** 2 + 0.2645j
    n = accuracy.contour
    weight = jnp.asarray(2 / n * n * np.exp(n * unit) * slope / 1j) / r
    p = jnp.asarray(n * unit) / r
    both = _generating(spectrum, d, gamma, batch, p, accuracy.newton)
    # x^-r-1 dx is e^{pr} dp, x^-r-1 at K(r).
    risk = both.forcing * _inverse(1 - (1 + _expm1(-p)) * both.kernel)
    # A constant has no part in any r > 0: without it there is less to cancel where the risk falls fast.
    return Parts(*((weight * (y - y[0].real)).sum().real for y in (risk, *both)))


def by_mode(
    spectrum: Modes, d: Array, gamma: Array, batch: Array, r: Array, accuracy: Accuracy = FINE
) -> Array:
    """What each mode would have left after r steps of a unit of the target's energy, t b^2 = 1, shape (nodes,).

    The risk is linear in the target's energies, P(r) = sum_j left_j t_j b_j^2, and what is left depends on the data
    alone: one contour serves every target.
    """
    return jax.grad(
        lambda energy: parts(spectrum._replace(target=energy), d, gamma, batch, r, accuracy).risk
    )(spectrum.target)


CIRCLE, SHRINK = 64, 0.4
"""Points of the circle for small r, and minus the log of its radius: aliasing leaves e^-25."""
EARLY = 16
"""Below this r the circle is used, from it on the contour."""


def early(spectrum: Modes, d: Array, gamma: Array, batch: Array, accuracy: Accuracy = FINE) -> Parts:
    """P(r), F(r) and K(r) for r = 0 .. EARLY - 1 by the trapezoid rule on a circle inside the unit one."""
    turns = 2 * np.pi * np.arange(CIRCLE // 2 + 1) / CIRCLE
    p = jnp.asarray(SHRINK + 1j * turns)
    both = _generating(spectrum, d, gamma, batch, p, accuracy.newton)
    risk = both.forcing * _inverse(1 - (1 + _expm1(-p)) * both.kernel)
    r = np.arange(EARLY)
    return Parts(*(jnp.fft.irfft(y, CIRCLE)[:EARLY] * np.exp(SHRINK * r) for y in (risk, *both)))


class Limits(NamedTuple):
    """What is left after infinitely many steps, and what decides whether there is a limit.

    Attributes
    ----------
    kappa : of sum_j kappa t_j / (1 + kappa t_j) = d.
    floor : F_0, the risk of the best features' weights, sum_j t_j b_j^2 / (1 + kappa t_j).
    norm : the kernel's norm, sum_r K(r); SGD converges where it is below one.
    """

    kappa: Array
    floor: Array
    norm: Array


def limits(spectrum: Modes, d: Array, gamma: Array, batch: Array) -> Limits:
    """kappa, F_0 by its own equation, and the norm of the kernel; shape () each."""
    w = floor_point(spectrum, d)
    beyond = _far(spectrum, d, jnp.reshape(2 / (gamma * (batch + 1)), (1,)))
    return Limits(-1 / w, -w * _sums(spectrum, w)[2], -beyond.bulk[0] / (batch + 1))


def shortest(accuracy: Accuracy = FINE) -> float:
    """The least r at which the contour of `parts` stays within one period of e^p."""
    return 0.83 * accuracy.contour / np.pi * 1.25
