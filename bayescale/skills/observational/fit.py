"""The factor model: families turn compute into capabilities, and capabilities into scores (Ruan et al. 2024).

capability_mk ~ Normal(start_fk + efficiency_fk log10(C / C0) + post_mk, own_k), and a score's mean is
chance + (ceiling - chance) sigmoid(easiness_b + sum_k loading_bk capability_mk). Capability k is measured in
logits of its anchor, the benchmark whose loading on it is one and on later capabilities zero: that fixes sign,
rotation and scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd

from bayescale.inference.health import Health
from bayescale.inference.nuts import Settings
from bayescale.skills.beta_binomial import log_probability
from bayescale.skills.errors import SkillsError
from bayescale.skills.information import of_logit
from bayescale.skills.observational.geometry import centred
from bayescale.skills.observational.priors import ObservationalPriors
from bayescale.skills.observational.table import Scores
from bayescale.skills.pooling import log_normal, pooled
from bayescale.skills.sampling import Sampled, sample

MANY = 1e6
"""Items of a score whose count is not known: its scatter is the benchmark's own alone."""

REPORTED = (
    "efficiency",
    "start",
    "loading",
    "easiness",
    "capability",
    "post",
    "spread",
    "typical_efficiency",
    "efficiency_sd",
    "typical_start",
    "start_sd",
    "own_sd",
)


@dataclass(frozen=True)
class ObservationalModel:
    """The NumPyro model: a function of arrays.

    Attributes
    ----------
    factors : int
        Capabilities.
    anchors : tuple of int
        The benchmark that each is measured in.
    families, benchmarks, models, post : int
        How many there are.
    priors : ObservationalPriors
    """

    factors: int
    anchors: tuple[int, ...]
    families: int
    benchmarks: int
    models: int
    post: int
    priors: ObservationalPriors = field(default_factory=ObservationalPriors)

    def __call__(self, data: Mapping[str, Any]) -> None:
        priors, family = self.priors, data["family"]
        capability = []
        kept: dict[str, list[Any]] = {
            name: []
            for name in (
                "efficiency",
                "start",
                "post",
                "typical_efficiency",
                "efficiency_sd",
                "typical_start",
                "start_sd",
            )
        }
        own_sd = []
        for k in range(self.factors):
            sd = log_normal(f"efficiency_sd_{k}", priors.normal("efficiency_sd"))
            kept["efficiency_sd"].append(sd)
            if k == 0:
                typical = numpyro.sample("log_efficiency", dist.Normal(*priors.normal("efficiency")))
                efficiency = jnp.exp(pooled("log_efficiency_of", typical, sd, data["centred_rate"]))
                typical = jnp.exp(typical)
            else:
                typical = numpyro.sample(f"rate_{k}", dist.Normal(*priors.normal("second")))
                efficiency = pooled(f"rate_of_{k}", typical, sd, data["centred_rate"])
            middle = numpyro.sample(f"middle_{k}", dist.Normal(*priors.normal("start")))
            spread = log_normal(f"start_sd_{k}", priors.normal("start_sd"))
            start = pooled(f"start_of_{k}", middle, spread, data["centred_start"])
            effect = jnp.zeros(0)
            if self.post:
                effect = numpyro.sample(
                    f"post_{k}", dist.Normal(*priors.normal("post")).expand([self.post]).to_event(1)
                )
            own = log_normal(f"own_sd_{k}", priors.normal("own_sd"))
            line = start[family] + efficiency[family] * data["decades"]
            if self.post:
                line = line + data["post"] @ effect
            capability.append(pooled(f"capability_{k}", line, own, data["centred_model"]))
            own_sd.append(own)
            for name, value in (
                ("efficiency", efficiency),
                ("start", start),
                ("post", effect),
                ("typical_efficiency", typical),
                ("typical_start", middle),
                ("start_sd", spread),
            ):
                kept[name].append(value)
        for name, values in kept.items():
            numpyro.deterministic(name, jnp.stack(values, axis=-1))
        numpyro.deterministic("own_sd", jnp.stack(own_sd))
        S = numpyro.deterministic("capability", jnp.stack(capability, axis=-1))
        loading = numpyro.deterministic("loading", self._loadings())
        free = [b for b in range(self.benchmarks) if b not in self.anchors]
        easiness = jnp.zeros(self.benchmarks)
        if free:
            values = numpyro.sample(
                "easiness_of", dist.Normal(*priors.normal("easiness")).expand([len(free)]).to_event(1)
            )
            easiness = _placed(easiness, free, values)
        numpyro.deterministic("easiness", easiness)
        spread = numpyro.sample(
            "log_spread", dist.Normal(*priors.normal("spread")).expand([self.benchmarks]).to_event(1)
        )
        numpyro.deterministic("spread", jnp.exp(spread))
        bench = data["bench"]
        eta = easiness[bench] + (loading[bench] * S[data["model"]]).sum(axis=-1)
        p = mean_score(eta, data["chance"][bench], data["ceiling"][bench])
        terms = log_probability(data["correct"], data["items"], p, 1 / jnp.exp(spread)[bench] - 1)
        numpyro.factor("scores", terms.sum())

    def _loadings(self) -> Any:
        """Loadings, shape (benchmarks, factors): an anchor's own is one, and zero on later capabilities."""
        priors = self.priors
        columns = []
        for k, anchor in enumerate(self.anchors):
            free = [b for b in range(self.benchmarks) if b not in self.anchors[: k + 1]]
            column = _placed(jnp.zeros(self.benchmarks), [anchor], 1.0)
            if free:
                shape = [len(free)]
                if k == 0:
                    raw = numpyro.sample(
                        "log_loading", dist.Normal(*priors.normal("loading")).expand(shape).to_event(1)
                    )
                    raw = jnp.exp(raw)
                else:
                    raw = numpyro.sample(
                        f"loading_{k}", dist.Normal(*priors.normal("crossed")).expand(shape).to_event(1)
                    )
                column = _placed(column, free, raw)
            columns.append(column)
        return jnp.stack(columns, axis=-1)


def _fixed_easiness(model: ObservationalModel) -> np.ndarray:
    return np.isin(np.arange(model.benchmarks), model.anchors)


def _fixed_loadings(model: ObservationalModel) -> np.ndarray:
    fixed = np.zeros((model.benchmarks, model.factors), dtype=bool)
    for k in range(model.factors):
        fixed[list(model.anchors[: k + 1]), k] = True
    return fixed


def _placed(array: Any, places: list[int], values: Any) -> Any:
    """A copy with these places set."""
    return array.at[np.array(places)].set(values)  # noqa: PD008  JAX's, not pandas'


def mean_score(eta: Any, chance: Any, ceiling: Any) -> Any:
    """Expected score at a logit."""
    return jnp.clip(chance + (ceiling - chance) * jax.nn.sigmoid(eta), 1e-5, 1 - 1e-5)


@dataclass(frozen=True, eq=False)
class ObservationalFit:
    """A fitted factor model.

    Attributes
    ----------
    scores : Scores
    model : ObservationalModel
    families : tuple of str
    middle : float
        log10 of the compute at which ``start`` is.
    sampled : Sampled
    """

    scores: Scores
    model: ObservationalModel
    families: tuple[str, ...]
    middle: float
    sampled: Sampled

    def health(self) -> Health:
        """PASS, REVIEW or FAIL, each check with its figure and advice."""
        return self.sampled.health

    @cached_property
    def efficiency(self) -> pd.DataFrame:
        """A row a family: logits of the first anchor per decade, and what its compute is worth beside the typical
        family's.

        ``worth`` is how many times the compute the typical family needs for the same first capability at the middle.
        """
        slope, start = (self.sampled.flat(name)[..., 0] for name in ("efficiency", "start"))
        typical, middle = (
            self.sampled.flat(name)[..., 0][:, None] for name in ("typical_efficiency", "typical_start")
        )
        rows: dict[str, Any] = {"family": self.families}
        for name, values in (
            ("per_decade", slope),
            ("worth", 10 ** np.clip((start - middle) / typical, -9, 9)),
        ):
            low, mid, high = np.quantile(values, (0.05, 0.5, 0.95), axis=0)
            rows |= {name: mid, f"{name}_q0.05": low, f"{name}_q0.95": high}
        best = np.argmax(start, axis=1)
        rows["best"] = [float((best == i).mean()) for i in range(len(self.families))]
        return pd.DataFrame(rows)

    @cached_property
    def loadings(self) -> pd.DataFrame:
        """A row a benchmark and capability."""
        rows = []
        for k, anchor in enumerate(self.model.anchors):
            for b, name in enumerate(self.scores.benchmarks):
                low, mid, high = np.quantile(self.sampled.flat("loading")[:, b, k], (0.05, 0.5, 0.95))
                rows.append(
                    {
                        "capability": self.scores.benchmarks[anchor],
                        "benchmark": name,
                        "loading": mid,
                        "loading_q0.05": low,
                        "loading_q0.95": high,
                    }
                )
        return pd.DataFrame(rows)

    def post_training(self) -> pd.DataFrame:
        """A row an intervention and capability: what it adds, in logits of the anchor, and whether it helps."""
        rows = []
        for q, name in enumerate(self.scores.post):
            for k, anchor in enumerate(self.model.anchors):
                draws = self.sampled.flat("post")[:, q, k]
                low, mid, high = np.quantile(draws, (0.05, 0.5, 0.95))
                rows.append(
                    {
                        "intervention": name,
                        "capability": self.scores.benchmarks[anchor],
                        "adds": mid,
                        "adds_q0.05": low,
                        "adds_q0.95": high,
                        "helps": float((draws > 0).mean()),
                    }
                )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        shown = [
            f"{len(self.scores.models)} models of {len(self.families)} families, "
            f"{len(self.scores.benchmarks)} benchmarks, "
            f"{int(np.isfinite(self.scores.scores).sum())} scores; health {self.health().verdict}",
            self.efficiency.to_string(index=False, float_format="{:.3g}".format),
            self.loadings.to_string(index=False, float_format="{:.3g}".format),
        ]
        if self.scores.post:
            shown.append(self.post_training().to_string(index=False, float_format="{:.3g}".format))
        return "\n\n".join(shown)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "health": self.health().to_dict(),
            "families": self.efficiency.to_dict("records"),
            "loadings": self.loadings.to_dict("records"),
            "post_training": self.post_training().to_dict("records"),
        }


def fit_observational(
    scores: Scores,
    factors: int = 1,
    anchors: Sequence[str] = (),
    priors: ObservationalPriors | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> ObservationalFit:
    """Fit the factor model.

    Parameters
    ----------
    scores : Scores
    factors : int
        Capabilities; at most three, and fewer than benchmarks.
    anchors : sequence of str
        Benchmarks that capabilities are measured in, one each; where absent, those with most scores, in the
        table's order.
    priors : ObservationalPriors, optional
    seed : int
    settings : Settings, optional

    Raises
    ------
    SkillsError
        Too many factors for the benchmarks, or an anchor that is none of them.
    """
    names = scores.benchmarks
    if not 1 <= factors <= 3 or (factors > 1 and factors >= len(names)):
        raise SkillsError(
            f"{factors} capabilities cannot be told apart by {len(names)} benchmarks: "
            "there are 1 to 3, and fewer than benchmarks"
        )
    unknown = [name for name in anchors if name not in names]
    if unknown or (anchors and len(anchors) != factors):
        raise SkillsError(f"name one anchor a capability, from {', '.join(names)}: got {', '.join(anchors)}")
    counts = np.isfinite(scores.scores).sum(axis=0)
    order = [names.index(name) for name in anchors] or np.argsort(-counts, kind="stable")[:factors].tolist()
    families = tuple(dict.fromkeys(scores.models["family"]))
    if len(families) < 2:
        raise SkillsError(
            "there is one family only: what a benchmark asks for cannot be told from what the family is good at"
        )
    decades = np.log10(scores.models["flops"].to_numpy(float))
    middle = float(decades.mean())
    model_index, bench = np.nonzero(np.isfinite(scores.scores))
    share = scores.scores[model_index, bench]
    known = np.isfinite(scores.items[model_index, bench])
    items = np.where(known, scores.items[model_index, bench], MANY)
    model = ObservationalModel(
        factors,
        tuple(order),
        len(families),
        len(names),
        len(decades),
        len(scores.post),
        priors or ObservationalPriors(),
    )
    families_of = np.array([families.index(f) for f in scores.models["family"]])
    data = {
        "family": families_of,
        "decades": decades - middle,
        "post": scores.models[list(scores.post)].to_numpy(float).reshape(len(decades), -1),
        "model": model_index,
        "bench": bench,
        "correct": np.round(share * items),
        "items": items,
        "chance": scores.chance,
        "ceiling": scores.ceiling,
        **centred(
            of_logit(share, items, scores.chance[bench], scores.ceiling[bench]),
            model_index,
            families_of,
            decades - middle,
            model.priors,
        ),
    }
    sampled = sample(
        model,
        data,
        tuple(name for name in REPORTED if name != "post" or scores.post),
        seed,
        settings,
        labels={"own_sd": [names[i] for i in order]},
        # An anchor's easiness and loadings are fixed: they have no R-hat.
        fixed={"easiness": _fixed_easiness(model), "loading": _fixed_loadings(model)},
        size=len(decades) * factors + 2 * len(families) * factors + 3 * len(names),
    )
    return ObservationalFit(scores, model, families, middle, sampled)
