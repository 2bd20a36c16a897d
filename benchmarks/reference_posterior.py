"""A reference posterior by another hand: ``python benchmarks/reference_posterior.py [--chains 10] [--draws 1000]``.

The model is written here a second time, in NumPyro's language and from docs/model.md alone: Hoffmann's law, its floor
pooled over tasks, Student-t noise of log loss. NumPyro's NUTS samples it in its own coordinates with a dense mass
matrix; nothing of the package's density, coordinates or sampler is used. It is kept, as summaries with their Monte
Carlo errors and with the runs, in tests/inference/reference_posterior.json where it meets posteriordb's rules: 10,000
thinned draws, R-hat below 1.01, no divergences in all those before thinning, E-BFMI above 0.2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from arviz_stats.base import array_stats
from numpyro.infer import MCMC, NUTS

FILE = Path(__file__).resolve().parents[1] / "tests" / "inference" / "reference_posterior.json"
TASKS, RUNS = ("code", "docs", "web"), 12
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
PRIORS = {
    "E": (0.2, 4.0),
    "A": (0.05, 3.0),
    "alpha": (0.1, 1.0),
    "B": (0.05, 3.0),
    "beta": (0.1, 1.0),
    "spread": (0.05, 1.0),
    "sigma": (0.001, 0.05),
    "nu": (2.5, 40.0),
}
"""Ranges that hold 90 % of a log-normal prior."""


def table() -> dict[str, list]:
    """Three tasks, twelve runs each: four sizes at three amounts of data, one per cent of heavy-tailed noise."""
    rng = np.random.default_rng(20261122)
    floor = {"code": 0.9, "docs": 1.6, "web": 2.0}
    rows = []
    for task in TASKS:
        for params in np.geomspace(1e7, 1e9, 4):
            for tokens in np.geomspace(1e9, 3e10, 3):
                expected = floor[task] + 120 * params**-0.3 + 600 * tokens**-0.33
                rows.append((task, params, tokens, expected * np.exp(0.01 * rng.standard_t(6))))
    columns = list(zip(*rows, strict=True))
    return {
        name: [x if isinstance(x, str) else float(f"{x:.8g}") for x in column]
        for name, column in zip(("task", "params", "tokens", "loss"), columns, strict=True)
    }


def log_normal(low: float, high: float) -> dist.LogNormal:
    """The log-normal distribution that has 5 % on either side of a range."""
    middle, half = (np.log(low) + np.log(high)) / 2, (np.log(high) - np.log(low)) / 2
    return dist.LogNormal(middle, half / 1.6448536269514722)


def model(task: np.ndarray, params: np.ndarray, tokens: np.ndarray, log_loss: np.ndarray) -> None:
    """log loss ~ Student-t(nu, log(E_task + A_0 (N/N_0)^-alpha + B_0 (D/D_0)^-beta), sigma).

    A_0 and B_0 are the sizes of their terms at the geometric means N_0 and D_0; log E_task is a population mean and
    effects that sum to zero.
    """
    value = {
        name: numpyro.sample(name, log_normal(*PRIORS[name])) for name in ("E", "A", "alpha", "B", "beta")
    }
    spread = numpyro.sample("spread", log_normal(*PRIORS["spread"]))
    effect = numpyro.sample("effect", dist.ZeroSumNormal(spread, event_shape=(len(TASKS),)))
    sigma, nu = (numpyro.sample(name, log_normal(*PRIORS[name])) for name in ("sigma", "nu"))
    size, data = params / np.exp(np.log(params).mean()), tokens / np.exp(np.log(tokens).mean())
    expected = (
        value["E"] * jnp.exp(effect[task])
        + value["A"] * size ** -value["alpha"]
        + value["B"] * data ** -value["beta"]
    )
    numpyro.sample("runs", dist.StudentT(nu, jnp.log(expected), sigma), obs=log_loss)


def main() -> int:
    """Sample, check, and keep what passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=10)
    parser.add_argument("--draws", type=int, default=1000, help="kept of each chain")
    parser.add_argument("--thin", type=int, default=5)
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    runs = table()
    data = (
        np.array([TASKS.index(t) for t in runs["task"]]),
        *(np.array(runs[name]) for name in ("params", "tokens")),
        np.log(runs["loss"]),
    )
    began = time.process_time()
    sampler = MCMC(
        NUTS(model, dense_mass=True, target_accept_prob=0.97),
        num_warmup=1000,
        num_samples=chosen.draws * chosen.thin,
        num_chains=chosen.chains,
        chain_method="sequential",
        progress_bar=False,
    )
    sampler.run(jax.random.PRNGKey(1), *data, extra_fields=("diverging", "energy"))
    drawn = {
        name: np.asarray(x)[:, :: chosen.thin] for name, x in sampler.get_samples(group_by_chain=True).items()
    }
    fields = {name: np.asarray(x) for name, x in sampler.get_extra_fields(group_by_chain=True).items()}
    quantities = named(drawn, runs)
    facts = {
        "sampler": f"NumPyro {numpyro.__version__}, NUTS, dense mass matrix, target acceptance 0.97",
        "draws": int(np.prod(drawn["E"].shape)),
        "chains": chosen.chains,
        "thinned by": chosen.thin,
        "divergences": int(fields["diverging"].sum()),
        "worst R-hat": max(float(array_stats.rhat(x)) for x in quantities.values()),
        "least bulk ESS": min(float(array_stats.ess(x, method="bulk")) for x in quantities.values()),
        "least tail ESS": min(
            float(array_stats.ess(x, method="tail", prob=(0.05, 0.95))) for x in quantities.values()
        ),
        "least E-BFMI": float(((np.diff(fields["energy"]) ** 2).mean(1) / fields["energy"].var(1)).min()),
        "CPU seconds": round(time.process_time() - began),
    }
    print(json.dumps(facts, indent=1))
    good = facts["draws"] >= 10_000 and facts["divergences"] == 0 and facts["worst R-hat"] < 1.01
    if not good or facts["least E-BFMI"] < 0.2:
        print("not kept: it does not meet the rules")
        return 1
    kept = {
        "made by": facts,
        "priors": PRIORS,
        "runs": runs,
        "quantities": {n: summary(x) for n, x in quantities.items()},
    }
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}")
    return 0


def named(drawn: dict[str, np.ndarray], runs: dict[str, list]) -> dict[str, np.ndarray]:
    """Draws, shape (chains, draws), under the package's names."""
    mean = {name: np.exp(np.log(np.array(runs[name])).mean()) for name in ("params", "tokens")}
    found = {f"{name}_mean": drawn[name] for name in ("E", "alpha", "beta")}
    found["A_mean"] = drawn["A"] * mean["params"] ** drawn["alpha"]
    found["B_mean"] = drawn["B"] * mean["tokens"] ** drawn["beta"]
    found |= {f"E[{task}]": drawn["E"] * np.exp(drawn["effect"][..., i]) for i, task in enumerate(TASKS)}
    found |= {"A_term": drawn["A"], "B_term": drawn["B"], "E|task_sd": drawn["spread"]}
    return found | {name: drawn[name] for name in ("sigma", "nu")}


def summary(x: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean, standard deviation and quantiles, each with its Monte Carlo standard error."""
    found = {
        "mean": (x.mean(), array_stats.mcse(x, method="mean")),
        "sd": (x.std(ddof=1), array_stats.mcse(x, method="sd")),
    }
    found |= {f"q{p}": (np.quantile(x, p), array_stats.mcse(x, method="quantile", prob=p)) for p in QUANTILES}
    return {name: {"value": float(f"{v:.10g}"), "mcse": float(f"{e:.4g}")} for name, (v, e) in found.items()}


if __name__ == "__main__":
    sys.exit(main())
