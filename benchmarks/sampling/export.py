"""From our design to plain arrays, and points to compare densities at."""

from __future__ import annotations

import numpy as np

from bayescale.inference.quantities import prior_draws
from bayescale.models import Design, Effects
from bayescale.models.arrays import data_of
from bayescale.models.density import log_density
from bayescale.models.layout import layout_of
from benchmarks.sampling.target import ENOUGH, Factor, Target

POINTS = 20
FORMS = ("by rows", "centred", "non-centred")
"""How effects are written: centred where every level has `ENOUGH` runs, everywhere, nowhere."""


def target_of(design: Design, form: str = "by rows") -> Target:
    """The posterior of a design as plain arrays; what is sampled has the same size and the same density."""
    layout, data = layout_of(design), data_of(design)
    if layout.misfit:
        raise ValueError("the rivals' models have no misfit: choose a model without one")
    names = list(layout.law.parameter_names)
    together: dict[tuple[tuple[str, ...], bytes], list[int]] = {}
    for index, effects in enumerate(design.effects):
        together.setdefault((effects.factor, effects.basis.tobytes()), []).append(index)
    starts = len(names) + np.cumsum([0, *(free for _, free in layout.blocks)])
    factors = []
    for (columns, _), members in together.items():
        first = design.effects[members[0]]
        factors.append(
            Factor(
                name=":".join(columns),
                basis=first.basis[_levels(design, first)],
                parameters=[names.index(design.effects[i].parameter) for i in members],
                spread=np.asarray(data["spread"])[members],
                starts=[int(starts[i]) for i in members],
                spreads=[layout.linear + i for i in members],
                centred={"centred": True, "non-centred": False}.get(
                    form, len(design.loss) >= ENOUGH * len(first.levels)
                ),
            )
        )
    return Target(
        law=layout.law.name,
        names=names,
        mean=np.asarray(data["mean"]),
        sd=np.asarray(data["sd"]),
        factors=factors,
        noise_names=list(layout.noise),
        noise=np.asarray(data["noise"]),
        inputs=_inputs(design),
        experts=float(design.reference.get("experts", 1.0)),
        cell=design.cell,
        run=design.run,
        log_loss=np.log(design.loss),
        relative_se=design.loss_se / design.loss,
        decades=design.decades,
    )


def _levels(design: Design, effects: Effects) -> list[int]:
    rows = design.cells.to_dict("records")
    return [effects.levels.index(tuple(row[c] for c in effects.factor)) for row in rows]


def _inputs(design: Design) -> dict[str, np.ndarray]:
    inputs, reference = design.inputs, design.reference
    if design.law.name == "chinchilla":
        return {
            "log_n": np.log(inputs["params"] / reference["params"]),
            "log_d": np.log(inputs["tokens"] / reference["tokens"]),
        }
    if design.law.name == "clark":
        return {"log_n": np.log10(inputs["params"] / reference["params"]), "experts": inputs["experts"]}
    raise ValueError(f"no rival knows the law {design.law.name}")


def points(target: Target, design: Design, seed: int = 0) -> np.ndarray:
    """Where densities are compared: half as far out as the prior, shape (20, size), in the target's coordinates."""
    rng = np.random.default_rng(seed)
    x = 0.5 * rng.normal(size=(POINTS, target.size))
    # Centred effects as large as their spread says.
    drawn = prior_draws(design, POINTS, rng)
    means, effects, spreads, noise = target.split(x)
    for f, effect in zip(target.factors, effects, strict=True):
        if f.centred:
            for i, start in enumerate(f.starts):
                effect[..., i] = 0.5 * drawn[:, start : start + f.free]
    return target.join(means, effects, spreads, noise)


def our_log_density(x: np.ndarray, target: Target, design: Design) -> np.ndarray:
    """Our log density at the target's coordinates, with the volume that they take, up to a constant."""
    import jax

    layout, data = layout_of(design), data_of(design)
    evaluate = jax.jit(lambda z: log_density(z, layout, data))
    return np.array([float(evaluate(z)) for z in target.to_ours(x)]) + target.log_volume(x)


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of two log densities that may differ by a constant, over points."""
    difference = theirs - ours
    return float(np.abs(difference - np.median(difference)).max())
