"""Priors of the factor model."""

from __future__ import annotations

from bayescale.laws import Range
from bayescale.laws.base import Support
from bayescale.models.spec import Prior
from bayescale.skills.priors import Priors


class ObservationalPriors(Priors):
    """Of the factor model."""

    efficiency: Prior = Range(0.2, 3.0)
    efficiency_sd: Prior = Range(0.1, 0.8)
    second: Prior = Range(-1.0, 1.0)
    start: Prior = Range(-2.5, 2.5)
    start_sd: Prior = Range(0.2, 2.0)
    own_sd: Prior = Range(0.05, 0.6)
    loading: Prior = Range(0.3, 3.0)
    crossed: Prior = Range(-1.0, 1.0)
    easiness: Prior = Range(-3.0, 3.0)
    post: Prior = Range(-1.5, 1.5)
    spread: Prior = Range(0.0005, 0.03)

    @classmethod
    def about(cls) -> dict[str, tuple[Support, str]]:
        return {
            "efficiency": ("positive", "logits of the first anchor per decade of compute, typical family"),
            "efficiency_sd": ("positive", "standard deviation of its log between families"),
            "second": ("real", "logits per decade of further capabilities, which compute may also cost"),
            "start": ("real", "capability at the middle of the compute, typical family"),
            "start_sd": ("positive", "standard deviation of it between families"),
            "own_sd": ("positive", "scatter of models about their family's line"),
            "loading": ("positive", "logits of a benchmark per logit of the first anchor"),
            "crossed": ("real", "logits of a benchmark per logit of a further anchor"),
            "easiness": ("real", "logit of a benchmark where capabilities are zero"),
            "post": ("real", "what an intervention adds to a capability"),
            "spread": ("positive", "scatter of a benchmark's scores, as the correlation of two items"),
        }
