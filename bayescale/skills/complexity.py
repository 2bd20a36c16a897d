"""What simpler data move: the floor of the law, its exponents, or only its offsets.

A function of the posterior of a law pooled over corpora: nothing is fitted again. With a covariate, such as the
entropy of each corpus, every draw gives the slope of each parameter on it over the corpora at hand; with two
corpora and none, the difference between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayescale.laws import Law, Parameter
from bayescale.numerals import percent, significant
from bayescale.posterior import PosteriorData
from bayescale.skills.errors import SkillsError

Role = Literal["floor", "exponent", "share", "offset"]
ROLES: tuple[Role, ...] = ("exponent", "share", "floor", "offset")

MATTERS = 0.1
"""A parameter has moved where it is a tenth more or less: the least that a forecast a few decades out would show."""


@dataclass(frozen=True, eq=False)
class Moved:
    """What moves from the simplest corpus to the most complex one.

    Attributes
    ----------
    table : DataFrame
        A row a parameter that is pooled over the corpora: ``parameter``, ``role``, ``ratio`` (the complex corpus over
        the simple one, along the covariate) with its 90 % ends, ``higher`` (probability that it is above one),
        ``moved`` (probability that it differs by more than a tenth either way).
    simple, complex : str
        The corpora at the ends.
    unit : str
        Of the floor and the offsets: per token of each corpus's own tokenizer, or per byte.
    """

    table: pd.DataFrame
    simple: str
    complex: str
    unit: str

    def sentences(self) -> list[str]:
        """The answer, a sentence a role."""
        said = []
        for role in ROLES:
            for row in self.table[self.table["role"] == role].to_dict("records"):
                said.append(
                    f"{row['parameter']} ({role}): on {self.complex} {significant(row['ratio'], 3)} times that on "
                    f"{self.simple} (90 % interval {significant(row['ratio_q0.05'], 3)} to "
                    f"{significant(row['ratio_q0.95'], 3)}); higher with probability {percent(row['higher'])}, "
                    f"moved by more "
                    f"than a tenth with probability {percent(row['moved'])}."
                )
        return said

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), f"floor and offsets in {self.unit}"])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "simple": self.simple,
            "complex": self.complex,
            "unit": self.unit,
            "parameters": self.table.to_dict("records"),
        }


def role_of(parameter: Parameter) -> Role:
    """What a parameter does: E is the floor, an amplitude an offset, and the rest bends the curve.

    A share, of size in what is above the floor say, has no unit, whatever it is sampled as.
    """
    if parameter.name == "E":
        return "floor"
    if parameter.support == "unit":
        return "share"
    return "exponent" if parameter.centring is None else "offset"


def what_moves(
    posterior: PosteriorData, complexity: Mapping[str, float], by: str = "task", per_byte: bool = True
) -> Moved:
    """Compare a law's parameters between corpora, along their complexity.

    Parameters
    ----------
    posterior : PosteriorData
        Pooled over `by`.
    complexity : mapping
        Of each corpus to be compared: any number that grows with complexity; 0 and 1 for two corpora.
    by : str
        The grouping column.
    per_byte : bool
        Floor and offsets per byte of text where the runs have ``bytes_per_token``: nats per token of tokenizers of
        their own do not compare.

    Raises
    ------
    SkillsError
        Not pooled over `by`, a corpus that was not fitted, or no two different complexities.
    """
    cells = posterior.design.cells
    if by not in cells.columns:
        raise SkillsError(f"the law was not pooled over {by!r}: fit a model with 1 + (1|{by})")
    known = set(cells[by].astype(str))
    missing = [name for name in complexity if name not in known]
    if missing:
        raise SkillsError(f"no fitted run has {by} {missing[0]!r}: there are {', '.join(sorted(known))}")
    if len(set(complexity.values())) < 2:
        raise SkillsError("two corpora of different complexity are needed to tell what it moves")
    law = posterior.model.definition
    values = {p.name: posterior.draws(p.name) for p in law.parameters}
    sizes = _sampled_as(law, values, posterior.design.reference)
    names = sorted(complexity, key=lambda name: complexity[name])
    scale, unit = _scale(posterior, names, by, per_byte)
    others = [c for c in cells.columns if c != by]
    covariate = np.array([complexity[name] for name in names], dtype=float)
    z = (covariate - covariate.mean()) / np.ptp(covariate)
    rows = []
    for parameter in law.parameters:
        role = role_of(parameter)
        kept = []
        # Corpora are compared within what else there is, architectures say, and then averaged over it.
        for _, group in cells.groupby(others, sort=False) if others else [((), cells)]:
            place = {str(label): i for label, i in zip(group[by], group.index, strict=True)}
            if not all(name in place for name in names):
                continue
            here = sizes[parameter.name][:, [place[name] for name in names]]
            if role in ("floor", "offset"):
                here = here / scale
            kept.append(np.log(np.maximum(here, 1e-300)) @ (z / (z**2).sum()))
        if not kept:
            raise SkillsError(f"no group has runs on all of {', '.join(names)}")
        ratio = np.exp(np.mean(kept, axis=0))
        # A parameter that all corpora share by the model's pooling was never asked.
        if np.allclose(ratio, 1.0, atol=1e-12):
            continue
        low, middle, high = np.quantile(ratio, (0.05, 0.5, 0.95))
        moved = np.abs(np.log(ratio)) > np.log1p(MATTERS)
        rows.append(
            {
                "parameter": parameter.name
                if parameter.centring is None or role == "floor"
                else parameter.centring.symbol,
                "role": role,
                "ratio": middle,
                "ratio_q0.05": low,
                "ratio_q0.95": high,
                "higher": float((ratio > 1).mean()),
                "moved": float(moved.mean()),
            }
        )
    return Moved(pd.DataFrame(rows), names[0], names[-1], unit)


def _sampled_as(
    law: Law, values: Mapping[str, np.ndarray], reference: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Every parameter as it is sampled, an amplitude as its term's size at the runs' middle; but the floor as it is."""
    return {
        p.name: np.asarray(
            values[p.name]
            if p.centring is None or role_of(p) == "floor"
            else p.centring.from_natural(values[p.name], values, reference)
        )
        for p in law.parameters
    }


def _scale(posterior: PosteriorData, names: list[str], by: str, per_byte: bool) -> tuple[np.ndarray, str]:
    runs = posterior.runs
    if not per_byte or "bytes_per_token" not in runs or runs["bytes_per_token"].isna().any():
        return np.ones(len(names)), "nats per token of each corpus's own tokenizer"
    each = runs.groupby(runs[by].astype(str))["bytes_per_token"].median()
    return each.reindex(names).to_numpy(float), "nats per byte"
