"""The arrays of a design, as the density takes them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

import bayescale.backend  # noqa: F401, sets JAX up
from bayescale.models.design import Design
from bayescale.models.layout import layout_of, noise_names

Data = dict[str, Any]


def data_of(design: Design, kept: np.ndarray | None = None) -> Data:
    """The arrays of a design, all of them arguments of the density, so that refits do not compile again.

    Parameters
    ----------
    design : Design
    kept : ndarray of bool, shape (rows,), optional
        Rows that count; the others stay in the arrays, so that shapes do not change, and say nothing.
    """
    model, law = design.model, design.law
    kept = np.ones(len(design.loss)) if kept is None else kept.astype(float)
    normals = np.array([model.prior(p.name).normal(p.support) for p in law.parameters])
    spreads = [model.spread_prior(*e.about).normal("positive") for e in design.effects]
    spreads += [getattr(model.misfit, m.axis).normal("positive") for m in design.misfit]
    return {
        "inputs": {name: jnp.asarray(x) for name, x in law.prepared(design.inputs).items()},
        "log_loss": jnp.asarray(np.log(design.loss)),
        "relative_se": jnp.asarray(design.loss_se / design.loss),
        "decades": jnp.asarray(design.decades),
        "kept": jnp.asarray(kept),
        "run": jnp.asarray(design.run),
        "rows": jnp.asarray(np.bincount(design.run, weights=kept)),
        "place": jnp.asarray(design.place),
        "reference": {name: jnp.asarray(x) for name, x in design.reference.items()},
        "mean": jnp.asarray(normals[:, 0]),
        "sd": jnp.asarray(normals[:, 1]),
        **linear_map(design, design.places),
        "misfit": misfit_rows(design, kept > 0),
        "spread": jnp.asarray(np.array(spreads).reshape(-1, 2)),
        "noise_rows": jnp.asarray(design.noise_rows),
        "noise_spread": jnp.asarray(
            np.array([model.spread_prior(*e.about).normal("positive") for e in design.noise_effects]).reshape(
                -1, 2
            )
        ),
        "correlation": jnp.asarray(
            np.array([model.correlation_prior(bundle.tag) for bundle in design.bundles]).reshape(-1, 2)
        ),
        "noise": jnp.asarray([getattr(model.noise, n).normal("positive") for n in noise_names(design)]),
    }


def misfit_rows(design: Design, kept: np.ndarray) -> list[Data]:
    """Of the misfit along each axis, what `misfit_of` needs; its top is that of the kept rows.

    Returns
    -------
    list of dict
        ``basis``, shape (rows, knots), and ``own``, shape (rows,), which of the deviations is the row's.
    """
    return [
        {
            "basis": jnp.asarray(
                m.basis(design.misfit_axes[m.axis][kept].max() - design.misfit_axes[m.axis])
            ),
            "own": jnp.asarray(design.cell if m.cells > 1 else np.zeros_like(design.cell)),
        }
        for m in design.misfit
    ]


def coefficient_normals(design: Design) -> np.ndarray:
    """Mean and standard deviation of the prior of every coefficient, shape (coefficients, 2)."""
    found = [
        design.model.coefficient_prior(c.parameter, c.covariate.covariate).normal("real")
        for c in design.coefficients
    ]
    return np.array(found).reshape(-1, 2)


def linear_map(design: Design, places: pd.DataFrame) -> Data:
    """From means, coefficients and effects to the parameters of places, on their link scale.

    Parameters
    ----------
    places : DataFrame
        Labels that the design knows, and the columns of its covariates.

    Returns
    -------
    dict
        ``origin``, shape (places, parameters), where the map begins: the prior's middle; and ``map``, shape (places,
        parameters, mapped): the misfit's coordinates, the last of the linear ones, move no parameter. After the
        parameters come the logs of what inputs that covariates move are multiplied by.
    """
    layout, law = layout_of(design), design.law
    normals = np.array([design.model.prior(p.name).normal(p.support) for p in law.parameters])
    found = np.zeros((len(places), len(normals) + len(layout.moved), layout.mapped))
    middle = np.append(normals[:, 0], np.zeros(len(layout.moved)))
    origin = np.repeat(middle[None], len(places), axis=0)
    at = {scaled: scaled.standard(places) for scaled in design.covariates}
    found[:, range(len(normals)), range(len(normals))] = normals[:, 1]
    start = len(normals)
    for parameter, coefficient, (mean, sd) in zip(
        layout.coefficients, design.coefficients, coefficient_normals(design), strict=True
    ):
        origin[:, parameter] += mean * at[coefficient.covariate]
        found[:, parameter, start] = sd * at[coefficient.covariate]
        start += 1
    rows = places.to_dict("records")
    for (parameter, free), effects in zip(layout.blocks, design.effects, strict=True):
        level = [effects.levels.index(tuple(row[column] for column in effects.factor)) for row in rows]
        basis = effects.basis[level]
        found[:, parameter, start : start + free] = (
            basis if effects.covariate is None else at[effects.covariate][:, None] * basis
        )
        start += free
    return {"origin": jnp.asarray(origin), "map": jnp.asarray(found)}
