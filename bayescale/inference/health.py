"""The health gate: what has to hold before a posterior is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["PASS", "REVIEW", "FAIL"]
ORDER: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")


@dataclass(frozen=True)
class Check:
    """One check: its verdict, its figure, where the figure comes from, and what to do."""

    name: str
    verdict: Verdict
    value: float
    limit: str
    where: str
    advice: str

    def __str__(self) -> str:
        at = f" at {self.where}" if self.where else ""
        text = f"{self.verdict:<6} {self.name:<12} {self.value:.4g} ({self.limit}){at}"
        return text if self.verdict == "PASS" else f"{text}\n       {self.advice}"


@dataclass(frozen=True)
class Health:
    """All checks of a fit; the verdict is the worst of them."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        return max((c.verdict for c in self.checks), key=ORDER.index)

    @property
    def passed(self) -> bool:
        return self.verdict == "PASS"

    def __str__(self) -> str:
        lines = [f"health: {self.verdict}"] + [
            f"  {line}" for c in self.checks for line in str(c).splitlines()
        ]
        if self.verdict == "FAIL":
            lines.append("  This fit failed: do not use its figures until it has been mended.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"verdict": self.verdict, "checks": [asdict(c) for c in self.checks]}


@dataclass(frozen=True)
class Limits:
    """Where PASS ends and where FAIL begins."""

    r_hat: tuple[float, float] = (1.01, 1.02)
    ess: tuple[float, float] = (400, 200)
    divergences: tuple[float, float] = (0, 0.0005)
    saturated: tuple[float, float] = (0, 0.001)
    e_bfmi: tuple[float, float] = (0.3, 0.2)


SEPARATE = (
    "Chains disagree. Sample longer (--warmup, --draws); if they settle in different modes, "
    "say more in the priors."
)
SHORT = (
    "Too few independent draws. Sample longer (--draws), or give the weakest parameter a tighter prior "
    "or more runs."
)
SHARP = (
    "The posterior has corners that the sampler cannot follow. Raise --target-accept to 0.99; "
    "then look at the priors."
)
DEEP = (
    "Trajectories end before they turn. Sample with a longer warm-up; then look for parameters that "
    "the runs cannot tell apart."
)
HEAVY = (
    "The sampler explores the energy too slowly. Sample with a longer warm-up; then tighten the widest prior."
)


def check_health(
    quantities: Mapping[str, np.ndarray],
    stats: Mapping[str, np.ndarray],
    max_tree_depth: int,
    limits: Limits | None = None,
    labels: Mapping[str, list[str]] | None = None,
) -> Health:
    """Check draws and sampler statistics.

    Parameters
    ----------
    quantities : mapping of ndarray
        Every quantity that will be reported, shape (chains, draws, ...).
    stats : mapping of ndarray, shape (chains, draws)
        ``diverging``, ``energy``, ``tree_depth``.
    max_tree_depth : int
        As sampled with.
    limits : Limits, optional
        Others than the defaults.
    labels : mapping of list of str, optional
        Names of a quantity's elements, for messages.
    """
    limits = limits or Limits()
    names, columns = columns(quantities, labels)
    r_hat = _each("rhat", columns)
    bulk, tail = _each("ess", columns, method="bulk"), _each("ess", columns, method="tail", prob=(0.05, 0.95))
    diverging = np.asarray(stats["diverging"])
    # Depth counts doublings; a tree of the largest allowed depth was cut short.
    cut = np.asarray(stats["tree_depth"]) >= max_tree_depth
    bfmi = _bfmi(np.asarray(stats["energy"]))
    chains = [f"chain {i}" for i in range(len(bfmi))]
    none = f"none in {diverging.size} draws"
    return Health(
        (
            _extreme("R-hat", r_hat, names, limits.r_hat, SEPARATE, highest=True),
            _extreme("bulk ESS", bulk, names, limits.ess, SHORT),
            _extreme("tail ESS", tail, names, limits.ess, SHORT),
            _count("divergences", diverging, none, limits.divergences, SHARP),
            _count("tree depth", cut, f"no tree cut at depth {max_tree_depth}", limits.saturated, DEEP),
            _extreme("E-BFMI", bfmi, chains, limits.e_bfmi, HEAVY),
        )
    )


def _extreme(
    name: str,
    values: np.ndarray,
    names: list[str],
    limits: tuple[float, float],
    advice: str,
    highest: bool = False,
) -> Check:
    """A check of the worst of several figures, which has to stay on the right side of the limits."""
    # A quantity that never moves, or is not a number, has no R-hat or ESS: that is the worst there is.
    bad = np.flatnonzero(~np.isfinite(values))
    worst = int(bad[0] if len(bad) else values.argmax() if highest else values.argmin())
    value = float(values[worst])
    good = [value < limit if highest else value >= limit for limit in limits]
    return Check(
        name,
        _verdict(*good),
        value,
        f"{'below' if highest else 'at least'} {limits[0]}",
        names[worst],
        advice,
    )


def _count(name: str, events: np.ndarray, limit: str, shares: tuple[float, float], advice: str) -> Check:
    """A check of how often something happened that should not."""
    return Check(
        name, _verdict(*(events.mean() <= s for s in shares)), float(events.sum()), limit, "", advice
    )


def _verdict(passes: bool, bearable: bool) -> Verdict:
    return "PASS" if passes else "REVIEW" if bearable else "FAIL"


def columns(
    quantities: Mapping[str, np.ndarray], labels: Mapping[str, list[str]] | None = None
) -> tuple[list[str], np.ndarray]:
    """Every scalar quantity as one column, shape (chains, draws, columns), with its name."""
    names, columns = [], []
    for name, values in quantities.items():
        flat = np.asarray(values).reshape(*values.shape[:2], -1)
        elements = (labels or {}).get(name, list(map(str, range(flat.shape[2]))))
        names += [name if values.ndim == 2 else f"{name}[{element}]" for element in elements]
        columns.append(flat)
    return names, np.concatenate(columns, axis=2)


def _each(function: str, columns: np.ndarray, **options: Any) -> np.ndarray:
    from arviz_stats.base import array_stats

    return np.asarray(
        getattr(array_stats, function)(np.moveaxis(columns, 2, 0), chain_axis=1, draw_axis=2, **options)
    )


def _bfmi(energy: np.ndarray) -> np.ndarray:
    """Energy Bayesian fraction of missing information of each chain (Betancourt 2016, eq. 12)."""
    return np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1)
