"""PyMC with one variable a factor, and its default NUTS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from benchmarks.sampling.rivals import NOTHING, Sampled
from benchmarks.sampling.target import Target

LN10 = float(np.log(10))


def model_of(t: Target) -> pm.Model:
    with pm.Model() as model:
        means = pm.Normal("means", 0.0, 1.0, shape=len(t.names))
        columns = [pt.ones(t.cells) * (t.mean[p] + t.sd[p] * means[p]) for p in range(len(t.names))]
        for i, f in enumerate(t.factors):
            count = len(f.parameters)
            spread = pm.Normal(f"spread{i}", 0.0, 1.0, shape=count)
            tau = pt.exp(f.spread[:, 0] + f.spread[:, 1] * spread)
            if f.centred:
                u = pm.Normal(f"effects{i}", 0.0, tau, shape=(f.free, count))
            else:
                u = tau * pm.Normal(f"effects{i}", 0.0, 1.0, shape=(f.free, count))
            added = pt.dot(f.basis, u)
            for j, p in enumerate(f.parameters):
                columns[p] = columns[p] + added[:, j]
        white = pm.Normal("noise", 0.0, 1.0, shape=len(t.noise))
        noise = {n: pt.exp(t.noise[i, 0] + t.noise[i, 1] * white[i]) for i, n in enumerate(t.noise_names)}
        mean, sigma = _log_expected([c[t.cell] for c in columns], t), noise["sigma"]
        if "sigma_decade" in noise:
            sigma = sigma * noise["sigma_decade"] ** t.decades
        scale = pt.sqrt(sigma**2 + t.relative_se**2)
        if t.several:
            each = _log_student_t_of_runs(t.log_loss - mean, scale, noise["nu"], noise["sigma_run"], t)
            pm.Potential("runs", pt.sum(each))
        else:
            pm.StudentT("log_loss", nu=noise["nu"], mu=mean, sigma=scale, observed=t.log_loss)
    return model


def _log_expected(rows: list[Any], t: Target) -> Any:
    if t.law == "chinchilla":
        e, a, alpha, b, beta = rows
        size = pt.exp(a - pt.exp(alpha) * t.inputs["log_n"])
        return pt.log(pt.exp(e) + size + pt.exp(b - pt.exp(beta) * t.inputs["log_d"]))
    a, b, c, log_loss, start, most = rows
    n = t.inputs["log_n"]
    e = _log_saturated(start, most, t.inputs["experts"]) - _log_saturated(start, most, t.experts)
    return log_loss + LN10 * (a * n + b * e + c * n * e)


def _log_saturated(log_start: Any, log_most: Any, experts: Any) -> Any:
    start, most = pt.exp(log_start), pt.exp(log_most)
    return -pt.log(1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most) / LN10


def _log_student_t_of_runs(residual: Any, scale: Any, nu: Any, between: Any, t: Target) -> Any:
    rows, there = t.by_run()
    count = there.sum(axis=1)

    def total(x: Any) -> Any:
        return pt.sum(x[rows] * there, axis=1)

    weight = 1 / scale**2
    inflation = 1 + between**2 * total(weight)
    distance = total(weight * residual**2) - (between * total(weight * residual)) ** 2 / inflation
    return (
        pt.gammaln((nu + count) / 2)
        - pt.gammaln(nu / 2)
        - count / 2 * pt.log(nu * np.pi)
        - total(pt.log(scale))
        - pt.log(inflation) / 2
        - (nu + count) / 2 * pt.log1p(distance / nu)
    )


def log_densities(target: Target, x: np.ndarray) -> np.ndarray:
    model = model_of(target)
    evaluate = model.compile_logp()
    found = []
    for one in x:
        means, effects, spreads, noise = target.split(one)
        values = {"means": means, "noise": noise}
        values |= {f"effects{i}": e for i, e in enumerate(effects)}
        values |= {f"spread{i}": s for i, s in enumerate(spreads)}
        found.append(float(evaluate(values)))
    return np.array(found)


def gathered(posterior: Any, t: Target) -> np.ndarray:
    """Draws of x from a group of named draws."""
    count = range(len(t.factors))
    effects, spreads = (
        [np.asarray(posterior[f"{what}{i}"]) for i in count] for what in ("effects", "spread")
    )
    return t.join(np.asarray(posterior["means"]), effects, spreads, np.asarray(posterior["noise"]))


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    with model_of(target):
        found = pm.sample(
            draws=draws,
            tune=warmup,
            chains=chains,
            cores=2,
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
        )
    stats = found["sample_stats"]
    return gathered(found["posterior"], target), {
        name: np.asarray(stats[name]) for name in ("diverging", "n_steps", "energy")
    }
