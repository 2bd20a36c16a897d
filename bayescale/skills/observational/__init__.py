"""Observational laws: what a table of public models and their benchmark scores says, without training anything."""

from bayescale.skills.observational.fit import ObservationalFit, ObservationalModel, fit_observational
from bayescale.skills.observational.forecast import forecast_scores, held_out_scores
from bayescale.skills.observational.table import Scores, check_scores, read_scores, scores_of_runs

__all__ = [
    "ObservationalFit",
    "ObservationalModel",
    "Scores",
    "check_scores",
    "fit_observational",
    "forecast_scores",
    "held_out_scores",
    "read_scores",
    "scores_of_runs",
]
