"""What would have to be otherwise for the choice to be another: the prior, the runs' weight, the worth, the target.

Priors are scaled by a power (Kallioinen, Paananen, Bürkner & Vehtari 2023): the draws are re-weighted by
prior^(power - 1), so that 0.5 believes the prior half as much and 2 twice. Only what a person states is scaled, the
population's means, the spreads and the noise, not the groups' effects, which follow from them. The likelihood is scaled
the same way. Re-weighting is trusted as far as enough draws carry it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayescale.inference.drift import log_prior
from bayescale.numerals import significant
from bayescale.posterior import PosteriorData

POWERS = (0.5, 2.0)
"""How far priors and likelihood are scaled down and up."""

FACTORS = (0.01, 100.0)
"""How far worth is scaled."""

CARRIED = 0.02
"""Share of the draws that has to carry a re-weighted expectation, as an effective number."""

STEPS, HALVINGS = 16, 10

Answer = tuple[str, str]
"""What is answered, and about which action."""


@dataclass(frozen=True)
class Flip:
    """Where one thing would make the choice another.

    Attributes
    ----------
    what : str
        ``prior``, ``likelihood``, ``worth``, ``target`` or ``law NAME``.
    at : float
        The nearest value at which the answer is another; NaN where there is none in the range looked at.
    to : str
        The answer there.
    sentence : str
    """

    what: str
    at: float
    to: str
    sentence: str

    @property
    def flips(self) -> bool:
        return bool(np.isfinite(self.at))


def search(answer: Callable[[float], Answer | None], now: float, end: float) -> tuple[float, Answer] | None:
    """The value nearest to `now`, on the way to `end` in equal ratios, at which the answer is another."""
    first = answer(now)
    before = now
    for value in np.geomspace(now, end, STEPS + 1)[1:]:
        found = answer(float(value))
        if found is None:
            return None
        if found != first:
            low, high, there = before, float(value), found
            for _ in range(HALVINGS):
                middle = float(np.sqrt(low * high))
                between = answer(middle)
                if between is not None and between != first:
                    high, there = middle, between
                else:
                    low = middle
            return high, there
        before = float(value)
    return None


def power_weights(posterior: PosteriorData, what: str, power: float) -> np.ndarray | None:
    """Weights of the draws under a scaled prior or likelihood, summing to one; None where too few draws carry them."""
    return _weights(_log_density(posterior, what), power)


def _weights(log_density: np.ndarray, power: float) -> np.ndarray | None:
    log_weight = (power - 1) * log_density
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight if 1 / (weight**2).sum() >= CARRIED * len(weight) else None


def _log_density(posterior: PosteriorData, what: str) -> np.ndarray:
    tree = posterior.tree
    if what == "likelihood":
        values = tree["log_likelihood"]["log_loss"].to_numpy()
        return np.asarray(values.reshape(-1, values.shape[-1]).sum(axis=1))
    design = posterior.design
    derived = {e.name for e in design.every_effect} | {f"misfit {m.axis}" for m in design.misfit}
    derived |= {f"effects{bundle.tag}" for bundle in design.bundles}
    total = np.zeros(len(posterior.z))
    for name, values in tree["log_prior"].data_vars.items():
        if name not in derived:
            total += values.to_numpy().reshape(-1)
    drift = [*design.axes, "holds"] if design.axes else []
    return total + log_prior(design, {name: posterior.draws(f"drift_{name}") for name in drift})


def power_flips(posterior: PosteriorData, answer: Callable[[np.ndarray | None], Answer]) -> list[Flip]:
    """Flips by scaling the prior and the likelihood."""
    found = []
    names = {"prior": "priors", "likelihood": "runs"}
    for what, said in names.items():
        if what == "likelihood" and "log_likelihood" not in posterior.tree.children:
            continue

        density = _log_density(posterior, what)

        def at(power: float, density: np.ndarray = density) -> Answer | None:
            weights = None if power == 1.0 else _weights(density, power)
            return None if weights is None and power != 1.0 else answer(weights)

        hits = [hit for end in POWERS if (hit := search(at, 1.0, end)) is not None]
        if hits:
            power, to = min(hits, key=lambda hit: abs(np.log(hit[0])))
            found.append(
                Flip(
                    what,
                    power,
                    _said(to),
                    f"believing the {said} {significant(power, 2)} times as much makes it {_said(to)}",
                )
            )
            continue
        far = [_furthest(density, end) for end in POWERS]
        found.append(
            Flip(
                what,
                float("nan"),
                "",
                f"the {said} believed {significant(far[0], 2)} to {significant(far[1], 2)} times as much change "
                "nothing",
            )
        )
    return found


def _furthest(log_density: np.ndarray, end: float) -> float:
    """How far a scaling can be followed by re-weighting."""
    powers = [float(p) for p in np.geomspace(1.0, end, STEPS + 1)]
    good = [p for p in powers if p == 1.0 or _weights(log_density, p) is not None]
    return good[-1]


def worth_flip(answer: Callable[[float], Answer]) -> Flip:
    """Flip by what reaching a loss is worth, costs as they are."""
    hits = [hit for end in FACTORS if (hit := search(answer, 1.0, end)) is not None]
    if not hits:
        said = f"worth between {FACTORS[0]:g} and {FACTORS[1]:g} times as much changes nothing"
        return Flip("worth", float("nan"), "", said)
    factor, to = min(hits, key=lambda hit: abs(np.log(hit[0])))
    return Flip(
        "worth", factor, _said(to), f"worth {significant(factor, 3)} times as much, it is {_said(to)}"
    )


def target_flip(answer: Callable[[float], Answer], target: float, ends: tuple[float, float]) -> Flip:
    """Flip by the loss that has to be reached."""
    hits = [hit for end in ends if (hit := search(answer, target, end)) is not None]
    if not hits:
        return Flip("target", float("nan"), "", "no target near what is expected changes it")
    at, to = min(hits, key=lambda hit: abs(np.log(hit[0] / target)))
    return Flip("target", at, _said(to), f"with a target of {significant(at)} it is {_said(to)}")


def law_flip(name: str, answer: Answer, now: Answer) -> Flip:
    """Whether another fit, of another law to the same runs, answers the same."""
    if answer == now:
        return Flip(f"law {name}", float("nan"), "", f"by {name} the answer is the same")
    return Flip(f"law {name}", 1.0, _said(answer), f"by {name} it is {_said(answer)}")


def _said(answer: Answer) -> str:
    what, action = answer
    return (
        f"{what} for {action}" if what in ("no-go", "run first") else f"{what}: {action}" if what else action
    )
