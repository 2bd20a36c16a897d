"""Priors of the models of skills, as ranges that a person can argue with; printed, and changed in a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from bayescale.laws import Range
from bayescale.laws.base import Support
from bayescale.models.spec import Prior, read_toml
from bayescale.skills.errors import SkillsError


class Priors(BaseModel):
    """Ranges of one model; subclasses say of what, and `SUPPORTS` and `MEANINGS` describe each."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def about(cls) -> dict[str, tuple[Support, str]]:
        """Support and meaning of every range."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _in_support(self) -> Priors:
        for name, (support, _) in self.about().items():
            getattr(self, name).normal(support)
        return self

    def normal(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation on the link scale: log, logit or none."""
        mean, sd = getattr(self, name).normal(self.about()[name][0])
        return float(mean), float(sd)

    def __str__(self) -> str:
        rows = []
        for name, (support, meaning) in self.about().items():
            low, high = getattr(self, name).interval(support, 0.9)
            rows.append((name, f"{low:>7.3g} to {high:<7.3g}", meaning))
        wide = max(len(name) for name, _, _ in rows)
        return "\n".join(f"  {name:<{wide}}  {text}  {meaning}" for name, text, meaning in rows)

    __repr__ = __str__

    @classmethod
    def load(cls, path: str | Path | None) -> Any:
        """The defaults, or what a TOML file changes of them: ``slope = { range = [0.5, 5], mass = 0.9 }``.

        Raises
        ------
        SkillsError
            No such file, or mistakes in it; all are named.
        """
        return cls() if path is None else read_toml(cls, Path(path), SkillsError, "priors")


class AccuracyPriors(Priors):
    """From loss to accuracy."""

    level: Prior = Range(0.02, 0.8)
    level_sd: Prior = Range(0.4, 3.0)
    slope: Prior = Range(0.4, 8.0)
    slope_sd: Prior = Range(0.1, 1.0)
    spread: Prior = Range(0.0003, 0.03)
    spread_sd: Prior = Range(0.2, 1.2)

    @classmethod
    def about(cls) -> dict[str, tuple[Support, str]]:
        return {
            "level": ("unit", "share of the way from chance to ceiling at the reference loss, typical skill"),
            "level_sd": ("positive", "standard deviation of its logit between skills"),
            "slope": ("positive", "logits (or e-folds of distance from chance) per nat, typical skill"),
            "slope_sd": ("positive", "standard deviation of its log between skills"),
            "spread": (
                "positive",
                "correlation of two items of one run beyond what the loss says: 0.01 doubles the variance of 100",
            ),
            "spread_sd": ("positive", "standard deviation of its log between skills"),
        }


class ScorePriors(Priors):
    """From loss to a mean score without a ceiling: log-likelihood or Brier score."""

    rate: Prior = Range(-0.5, 1.2)
    rate_sd: Prior = Range(0.1, 1.0)
    noise: Prior = Range(0.05, 1.0)
    noise_sd: Prior = Range(0.1, 1.0)

    @classmethod
    def about(cls) -> dict[str, tuple[Support, str]]:
        return {
            "rate": (
                "real",
                "gain per standard deviation of loss, in standard deviations of the score",
            ),
            "rate_sd": ("positive", "standard deviation of it between skills"),
            "noise": (
                "positive",
                "scatter of runs about the line, in standard deviations of the score",
            ),
            "noise_sd": ("positive", "standard deviation of its log between skills"),
        }
