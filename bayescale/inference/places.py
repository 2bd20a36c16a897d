"""Several modes of a posterior together: each drawn by chains of its own, and mixed in proportion to its evidence.

Chains do not go from one mode to another, so their draws cannot say how probable each is. Bridge sampling can
(`bayescale.inference.evidence.bridge`): from the draws of each mode, whose chains are judged alone, it gives the mode's
mass, and so many of its draws are taken.

A mixture is never better than REVIEW. Its chains agree by construction, with the same share of every mode in each, so
R-hat says nothing of the shares. The shares rest on the evidence, and the evidence on what the priors say of the noise
and its tails far more than any interval within a mode does. A person who knows the runs can often say which mode it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayescale.inference.evidence import bridge
from bayescale.inference.health import ORDER, Check, Health, Limits, judged, place_of_chains, scalars
from bayescale.inference.kinds import two_kinds
from bayescale.inference.nuts import Draws
from bayescale.inference.quantities import Quantities
from bayescale.models.arrays import data_of
from bayescale.models.design import Design

NEGLIGIBLE = 0.01
"""Share of the mass below which a mode is left out, with a note: it cannot move a 90 % interval by much."""

EVENTS = {"divergences": Limits().divergences, "tree depth": Limits().saturated}
"""Checks of how often something happens, and the shares of draws that end PASS and begin FAIL."""

UNSURE = 0.5
"""Standard error of the log of two modes' odds, beyond which their shares are not known and the gate fails."""

SHARES = (
    "The posterior has modes of {shares} of its mass. Draws were taken from each in proportion to its evidence; the "
    "fit's notes say what each believes. Which of them is right hangs on the priors of the noise as much as on the "
    "runs. If you know, say so: by a narrower prior (bayescale models MODEL prints all of them), by a label for the "
    "runs of another kind, or by leaving them out."
)
UNKNOWN = " How probable each is could not be estimated well: the log of the odds has a standard error of {error:.2g}."


@dataclass(frozen=True, eq=False)
class Place:
    """One mode of a posterior, and its chains' draws.

    Attributes
    ----------
    draws : Draws
    quantities : Quantities
        Of these draws.
    health : Health
        Of these draws alone.
    """

    draws: Draws
    quantities: Quantities
    health: Health


@dataclass(frozen=True, eq=False)
class Mixture:
    """Draws of several modes in proportion to their evidence.

    Attributes
    ----------
    places : tuple of Place
        The one of the largest share first.
    shares : ndarray, shape (places,)
        Of the posterior's mass.
    errors : ndarray, shape (places,)
        Standard error of the log evidence of each.
    """

    places: tuple[Place, ...]
    shares: np.ndarray
    errors: np.ndarray

    def draws(self) -> Draws:
        """Return the mixture: in every chain the same share of each mode, spread evenly over the chain."""
        length = min(place.draws.z.shape[1] for place in self.places)
        counts = _whole(self.shares * length, length)
        at = [(np.arange(n) + 0.5) / max(n, 1) for n in counts]
        order = np.argsort(np.concatenate(at), kind="stable")

        def mixed(arrays: Sequence[np.ndarray]) -> np.ndarray:
            taken = [x[:, (t * x.shape[1]).astype(int)] for x, t in zip(arrays, at, strict=True)]
            return np.concatenate(taken, axis=1)[:, order]

        every = [place.draws for place in self.places]
        stats = {name: mixed([one.stats[name] for one in every]) for name in every[0].stats}
        return Draws(mixed([one.z for one in every]), stats, every[0].layout)

    def health(self) -> Health:
        """Return every check of the mixture: events by the shares, all else by the worst mode, and several modes."""
        checks = []
        for each in zip(*(place.health.checks for place in self.places), strict=True):
            worst = max(range(len(each)), key=lambda i: (ORDER.index(each[i].verdict), -i))
            check = each[worst]
            if check.verdict != "PASS":
                check = replace(check, where=f"{check.where or 'draws'} of mode {worst + 1}")
            if check.name == "modes":
                check = self._modes(check)
            elif check.name in EVENTS:
                check = self._events(check, [one.value for one in each])
            checks.append(check)
        return Health(tuple(checks))

    def _events(self, check: Check, counts: list[float]) -> Check:
        """A check of how often something happened, by how often it did in draws of every mode."""
        sizes = [place.draws.z[..., 0].size for place in self.places]
        rate = float(np.sum(self.shares * np.array(counts) / sizes))
        verdict = judged(*(rate <= limit for limit in EVENTS[check.name]))
        return replace(check, verdict=verdict, value=rate * sizes[0])

    def _modes(self, check: Check) -> Check:
        if check.verdict != "PASS":
            return check
        error = float(np.hypot(*np.sort(self.errors)[-2:]))
        advice = SHARES.format(shares=" and ".join(f"{share:.2g}" for share in self.shares))
        return Check(
            "modes",
            "REVIEW" if error <= UNSURE else "FAIL",
            float(len(self.places)),
            check.limit,
            self._where(),
            advice + (UNKNOWN.format(error=error) if error > UNSURE else ""),
        )

    def _where(self) -> str:
        """The quantity that tells the modes apart best."""
        columns = [_columns(place)[1] for place in self.places]
        return _columns(self.places[0])[0][place_of_chains(columns)[1]]

    def beliefs(self, design: Design) -> list[str]:
        """Return what each mode believes, in words: of the noise, and of the law's parameter that differs most."""
        every = [place.quantities.posterior for place in self.places]
        means = [f"{name}_mean" for name in design.law.parameter_names]
        apart = [np.std([x[n].mean() for x in every]) / np.mean([x[n].std() for x in every]) for n in means]
        said = (means[int(np.argmax(apart))], "sigma")
        found = []
        for i, (place, share) in enumerate(zip(self.places, self.shares, strict=True)):
            intervals = []
            for name in said:
                low, middle, high = np.quantile(place.quantities.posterior[name], (0.05, 0.5, 0.95))
                intervals.append(f"{name} {middle:.3g} ({low:.3g} to {high:.3g})")
            kinds = two_kinds(design, place.draws.z)
            text = (
                f"mode {i + 1} of {len(self.places)} has {share:.0%} of the mass, {' and '.join(intervals)}"
            )
            found.append(f"{text}: {kinds}" if kinds else text)
        return found


def weigh(places: Sequence[Place], design: Design, rng: np.random.Generator) -> tuple[Mixture, list[str]]:
    """Weigh modes by bridge sampling and leave out those of negligible mass.

    Returns
    -------
    mixture : Mixture
    notes : list of str
        What was left out.
    """
    data = data_of(design)
    found = [bridge(place.draws.z, place.draws.layout, data, rng) for place in places]
    evidence = np.array([one for one, _ in found])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    kept = [int(i) for i in order if shares[i] >= NEGLIGIBLE]
    notes = [
        f"another mode of the posterior has {shares[i]:.1g} of the mass, and was left out"
        for i in order[len(kept) :]
    ]
    mixture = Mixture(
        tuple(places[i] for i in kept),
        shares[kept] / shares[kept].sum(),
        np.array([found[i][1] for i in kept]),
    )
    return mixture, notes


def distinct(places: Sequence[Place]) -> list[Place] | None:
    """Return the places whose chains are apart from those of every earlier one.

    Returns
    -------
    list of Place or None
        None if the chains of one are not together: some of them left for another place.
    """
    kept: list[Place] = []
    for place in places:
        if len(place_of_chains([_columns(place)[1]])[0]) > 1:
            return None
        if all(len(place_of_chains([_columns(place)[1], _columns(other)[1]])[0]) > 1 for other in kept):
            kept.append(place)
    return kept


def _columns(place: Place) -> tuple[list[str], np.ndarray]:
    named = place.quantities
    return scalars(named.posterior, {name: named.coords[dims[0]] for name, dims in named.dims.items()})


def _whole(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers nearest to the shares that add up to the total."""
    counts = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: total - counts.sum()]] += 1
    return counts
