"""Theory that can be run: power-law random features, their phases, exponents and curves.

The one world in which the truth behind a scaling law is known (Paquette et al. 2024, arXiv:2405.15074), and its sibling
(Bordelon et al. 2024, arXiv:2402.01092). Nothing here is needed to fit; `bayescale.laws.plrf` is the law of this world.
"""

from __future__ import annotations

from typing import Any

_WHERE = {
    "Problem": "problem",
    "TheoryError": "errors",
    "DivergesError": "errors",
    "PHASES": "phases",
    "phase": "phases",
    "exponents": "phases",
    "Components": "asymptotic",
    "components": "asymptotic",
    "Features": "features",
    "solve_volterra": "volterra",
    "risk": "equivalent",
    "curve": "equivalent",
    "curves": "equivalent",
    "limits": "equivalent",
    "stability": "step_size",
    "Optimiser": "sgd",
    "simulate": "sgd",
    "frontier": "compute_optimal",
    "window": "compute_optimal",
    "budgets_for": "compute_optimal",
    "runs_table": "table",
    "scaling": "bordelon",
    "gradient_flow": "bordelon",
    "to_bordelon": "bordelon",
    "from_bordelon": "bordelon",
    "phase_probabilities": "inferred",
    "window_exponents": "inferred",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Public names by the module they are in, imported when first used."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
