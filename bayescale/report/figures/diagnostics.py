"""Did the sampler work, and does the model make runs like these: by arviz-plots, in our look."""

from __future__ import annotations

from matplotlib.figure import Figure

from bayescale.models.layout import noise_names
from bayescale.report.figures import arviz
from bayescale.report.subject import Subject


def ranks(subject: Subject, width: float) -> Figure:
    """Draw the ranks of each chain's draws of population means and noise."""
    means = (f"{p}_mean" for p in subject.posterior.model.definition.parameter_names)
    names = [*means, *noise_names(subject.posterior.design)]
    return arviz.ranks(subject.posterior.tree["posterior"].to_dataset()[names], width)


def energy(subject: Subject, width: float) -> Figure:
    """Draw the energy, its change from draw to draw, and E-BFMI of each chain."""
    return arviz.energy(subject.posterior.tree, width)


def replicated(subject: Subject, width: float) -> Figure:
    """Draw the distribution of measured losses among replicated ones."""
    return arviz.replicated(subject.posterior.tree, width)


def pareto_k(subject: Subject, width: float) -> Figure:
    """Draw how far leave-one-out can be trusted, run by run."""
    return arviz.pareto_k(subject.diagnosis.loo.raw, width)


FIGURES = {"ranks": ranks, "energy": energy, "replicated": replicated, "pareto-k": pareto_k}
