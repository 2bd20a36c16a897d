"""Region of practical equivalence: differences in loss that are too small to matter count as none.

A difference is shown where it lies beyond the region, on one side, with a probability of `SHOWN`; two groups are
equivalent where it lies inside with that probability; in between the runs cannot show a difference. The region is the
noise between two runs of one recipe, unless a person states it: a lead that another seed would undo is no lead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bayescale.decide.errors import AllocationError
from bayescale.forecast.known_runs import given_runs
from bayescale.numerals import percent, significant
from bayescale.posterior import PosteriorData

SHOWN = 0.9
"""Probability at which a difference, or that there is none, counts as shown: that of the intervals printed beside."""

Answer = Literal["a better", "b better", "equivalent", "not shown"]
"""What the runs show of a pair ``a``, ``b``."""

_SHARE = re.compile(r"([0-9.eE+-]+)\s*%")


class EquivalenceError(AllocationError):
    """A region of equivalence that is none; the message says how to write one."""


@dataclass(frozen=True)
class Equivalence:
    """Largest difference in loss that counts as none.

    Attributes
    ----------
    nats : float or None
        In the units of the losses.
    share : float or None
        Of the loss. The noise of one run where neither is given.
    """

    nats: float | None = None
    share: float | None = None

    @classmethod
    def of(cls, given: float | str | None) -> Equivalence:
        """Return the region that a person states: a number in nats, ``"1 %"`` of the loss, or None for one run's noise.

        Raises
        ------
        EquivalenceError
            Neither a number nor a share, or a negative one.
        """
        if given is None or given == "":
            return cls()
        share = _SHARE.fullmatch(str(given).strip())
        try:
            size = float(share[1] if share else given)
        except ValueError:
            size = np.nan
        if not (np.isfinite(size) and size >= 0):
            raise EquivalenceError(
                f"equivalence is a difference in nats, such as 0.01, or a share of the loss, such as 1%: got {given!r}"
            )
        return cls(share=size / 100) if share else cls(nats=size)

    def at(self, posterior: PosteriorData, points: pd.DataFrame, loss: float) -> float:
        """Return the region's half-width in nats about runs at some points.

        Parameters
        ----------
        posterior : PosteriorData
        points : DataFrame
            Runs whose noise counts: labels and compute.
        loss : float
            Typical loss there.
        """
        if self.nats is not None:
            return self.nats
        return loss * (run_noise(posterior, points) if self.share is None else self.share)

    @property
    def sentence(self) -> str:
        """What counts as equivalent, and when a difference as shown, for people."""
        size = "less than the noise of one run"
        if self.nats is not None:
            size = f"at most {significant(self.nats, 2)} nats"
        elif self.share is not None:
            size = f"at most {percent(self.share, 2)}"
        shown = f"a difference is shown where it is larger with a probability of {percent(SHOWN)} or more"
        return f"Losses that differ by {size} count as equivalent; {shown}."


def run_noise(posterior: PosteriorData, points: pd.DataFrame) -> float:
    """Return the posterior median of the noise scale of a new run's log loss, its evaluation's error left out."""
    new = points.drop(columns=[c for c in ("run_id",) if c in points])
    return float(np.median(given_runs(posterior, new, 0.0).scale))


def contrast(difference: np.ndarray, region: float) -> dict[str, float | str]:
    """Return what draws of a difference in loss, b's less a's, say of a pair.

    Parameters
    ----------
    difference : ndarray, shape (draws,)
    region : float
        Half-width of the region of equivalence, in nats.

    Returns
    -------
    dict
        ``p_a_better``, ``p_equivalent`` and ``p_b_better``, which sum to one, and ``answer`` (`Answer`).
    """
    p = {
        "p_a_better": float(np.mean(difference > region)),
        "p_equivalent": float(np.mean(np.abs(difference) <= region)),
        "p_b_better": float(np.mean(difference < -region)),
    }
    shown = [name for name, x in p.items() if x >= SHOWN]
    answer = shown[0].removeprefix("p_").replace("_", " ") if shown else "not shown"
    return {**p, "answer": answer}
