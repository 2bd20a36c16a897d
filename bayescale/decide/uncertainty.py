"""One plan for all draws: what minimises the expected loss, what the usual practice would do, and what each forgoes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from bayescale.decide.datastore import INPUT
from bayescale.decide.planning import RULE, Problem
from bayescale.laws import Law

BAYES, PLUG_IN, THUMB = "least expected loss", "plug-in", f"{RULE:g} tokens per param"
FINER, ROUNDS = 33, 3
SHARES = (1e-300, 1 - 1e-16)
"""Of shares whose logit is averaged: a float knows none nearer to nothing, or to one."""


def plans(problem: Problem, reference: Mapping[str, float]) -> pd.DataFrame:
    """Plans that have to be chosen before the truth is known, with their regret.

    Parameters
    ----------
    problem : Problem
    reference : mapping
        The design's reference point, where parameters are sampled.

    Returns
    -------
    DataFrame
        A row a plan: ``least expected loss`` (over draws), ``plug-in`` (the optimum of the law at the posterior mean of
        its parameters, as sampled) and ``20 tokens per param``; ``params``, ``tokens``, ``loss`` (its mean), and
        ``regret``, what the plan's loss is above that of the best plan of each draw: mean, 95 % quantile, and the
        standard error of the mean.
    """
    chosen = {
        BAYES: least_expected(problem),
        PLUG_IN: float(replace(problem, **_at_the_mean(problem, reference)).best.params[0]),
        THUMB: problem.rule_of_thumb(),
    }
    rows = []
    for name, params in chosen.items():
        spent, loss = _spent(problem, params, name)
        # The search finds each draw's best to within its tolerance: no plan is better than that.
        regret = np.maximum(loss - problem.best.loss, 0.0)
        rows.append(
            {
                "plan": name if name != THUMB or problem.datastore is None else f"{THUMB}, no datastore",
                "params": params,
                **spent,
                "loss": loss.mean(),
                "regret": regret.mean(),
                "regret_q0.95": np.quantile(regret, 0.95),
                "regret_se": regret.std() / np.sqrt(len(regret)),
            }
        )
    return pd.DataFrame(rows)


def least_expected(problem: Problem) -> float:
    """The size whose loss, averaged over draws, is least."""
    nodes = problem.nodes
    expected = (
        problem.profile.mean(axis=0) if problem.datastore is None else problem.split_for_all(nodes).loss
    )
    best = int(np.argmin(expected))
    if len(problem.limits.menu):
        return float(nodes[best])
    low, high = nodes[max(best - 1, 0)], nodes[min(best + 1, len(nodes) - 1)]
    for _ in range(ROUNDS):
        finer = np.geomspace(low, high, FINER)
        i = int(np.argmin(_expected(problem, finer)))
        low, high = finer[max(i - 1, 0)], finer[min(i + 1, FINER - 1)]
    return float(np.sqrt(low * high))


def _expected(problem: Problem, params: np.ndarray) -> np.ndarray:
    if problem.datastore is not None:
        # A datastore is bought before the truth is known, as the size is.
        return problem.split_for_all(params).loss
    sizes = np.broadcast_to(params, (problem.draws, len(params)))
    return np.asarray(problem.loss(sizes, problem.limits.tokens(sizes)).mean(axis=0))


def _spent(problem: Problem, params: float, plan: str) -> tuple[dict[str, float], np.ndarray]:
    """What a plan trains on and reads from, and its loss in every draw."""
    size, tokens = np.full(problem.draws, params), float(problem.limits.tokens(params))
    if problem.datastore is None:
        return {"tokens": tokens}, problem.loss(size, tokens)
    store = 0.0
    if plan != THUMB or INPUT not in problem.law.may_be_zero:
        bought = problem.split_for_all(np.array([params]))
        tokens, store = float(bought.tokens[0]), float(bought.datastore[0])
    return {"tokens": tokens, INPUT: store}, problem.loss_beside(size, tokens, store)


def _at_the_mean(problem: Problem, reference: Mapping[str, float]) -> dict[str, Any]:
    return {
        "values": mean_values(problem.law, problem.values, reference),
        "discrepancy": None,
        "worth": None if problem.worth is None else np.exp(np.log(problem.worth).mean(keepdims=True)),
    }


def mean_values(
    law: Law, values: Mapping[str, np.ndarray], reference: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """The law's parameters at the posterior mean of what is sampled: shape (1,).

    Means of the equation's own parameters would not do: an amplitude and its exponent hang together almost perfectly,
    and the mean of each is no plausible pair.
    """
    means = {}
    for name, x in law.sampled(values, reference).items():
        support = law.parameter(name).support
        x = np.asarray(x)
        if support == "positive":
            means[name] = np.exp(np.log(x).mean(keepdims=True))
        elif support == "unit":
            means[name] = expit(logit(np.clip(x, SHARES[0], SHARES[1])).mean(keepdims=True))
        else:
            means[name] = x.mean(keepdims=True)
    return {name: np.asarray(x) for name, x in law.values(means, reference).items()}
