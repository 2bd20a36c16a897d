"""Do priors from the corpus improve forecasts from three cheap runs?

    python benchmarks/corpus_prior.py [--choices 60] [--keep FOLDER] [--out docs/corpus-prior.md]

For every bundled table, architecture and task: many random choices of three runs from its two smallest budgets; the
law fitted to them alone; the runs of the dearest budget, which nothing was fitted to, forecast. One set of importance
draws under the law's default priors serves all priors of the data exponent: it is reweighted, and the effective sample
size is reported. A few fits are repeated by NUTS.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import bayescale as bs
import bayescale.corpus
from bayescale.bundled import bundled
from bayescale.corpus import corpus_prior
from bayescale.corpus.evidence import BACKGROUND, updated
from bayescale.inference import Settings
from bayescale.laws import Range
from bayescale.models import Model
from bayescale.models.arrays import data_of
from bayescale.models.density import cell_parameters, expected_loss, log_likelihood, noise_of
from bayescale.models.design import make_design
from bayescale.models.layout import layout_of
from bayescale.runs import read_runs

TABLES = ("small-lm", "small-lm-128")
CORPORA = ("python_code", "python_docs")
EXPONENT = {"chinchilla": "beta", "kaplan": "a_D"}
MEASURED = f'status == "finished" and task in {list(CORPORA)}'
RUNS_VOCAB = 1024
NO_FIGURE = "–"
"""Of a fit that failed its health gate."""

VOCABS = (512, RUNS_VOCAB, 4096)
TERMS = ("E", "A", "B", "N_c", "D_c")
"""Parameters that are sampled as the size of a term: the loss scales with them."""

PROPOSALS = 200_000
PROPOSAL_FREEDOM = 4
KEPT = 4000


@partial(jax.jit, static_argnums=1)
def _log_likelihoods(z: Any, layout: Any, data: Any) -> Any:
    return jax.vmap(lambda v: jnp.sum(log_likelihood(v, layout, data)))(z)


@partial(jax.jit, static_argnums=1)
def _expected(z: Any, layout: Any, data: Any) -> Any:
    return jax.vmap(lambda v: (expected_loss(v, layout, data), noise_of(v, layout, data)["sigma"]))(z)


@partial(jax.jit, static_argnums=1)
def _parameters(z: Any, layout: Any, data: Any) -> Any:
    def one(v: Any) -> Any:
        return {k: x[0] for k, x in cell_parameters(v, layout, data).items()}, noise_of(v, layout, data)

    return jax.vmap(one)(z)


@dataclass(frozen=True)
class Weighted:
    """Draws of a posterior with their log weights."""

    z: np.ndarray
    log_weight: np.ndarray


def importance(layout: Any, data: Any, rng: np.random.Generator) -> Weighted:
    """Draws from the prior, but for the level of the loss, which is drawn where the runs say it is.

    Both laws are homogeneous: where every term is scaled, so is the loss. Along that one direction of z (standard
    normal a priori in every direction, where there is one group) the likelihood is far narrower than the prior, and a
    draw is moved to the mean residual of its own runs; its weight says by how much the two disagree.
    """
    z = rng.normal(size=(PROPOSALS, layout.size))
    terms = np.array([p.name in TERMS for p in layout.law.parameters] + [False] * len(layout.noise))
    rates = np.where(terms, 1 / np.r_[np.asarray(data["sd"]), np.ones(len(layout.noise))], 0.0)
    rate = np.linalg.norm(rates)
    direction = rates / rate
    z -= (z @ direction)[:, None] * direction
    expected, sigma = (np.asarray(x) for x in _expected(z, layout, data))
    residual = np.asarray(data["log_loss"]) - np.log(expected)
    # Where the law overflows there is no residual to move to; such a draw has no weight either.
    place, spread = (
        np.nan_to_num(residual.mean(axis=1), nan=0.0, posinf=0.0, neginf=0.0),
        1.5 * sigma / np.sqrt(residual.shape[1]),
    )
    step = rng.standard_t(PROPOSAL_FREEDOM, size=PROPOSALS)
    shift = (place + spread * step) * rate
    z += shift[:, None] * direction
    proposed = -(PROPOSAL_FREEDOM + 1) / 2 * np.log1p(step**2 / PROPOSAL_FREEDOM) - np.log(spread)
    log_weight = np.asarray(_log_likelihoods(z, layout, data)) - 0.5 * shift**2 - proposed
    return Weighted(z, np.where(np.isfinite(log_weight), log_weight, -np.inf))


def thinned(log_weight: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Indices of equally weighted draws, and the effective sample size that they come from."""
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    places = (np.arange(KEPT) + rng.uniform()) / KEPT
    return np.searchsorted(np.cumsum(weight), places).clip(max=len(weight) - 1), float(1 / (weight**2).sum())


def measured(expected: np.ndarray, noise: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Losses that new runs would measure, shape (draws, runs): Student-t noise on the log."""
    sigma, nu = (np.asarray(noise[name])[:, None] for name in ("sigma", "nu"))
    return expected * np.exp(np.clip(sigma * rng.standard_t(np.broadcast_to(nu, expected.shape)), -50, 50))


def crps(draws: np.ndarray, truth: float) -> float:
    """Continuous ranked probability score of equally weighted draws, in their unit."""
    x, count = np.sort(draws), len(draws)
    return float(np.abs(x - truth).mean() - x @ (2 * np.arange(count) + 1 - count) / count**2)


@dataclass(frozen=True)
class Measured:
    """What a corpus says at a vocabulary: each route's log-normal, and every quantity's 90 % interval and median."""

    corpus: str
    vocab: int
    routes: dict[str, tuple[float, float]]
    intervals: dict[str, list[float]]


@dataclass(frozen=True)
class Three:
    """Three runs of one cell and the dear ones to forecast."""

    table: str
    architecture: str
    task: str
    fitted: pd.DataFrame
    dear: pd.DataFrame


def cells(choices: int, rng: np.random.Generator) -> list[Three]:
    out = []
    for table in TABLES:
        runs = read_runs(bundled("runs") / table / "runs.parquet", where=MEASURED)
        for (architecture, task), cell in runs.groupby(["architecture", "task"]):
            cheap = cell[cell["budget"].isin(sorted(cell["budget"].unique())[:2])]
            dear = cell[cell["split"] == "holdout"]
            points = cheap.groupby(["params", "tokens"]).ngroup().to_numpy()
            for _ in range(choices):
                picked = rng.choice(np.unique(points), 3, replace=False)
                rows = [rng.choice(np.flatnonzero(points == p)) for p in picked]
                out.append(Three(table, str(architecture), str(task), cheap.iloc[rows], dear))
    return out


def losses(z: np.ndarray, layout: Any, data: Any, dear: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Losses that the dear runs would measure, shape (draws, runs)."""
    values, noise = _parameters(z, layout, data)
    points = {name: dear[name].to_numpy(float)[None] for name in layout.law.inputs}
    expected = layout.law.loss({k: np.asarray(x)[:, None] for k, x in values.items()}, points)
    return measured(np.asarray(expected), noise, rng)


def forecast(
    three: Three, law: str, priors: dict[str, Range], rng: np.random.Generator
) -> list[dict[str, Any]]:
    model = Model(name=law, law=law)
    design = make_design(model, three.fitted)
    layout, data = layout_of(design), data_of(design)
    sample = importance(layout, data, rng)
    index = design.law.parameter_names.index(EXPONENT[law])
    default = model.prior(EXPONENT[law]).normal("positive")
    log_exponent = default[0] + default[1] * sample.z[:, index]
    rows = []
    for name, prior in priors.items():
        mean, sd = prior.normal("positive")
        ratio = 0.5 * sample.z[:, index] ** 2 - 0.5 * ((log_exponent - mean) / sd) ** 2
        kept, ess = thinned(sample.log_weight + ratio, rng)
        loss = losses(sample.z[kept], layout, data, three.dear, rng)
        low, mid, high = np.quantile(loss, (0.05, 0.5, 0.95), axis=0)
        for column, truth in enumerate(three.dear["loss"].to_numpy(float)):
            rows.append(
                {
                    "cell": f"{three.table} {three.architecture} {three.task}",
                    "law": law,
                    "prior": name,
                    "crps": 100 * crps(np.log(loss[:, column]), np.log(truth)),
                    "inside": low[column] <= truth <= high[column],
                    "width": high[column] - low[column],
                    "error": mid[column] - truth,
                    "ess": ess,
                }
            )
    return rows


def check_by_nuts(some: list[Three], rng: np.random.Generator) -> pd.DataFrame:
    """Forecast quantiles of the dearest run by both samplers, Hoffmann's law under its default priors."""
    rows = []
    model = Model(name="chinchilla", law="chinchilla")
    for three in some:
        dear = three.dear.iloc[[-1]]
        design = make_design(model, three.fitted)
        layout, data = layout_of(design), data_of(design)
        sample = importance(layout, data, rng)
        kept, ess = thinned(sample.log_weight, rng)
        loss = losses(sample.z[kept], layout, data, dear, rng)[:, 0]
        posterior = bs.fit(
            three.fitted, model, settings=Settings(target_accept=0.99, folds=False), progress=lambda *_: None
        )
        nuts = posterior.predict(dear, quantiles=(0.05, 0.5, 0.95)).iloc[0]
        row: dict[str, Any] = {"cell": f"{three.table} {three.architecture} {three.task}"}
        for level, ours in zip((0.05, 0.5, 0.95), np.quantile(loss, (0.05, 0.5, 0.95)), strict=True):
            row[f"importance {level:g}"] = ours
            row[f"NUTS {level:g}"] = nuts[f"q{level:g}"] if posterior.health().passed else NO_FIGURE
        failed = "; ".join(c.name for c in posterior.health().checks if c.verdict == "FAIL")
        rows.append(
            row | {"ESS": f"{ess:.0f}", "NUTS health": f"{posterior.health().verdict} {failed}".strip()}
        )
    return pd.DataFrame(rows)


def measure(name: str, vocab: int, kept: Path | None) -> Measured:
    """What a corpus says; read from the folder `kept` where an earlier call measured it with the same code."""
    code = hashlib.sha256(
        b"".join(p.read_bytes() for p in sorted(Path(bayescale.corpus.__file__).parent.glob("*.py")))
    )
    file = kept / f"{name}-{vocab}-{code.hexdigest()[:12]}.json" if kept else None
    if file and file.exists():
        return Measured(**json.loads(file.read_text("utf-8")))
    one = corpus_prior(name, vocab)
    print(one, file=sys.stderr, flush=True)
    routes = {route: evidence.log_normal for route, evidence in one.routes.items()}
    quantities = {"gamma": one.gamma, "beta": one.beta} | {r: e.draws for r, e in one.routes.items()}
    found = Measured(
        name, vocab, routes, {k: np.quantile(x, (0.05, 0.5, 0.95)).tolist() for k, x in quantities.items()}
    )
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(dataclasses.asdict(found)), "utf-8")
    return found


def priors_of(law: str, corpus: Measured) -> dict[str, Range]:
    default = Model(name=law, law=law).prior(EXPONENT[law])
    background = (default.low, default.high)
    return {"default": default} | {r: Range(*updated(background, *x)) for r, x in corpus.routes.items()}


def compare(scores: pd.DataFrame) -> pd.DataFrame:
    """Every prior against the default: means over cells, and the standard error of the paired difference over cells."""
    rows = []
    for law, by_law in scores.groupby("law", sort=False):
        means = by_law.groupby(["prior", "cell"])[["crps", "inside", "width", "error", "ess"]].mean()
        base = means.loc["default"]
        for prior in by_law["prior"].unique():
            one = means.loc[prior]
            difference = one["crps"] - base["crps"]
            rows.append(
                {
                    "law": law,
                    "prior of the data exponent": prior,
                    "CRPS of log loss, %": f"{one['crps'].mean():.3f}",
                    "less the default's": ""
                    if prior == "default"
                    else f"{difference.mean():+.3f} ± {difference.std(ddof=1) / np.sqrt(len(difference)):.3f}",
                    "cells improved": ""
                    if prior == "default"
                    else f"{(difference < 0).sum()} of {len(difference)}",
                    "inside 90 % band": f"{one['inside'].mean():.2f}",
                    "width of the band, nats": f"{one['width'].mean():.2f}",
                    "median less measured, nats": f"{one['error'].mean():+.3f}",
                    "ESS, least": f"{by_law[by_law['prior'] == prior]['ess'].min():.0f}",
                }
            )
    return pd.DataFrame(rows)


def measured_exponents() -> pd.DataFrame:
    """Data exponent of Hoffmann's law on all runs of a cell: what a corpus prior should have said."""
    rows = []
    model = Model(name="chinchilla", law="chinchilla")
    for table in TABLES:
        runs = read_runs(bundled("runs") / table / "runs.parquet", where=MEASURED)
        for (architecture, task), cell in runs.groupby(["architecture", "task"]):
            posterior = bs.fit(cell, model, settings=Settings(folds=False), progress=lambda *_: None)
            low, mid, high = np.quantile(posterior.draws("beta"), (0.05, 0.5, 0.95))
            shown = f"{mid:.2f} ({low:.2f} to {high:.2f})" if posterior.health().passed else NO_FIGURE
            rows.append(
                {
                    "corpus": task,
                    "table": table,
                    "architecture": architecture,
                    "beta of all its runs": shown,
                    "NUTS health": posterior.health().verdict,
                }
            )
    return pd.DataFrame(rows).sort_values(["corpus", "table", "architecture"])


def markdown(frame: pd.DataFrame) -> str:
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    rows += [
        [f"{x:.3f}" if isinstance(x, float) else str(x) for x in row] for row in frame.itertuples(index=False)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def exponents(corpora: list[Measured]) -> pd.DataFrame:
    rows = []
    for one in corpora:
        row: dict[str, Any] = {"corpus": one.corpus, "vocabulary": one.vocab}
        for name, (low, mid, high) in one.intervals.items():
            row[name] = f"{mid:.2f} ({low:.2f} to {high:.2f})"
        for route, estimate in one.routes.items():
            row[f"prior, {route}"] = "{:.2f} to {:.2f}".format(*updated(BACKGROUND, *estimate))
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choices", type=int, default=60, help="of three runs, in each cell")
    parser.add_argument("--nuts", type=int, default=4, help="fits repeated by NUTS")
    parser.add_argument("--out", type=Path, help="a Markdown file whose measured part is replaced")
    parser.add_argument("--keep", type=Path, help="a folder for what was measured, to go on from")
    parser.add_argument(
        "--vocabs", type=int, nargs="+", default=VOCABS, help=f"to measure at, {RUNS_VOCAB} among them"
    )
    arguments = parser.parse_args()
    # Three runs under five parameters: NUTS says that its health is for a person to look at, which we report.
    warnings.simplefilter("ignore")
    began = time.process_time()
    # Those that the forecasts need come first.
    order = sorted(
        ((name, vocab) for vocab in arguments.vocabs for name in CORPORA), key=lambda x: x[1] != RUNS_VOCAB
    )
    corpora = {key: measure(*key, arguments.keep) for key in order}
    print(f"{time.process_time() - began:.0f} CPU-s", file=sys.stderr, flush=True)
    rng = np.random.default_rng(0)
    threes = cells(arguments.choices, rng)
    rows = []
    for law in EXPONENT:
        for i, three in enumerate(threes):
            rows += forecast(three, law, priors_of(law, corpora[three.task, RUNS_VOCAB]), rng)
            if i % 60 == 59:
                print(law, i + 1, f"{time.process_time() - began:.0f} CPU-s", file=sys.stderr, flush=True)
    scores = pd.DataFrame(rows)
    least = scores[scores["prior"] == "default"]["ess"]
    picked = [threes[i] for i in rng.choice(len(threes), arguments.nuts, replace=False)]
    text = "\n\n".join(
        [
            "## What the corpora say",
            markdown(exponents([corpora[key] for key in sorted(corpora)])),
            "## What their runs say",
            markdown(measured_exponents()),
            "## Forecasts from three runs",
            f"{len(threes)} choices of three runs in {scores['cell'].nunique()} cells "
            f"({', '.join(TABLES)}; {arguments.choices} choices a cell). Standard errors are over cells.",
            markdown(compare(scores)),
            f"Effective sample size under the default prior: {least.quantile(0.05):.0f} or more in 95 % of fits. "
            "The sampler beside NUTS, quantiles of the forecast of a cell's dearest run:",
            markdown(check_by_nuts(picked, rng)),
        ]
    )
    if arguments.out:
        head, mark, _ = arguments.out.read_text("utf-8").partition("<!-- measured -->")
        arguments.out.write_text(f"{head}{mark}\n{text}\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
