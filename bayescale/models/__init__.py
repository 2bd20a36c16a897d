"""A model: a law, its pooling, its priors and its noise."""

from bayescale.models.design import Design, DesignError, make_design
from bayescale.models.effects import Effects
from bayescale.models.spec import Model, ModelError, Noise

__all__ = ["Design", "DesignError", "Effects", "Model", "ModelError", "Noise", "make_design"]
