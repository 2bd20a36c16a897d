"""The 4+3 phases and their compute-optimal exponents (Paquette et al. 2024, arXiv:2405.15074, Table 1 and Figure 2a).

With flops f = r d B, the best size grows as d* ~ f^xi and the best loss falls as P* ~ f^-eta. Which exponents depends
on which two terms of the risk trade off there. alpha is the data's complexity, beta the target's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayescale.theory.problem import check_complexity

IV_SPLIT = 1 - 1 / np.sqrt(2)
"""alpha between the phases IVa and IVb."""
NONE = "none"
"""Where 2 (alpha + beta) <= 1: the target has no finite variance as v grows, and no power law."""


class Phase(NamedTuple):
    """What is known of a phase.

    Attributes
    ----------
    name : str
    region : str
    terms : tuple of str
        The two components of the risk in balance at the optimum.
    status : str
        How far the paper's proof goes.
    """

    name: str
    region: str
    terms: tuple[str, str]
    status: str = "proved"


PHASES: dict[str, Phase] = {
    phase.name: phase
    for phase in (
        Phase("Ia", "2 alpha > 1, 2 beta < 1", ("F_pp", "F_0")),
        Phase(
            "Ib", "2 alpha < 1, 2 beta < 1, 2 (alpha + beta) > 1", ("F_pp", "F_0"), "proved for 1/4 < alpha"
        ),
        Phase("Ic", "alpha < 1/4, 2 beta > 1", ("F_pp", "F_0"), "conditional"),
        Phase("II", "2 alpha > 1, 2 beta > 1, beta < alpha", ("F_pp", "F_ac")),
        Phase("III", "2 alpha > 1, beta > alpha", ("K_pp", "F_ac")),
        Phase("IVa", "1 - 1/sqrt(2) < alpha < 1/2, 2 beta > 1", ("K_pp", "F_0")),
        Phase("IVb", "1/4 < alpha < 1 - 1/sqrt(2), 2 beta > 1", ("K_pp", "F_pp")),
    )
}


def phase(alpha: Any, beta: Any) -> Any:
    """The phase's name at each point.

    Parameters
    ----------
    alpha, beta : array_like
        Positive; broadcast against each other.

    Returns
    -------
    str, or ndarray of str
        One of `PHASES`, or `NONE`. A boundary belongs to one of its sides: eta is the same from both.
    """
    check_complexity(alpha, beta)
    a, b = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    found = np.select(
        [
            2 * (a + b) <= 1,
            (2 * a > 1) & (2 * b < 1),
            (2 * a > 1) & (b < a),
            2 * a > 1,
            2 * b < 1,
            a <= 0.25,
            a < IV_SPLIT,
        ],
        [NONE, "Ia", "II", "III", "Ib", "Ic", "IVb"],
        "IVa",
    )
    return str(found) if found.ndim == 0 else found


@dataclass(frozen=True, eq=False)
class Exponents:
    """Phase and compute-optimal exponents.

    Attributes
    ----------
    phase : str or ndarray of str
    xi, eta : float or ndarray
        d* ~ f^xi and P* ~ f^-eta; not a number where there is no power law.
    """

    phase: Any
    xi: Any
    eta: Any


def exponents(alpha: Any, beta: Any) -> Exponents:
    """The compute-optimal exponents (Paquette et al. 2024, Table 1).

    Parameters
    ----------
    alpha, beta : array_like
        Positive; broadcast against each other.

    Returns
    -------
    Exponents
        Of the same shape.
    """
    where = np.asarray(phase(alpha, beta))
    a, b = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    energy = 2 * a + 2 * b - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        rules = {
            "Ia": (1 / (2 * a + 1), energy / (2 * a + 1)),
            "Ib": (np.full_like(a, 0.5), energy / 2),
            "Ic": (
                energy / (2 * (3 * a + 2 * b - 2 * a * b - 1)),
                a * energy / (3 * a + 2 * b - 2 * a * b - 1),
            ),
            "II": (b / (a + b), energy / (2 * (a + b))),
            "III": (np.full_like(a, 0.5), (4 * a - 1) / (4 * a)),
            "IVa": (np.full_like(a, 0.5), a),
            "IVb": (
                (a - b) / (2 * a * b + a - 2 * b),
                (1 - 2 * a) * energy / (2 * (2 * b - a - 2 * a * b)),
            ),
        }
        masks = [where == name for name in rules]
        xi, eta = (np.select(masks, [rule[i] for rule in rules.values()], np.nan)[()] for i in (0, 1))
    return Exponents(str(where) if where.ndim == 0 else where, xi, eta)


BOUNDARIES = {
    "2 alpha = 1": "the high-dimensional line: left of it the step size has to shrink as d^(2 alpha - 1)",
    "2 beta = 1": "right of it the target's largest modes carry its energy",
    "alpha = beta": "between II and III: the noise of SGD takes over from F_pp",
    "alpha = 1/4": "left of it SGD's noise no longer decays as a power law",
    "alpha = 1 - 1/sqrt(2)": "between IVa and IVb: K_pp does not depend on d, so xi jumps and eta does not",
    "2 (alpha + beta) = 1": "below it there is no power law",
}
"""The lines between phases, and what changes there."""


def to_boundary(alpha: float, beta: float) -> tuple[str, float]:
    """The nearest of the boundaries, and how far it is in the plane of alpha and beta.

    Finite sizes blur a boundary: near one the measured exponents are between two phases' for long.
    """
    lines = {
        "2 alpha = 1": abs(alpha - 0.5),
        "2 beta = 1": abs(beta - 0.5),
        "2 (alpha + beta) = 1": abs(alpha + beta - 0.5) / np.sqrt(2),
    }
    if alpha > 0.5 and beta > 0.5:
        lines["alpha = beta"] = abs(alpha - beta) / np.sqrt(2)
    if alpha < 0.5 and beta > 0.5:
        lines["alpha = 1/4"] = abs(alpha - 0.25)
        lines["alpha = 1 - 1/sqrt(2)"] = abs(alpha - IV_SPLIT)
    name = min(lines, key=lambda key: lines[key])
    return name, float(lines[name])
