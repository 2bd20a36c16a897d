"""The health gate: what has to hold before a posterior is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
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
    about: Literal["sampling", "fit"] = "sampling"

    def __str__(self) -> str:
        at = f" at {self.where}" if self.where else ""
        text = f"{self.verdict:<6} {self.name:<16} {self.value:.4g} ({self.limit}){at}"
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

    @property
    def sampling(self) -> Health:
        """The checks of the sampling alone: whether the draws are the posterior's, right or wrong as the law may be."""
        return Health(tuple(check for check in self.checks if check.about == "sampling"))

    @property
    def misfit(self) -> tuple[Check, ...]:
        """The checks of the fit that did not pass: the fitted model is not what made the runs."""
        return tuple(check for check in self.checks if check.about == "fit" and check.verdict != "PASS")

    @property
    def missed(self) -> tuple[str, ...]:
        """The checks that were not passed, each with its figure."""
        return tuple(f"{c.name} {c.value:.4g}" for c in self.checks if c.verdict != "PASS")

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
APART = (
    "No chain went from one to the other, so how probable each is these draws cannot say. Where one of them cannot be, "
    "say so by a narrower prior of {parameter} (bayescale models MODEL prints all of them) and fit again; where both "
    "can, add runs that tell them apart, or fit a simpler law."
)
LOWER = (
    "The lowest is {gap:.0f} log units less dense: chains may be caught there, which another --seed or a longer "
    "--warmup tells."
)
INSIDE = (0.05, 0.95)
"""Quantiles of a chain; chains are in different places where these intervals have nothing in common."""
CAUGHT = 10.0
"""Log density that one place may be below another before it is more likely a trap than a mode."""
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
        ``diverging``, ``energy``, ``tree_depth``; and where it is known ``lp``, the log density.
    max_tree_depth : int
        As sampled with.
    limits : Limits, optional
        Others than the defaults.
    labels : mapping of list of str, optional
        Names of a quantity's elements, for messages.
    """
    limits = limits or Limits()
    names, columns = scalars(quantities, labels)
    density = np.asarray(stats["lp"]) if "lp" in stats else None
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
            _modes(names, columns, density),
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
        judged(*good),
        value,
        f"{'below' if highest else 'at least'} {limits[0]}",
        names[worst],
        advice,
    )


def _modes(names: list[str], columns: np.ndarray, density: np.ndarray | None) -> Check:
    """Whether all chains are in one place: in no quantity do some have nothing in common with the others."""
    places, at = place_of_chains([columns])
    if len(places) == 1:
        return Check("modes", "PASS", 1.0, "one for all chains", "", "")
    where, said = [], []
    for chains in places:
        here = columns[chains, :, at]
        low_, middle, high_ = np.quantile(here, (0.05, 0.5, 0.95))
        text = f"{middle:.4g} ({low_:.4g} to {high_:.4g}) in {_named(chains)}"
        if density is not None:
            where.append(float(density[chains].mean()))
            text += f", mean log density {where[-1]:.1f}"
        said.append(text)
    advice = f"Chains settled in different places: {names[at]} is {'; '.join(said)}. "
    advice += APART.format(parameter=_parameter(names[at]))
    if where and max(where) - min(where) > CAUGHT:
        advice += " " + LOWER.format(gap=max(where) - min(where))
    return Check("modes", "FAIL", float(len(places)), "one for all chains", names[at], advice)


def place_of_chains(columns: Sequence[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """Find chains that settled in different places.

    Parameters
    ----------
    columns : sequence of ndarray, shape (chains, draws, columns)
        Scalar quantities of one or several sets of chains, as `scalars` gives them.

    Returns
    -------
    places : list of ndarray
        Indices of the chains, of all sets one after the other, that are together; one array if all are.
    at : int
        The column in which places are furthest apart.
    """
    low, high = np.concatenate([np.quantile(x, INSIDE, axis=1) for x in columns], axis=1)
    usable = np.logical_and.reduce([np.isfinite(x).all(axis=(0, 1)) for x in columns])
    sd = np.concatenate([x.std(axis=1) for x in columns])
    within = np.maximum(sd.mean(axis=0), np.finfo(float).tiny)
    widest, at, places = 0.0, 0, [np.arange(len(low))]
    for i in np.flatnonzero(usable):
        found = _apart(low[:, i], high[:, i])
        gaps = [low[b, i].min() - high[a, i].max() for a, b in pairwise(found)]
        if gaps and max(gaps) / within[i] > widest:
            widest, at, places = max(gaps) / within[i], int(i), found
    return places, at


def _parameter(name: str) -> str:
    """What in a model file has the prior of a quantity."""
    if name.endswith("_sd"):
        return f"the spread {name.removesuffix('_sd')}"
    return name.split("[")[0].split("|")[0].removesuffix("_mean").removesuffix("_term")


def _apart(low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """Chains in groups whose intervals have nothing in common, the lowest first."""
    order = np.argsort(low, kind="stable")
    # A chain begins a new group where it lies above all before it.
    reach = np.maximum.accumulate(high[order])[:-1]
    return np.split(order, 1 + np.flatnonzero(low[order][1:] > reach))


def _named(chains: np.ndarray) -> str:
    names = [str(i) for i in np.sort(chains)]
    if len(names) == 1:
        return f"chain {names[0]}"
    return f"chains {', '.join(names[:-1])} and {names[-1]}"


def _count(name: str, events: np.ndarray, limit: str, shares: tuple[float, float], advice: str) -> Check:
    """A check of how often something happened that should not."""
    return Check(name, judged(*(events.mean() <= s for s in shares)), float(events.sum()), limit, "", advice)


def judged(passes: bool, bearable: bool) -> Verdict:
    """Return PASS, REVIEW if it is bearable, or FAIL."""
    return "PASS" if passes else "REVIEW" if bearable else "FAIL"


def scalars(
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
