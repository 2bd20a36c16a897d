"""The fitted object and its file: draws, runs, model, health and where it all came from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DesignWarning, UserError
from bayescale.flops import FlopRule, learn_rule
from bayescale.inference import Check, Health, Settings, fit_design
from bayescale.inference.drift import drift_draws
from bayescale.inference.nuts import Progress
from bayescale.inference.quantities import ROWS, fitted_loss, measured_loss, prior_draws, quantities
from bayescale.models import Design, Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import noise_of_draws
from bayescale.models.identifiability import identifiability
from bayescale.models.labels import label_text
from bayescale.models.layout import layout_of, noise_names
from bayescale.models.noise import draw_noise, row_scale
from bayescale.revisions import REVISIONS
from bayescale.runs import Conventions, conventions_of, table_hash
from bayescale.runs.atomic import replace_files
from bayescale.runs.cells import canonical

MANY = 8
"""Groups above which a posterior is printed as their population, and not group by group."""

FORMAT = 6
"""Version of the file's layout; a reader refuses what is newer than itself."""

PRIOR = 2000
"""Draws of the prior."""

LIBRARIES = ("bayescale", "numpyro", "jax", "numpy", "pandas", "xarray", "arviz-stats")


class PosteriorFileError(UserError):
    """A file that is not a posterior, was altered, or is too new; the message says which."""


Self = TypeVar("Self", bound="PosteriorData")


@dataclass(frozen=True, eq=False)
class PosteriorData:
    """A fitted posterior, immutable.

    Attributes
    ----------
    tree : xarray.DataTree
        ArviZ's groups: ``posterior``, ``unconstrained_posterior``, ``sample_stats``, ``log_likelihood``, ``log_prior``,
        ``prior``, ``posterior_predictive``, ``observed_data``, ``constant_data``.
    model : Model
    runs : DataFrame
        The runs that were fitted, with their conventions in ``attrs``.
    verdict : Health
    provenance : dict
        ``seed``, ``settings``, ``versions``, ``revisions``, ``created``, ``command``, ``notes``, ``folds`` (what
        forecasts without the dearest and the largest of the runs came to), ``source``, and hashes.
    """

    tree: xr.DataTree
    model: Model
    runs: pd.DataFrame
    verdict: Health
    provenance: dict[str, Any]

    @cached_property
    def design(self) -> Design:
        """Arrays of the fit, remade from the runs and the model."""
        return make_design(self.model, self.runs)

    @property
    def conventions(self) -> Conventions:
        return conventions_of(self.runs)

    @cached_property
    def z(self) -> np.ndarray:
        """Raw draws, shape (draws, size), chains one after the other."""
        raw = self.tree["unconstrained_posterior"]["z"].to_numpy()
        return raw.reshape(-1, raw.shape[-1])

    def draws(self, name: str) -> np.ndarray:
        """Draws of a quantity, chains one after the other, shape (draws, ...).

        Raises
        ------
        KeyError
            No such quantity; the message lists those there are.
        """
        known = list(self.tree["posterior"].data_vars)
        if name not in known:
            raise KeyError(f"no quantity {name!r} in the posterior: there are {', '.join(map(str, known))}")
        values = self.tree["posterior"][name].to_numpy()
        return values.reshape(-1, *values.shape[2:])

    @cached_property
    def flops_per_param_token(self) -> float:
        """Median k in C = k N D over the fitted runs, to be printed; `flop_rule` is what computes."""
        return self.flop_rule.typical

    @cached_property
    def flop_rule(self) -> FlopRule:
        """What compute costs: learned from the fitted runs, or 6 N D where the table has no FLOPs of its own."""
        if not {"flops", "params", "tokens"} <= set(self.runs) or self.conventions.flops_filled:
            return FlopRule()
        return learn_rule(*(self.runs[name].to_numpy(float) for name in ("params", "tokens", "flops")))

    def flops_of(self, runs: pd.DataFrame) -> np.ndarray:
        """Compute of every row: as counted, or by `flop_rule` where it was not; NaN where neither is known."""
        known = pd.Series(np.nan, index=runs.index)
        if {"params", "tokens"} <= set(runs.columns):
            known = self.flop_rule.flops(runs["params"].astype(float), runs["tokens"].astype(float))
        if "flops" in runs:
            known = runs["flops"].astype(float).fillna(known)
        return known.to_numpy(float)

    def runs_of(self, labels: Mapping[Any, Any]) -> pd.DataFrame:
        """The fitted runs of a group: those with these labels, by grouping column."""
        rows = self.runs
        for column, label in labels.items():
            rows = rows[rows[column].map(label_text) == label_text(label)]
        return rows

    def noise_scale(
        self, runs: pd.DataFrame, relative_se: float | np.ndarray, times: float | np.ndarray = 1.0
    ) -> np.ndarray:
        """Scale of each row's own noise of log loss, shape (draws, rows): typical noise where compute is not known.

        `times` is what the rows' groups multiply sigma by (`bayescale.forecast.noise`).
        """
        decades = np.nan_to_num(np.log10(self.flops_of(runs) / self.design.typical_flops), nan=0.0)
        noise = {name: self.draws(name)[:, None] for name in noise_names(self.design)}
        noise["sigma"] = noise["sigma"] * times
        return np.asarray(row_scale(noise, decades, np.broadcast_to(relative_se, len(runs))))

    @cached_property
    def dearest(self) -> float:
        """Compute of the dearest fitted run; NaN where no run's is known."""
        flops = self.flops_of(self.runs)
        return float(np.nanmax(flops)) if np.isfinite(flops).any() else float("nan")

    def health(self) -> Health:
        """PASS, REVIEW or FAIL, each check with its figure and advice."""
        return self.verdict

    def summary(self, mass: float = 0.9) -> pd.DataFrame:
        """Mean, standard deviation, central interval, R-hat and ESS of every quantity."""
        from arviz_stats import summary

        return summary(self.tree, ci_prob=mass, ci_kind="eti", round_to="none")

    @cached_property
    def sha256(self) -> str:
        """Hash of everything in the posterior: draws, runs, model and provenance."""
        digest = hashlib.sha256()
        for text in (
            self.model.model_dump_json(),
            table_hash(self.runs),
            json.dumps(self.provenance, sort_keys=True),
        ):
            digest.update(text.encode())
        for group in sorted(self.tree.groups):
            dataset = self.tree[group].to_dataset()
            for name in sorted(map(str, dataset.variables)):
                values = dataset[name].to_numpy()
                words = values.dtype.kind in "OUS"
                digest.update(
                    f"{group}/{name}/{'text' if words else values.dtype.str}/{values.shape}".encode()
                )
                digest.update(
                    "\0".join(map(str, values.ravel())).encode()
                    if words
                    else np.ascontiguousarray(values).tobytes()
                )
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write one netCDF file, whole or not at all."""
        path = Path(path)
        tree = self.tree.copy()
        buffer = io.BytesIO()
        runs = self.runs.copy()
        attrs, runs.attrs = dict(runs.attrs), {}
        runs.to_parquet(buffer, index=False)
        tree["runs"] = xr.DataTree(
            xr.Dataset({"parquet": ("byte", np.frombuffer(buffer.getvalue(), dtype=np.uint8))})
        )
        tree.attrs = {
            "bayescale_format": FORMAT,
            "model": self.model.model_dump_json(),
            "runs_attrs": json.dumps(attrs),
            "health": json.dumps(self.verdict.to_dict()),
            "provenance": json.dumps(self.provenance),
            "sha256": self.sha256,
        }
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            tree.to_netcdf(temporary, engine="h5netcdf")
            replace_files({path: temporary.read_bytes()})
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls: type[Self], path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises
        ------
        PosteriorFileError
            Not such a file, altered since it was written, or written by a newer version.
        """
        path = Path(path)
        try:
            with xr.open_datatree(path, engine="h5netcdf") as opened:
                tree = opened.load()
        except FileNotFoundError:
            raise PosteriorFileError(f"{path}: no such file") from None
        except (OSError, ValueError) as error:
            raise PosteriorFileError(f"{path}: not a posterior file ({error})") from None
        attrs = tree.attrs
        if "bayescale_format" not in attrs:
            raise PosteriorFileError(f"{path}: not written by bayescale fit")
        if int(attrs["bayescale_format"]) > FORMAT:
            raise PosteriorFileError(
                f"{path}: written by a newer bayescale; upgrade with pip install -U bayescale"
            )
        if int(attrs["bayescale_format"]) < FORMAT:
            raise PosteriorFileError(
                f"{path}: written by an earlier bayescale, of other coordinates or another model; fit again"
            )
        try:
            runs = pd.read_parquet(io.BytesIO(tree["runs"]["parquet"].to_numpy().tobytes()))
            runs.attrs = json.loads(attrs["runs_attrs"])
            saved = json.loads(attrs["health"])
            health = Health(tuple(Check(**check) for check in saved["checks"]))
            model = Model.model_validate_json(attrs["model"])
            provenance = json.loads(attrs["provenance"])
        except (KeyError, ValueError, TypeError) as error:
            if "no law named" in str(error):
                raise PosteriorFileError(
                    f"{path}: fitted with a law of its own that is not known here; make it known with "
                    f"bayescale.register before loading ({error})"
                ) from None
            raise PosteriorFileError(f"{path}: damaged ({error})") from None
        groups = {name: child for name, child in tree.children.items() if name != "runs"}
        posterior = cls(xr.DataTree(children=groups), model, runs, health, provenance)
        if posterior.sha256 != attrs["sha256"]:
            raise PosteriorFileError(
                f"{path}: its content does not match its hash; it was altered or damaged, fit again"
            )
        return posterior

    def __str__(self) -> str:
        law = self.model.definition
        chains, seed = self.provenance["settings"]["chains"], self.provenance["seed"]
        lines = [
            f"posterior of {self.model.name} on {len(self.runs)} runs: {law.equation}",
            f"  {self.conventions}",
            f"  {len(self.z)} draws from {chains} chains, seed {seed}, health {self.verdict.verdict}",
        ]
        lines += [f"  note: {note}" for note in self.provenance["notes"]]
        rows = [(label, *np.quantile(values, (0.5, 0.05, 0.95))) for label, values in self._headline()]
        wide = max(len(label) for label, *_ in rows)
        cells = len(self.design.cells)
        if cells > MANY:
            lines.append(f"  {cells} groups: below, their population; each of them by posterior.summary()")
        lines += ["", f"  {'':<{wide}}  median   90 % interval"]
        lines += [
            f"  {label:<{wide}}  {mid:<7.4g}  {low:.4g} to {high:.4g}" for label, mid, low, high in rows
        ]
        if not self.verdict.passed:
            lines += ["", str(self.verdict)]
        return "\n".join(lines)

    __repr__ = __str__

    def _headline(self) -> list[tuple[str, np.ndarray]]:
        cells, names = self.design.cell_labels, self.model.definition.parameter_names
        common = [coefficient.name for coefficient in self.design.coefficients]
        rows = [(name, self.draws(name)) for name in (*common, *noise_names(self.design))]
        if len(cells) > MANY:
            # Of so many groups, the population and how far they differ; each of them is in `summary`.
            about = [f"{name}_mean" for name in names] + [f"{e.name}_sd" for e in self.design.effects]
            return [*((name, self.draws(name)) for name in about), *rows]
        each = [
            (f"{name}[{cell}]" if len(cells) > 1 else name, self.draws(name)[:, i])
            for name in names
            for i, cell in enumerate(cells)
        ]
        return [*each, *rows]


def fit_posterior(
    runs: pd.DataFrame,
    model: Model,
    seed: int,
    settings: Settings,
    progress: Progress | None = None,
    command: str = "",
    kind: type[Self] = PosteriorData,  # type: ignore[assignment]
) -> Self:
    """Fit a model to a validated runs table.

    Raises
    ------
    DesignError
        The table lacks what the law needs.

    Warns
    -----
    DesignWarning
        Before sampling: the runs cannot tell some parameters, which will repeat their priors.
    """
    # Whole numbers past 2^63, as FLOPs in a CSV file, reach a user's frame as Python's own, which no file takes.
    runs = canonical(runs)
    design = make_design(model, runs)
    blind = identifiability(design).notes()
    if blind:
        warnings.warn("; ".join(blind), DesignWarning, stacklevel=3)
    fit = fit_design(design, seed, settings, progress)
    provenance = {
        "seed": seed,
        "settings": vars(fit.settings),
        "versions": {name: metadata.version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
        "revisions": dict(REVISIONS),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "notes": [*design.notes, *blind, *fit.notes],
        "folds": [fold.record() for fold in fit.folds],
        "source": str(runs.attrs.get("source", "")),
        "runs_sha256": table_hash(runs),
        "model_sha256": model.sha256,
    }
    return kind(_tree(design, fit, seed), model, runs, fit.health, provenance)


def prior_posterior(
    runs: pd.DataFrame,
    model: Model,
    seed: int = 0,
    draws: int = 4000,
    kind: type[Self] = PosteriorData,  # type: ignore[assignment]
) -> Self:
    """What a model says before any run: draws of its prior, to plan a first sweep with.

    Parameters
    ----------
    runs : DataFrame
        Runs that could be made, without losses: their inputs are the point that priors are stated at, their largest
        where drift begins. Losses that the table has are set aside.
    model : Model
    seed, draws : int

    Returns
    -------
    PosteriorData
        Its health is REVIEW, since nothing was measured; the losses in its runs are the prior's medians.
    """
    runs = runs.reset_index(drop=True).assign(loss=1.0)
    design = make_design(model, runs)
    rng = np.random.default_rng([seed, 5])
    z = prior_draws(design, draws, rng)
    expected = np.median(fitted_loss(design, z), axis=0)
    named = quantities(design, z[None])
    named = named.adding({f"drift_{a}": k[None] for a, k in drift_draws(design, (), draws, rng).items()})
    tree = xr.DataTree(
        children={
            "posterior": _group(named.posterior, named.dims, named.coords),
            "unconstrained_posterior": _group({"z": z[None]}, {"z": ["coordinate"]}, {}),
            "log_prior": _group(named.log_prior, {}, {}),
        }
    )
    advice = "These are draws of the prior: plan a first sweep with them, and fit what it measures."
    nothing = Check("data", "REVIEW", 0.0, "at least two runs", "", advice)
    provenance = {
        "seed": seed,
        "settings": {"chains": 1, "draws": draws},
        "notes": ["no run was measured: losses in this table are the medians of the prior"],
        "folds": [],
        "source": "",
        "prior": True,
    }
    return kind(tree, model, runs.assign(loss=expected), Health((nothing,)), provenance)


def _tree(design: Design, fit: Any, seed: int) -> xr.DataTree:
    rng = np.random.default_rng([seed, 1])
    named, z = fit.quantities, fit.draws.z
    prior = _prior(design, rng)
    replicated = _replicated(design, z.reshape(-1, z.shape[-1]), rng)
    run = {"run": np.arange(1, design.run.max() + 2)}
    row = {"row": np.arange(1, len(design.loss) + 1)}
    shape = z.shape[:2]
    return xr.DataTree(
        children={
            "posterior": _group(named.posterior, named.dims, named.coords),
            "unconstrained_posterior": _group({"z": z}, {"z": ["coordinate"]}, {}),
            "sample_stats": _group(fit.draws.stats, {}, {}),
            "log_likelihood": _group({"log_loss": named.log_likelihood}, {"log_loss": ["run"]}, run),
            "log_prior": _group(named.log_prior, {}, {}),
            "prior": prior,
            "posterior_predictive": _group({"loss": replicated.reshape(*shape, -1)}, {"loss": ["row"]}, row),
            "observed_data": _group(
                {"loss": design.loss, "log_loss": np.log(design.loss)},
                {name: ["row"] for name in ("loss", "log_loss")},
                row,
                lead=(),
            ),
            "constant_data": _group(
                design.inputs
                | {"loss_se": design.loss_se, "cell_index": design.cell, "run_index": design.run},
                {name: ["row"] for name in (*design.inputs, "loss_se", "cell_index", "run_index")},
                row,
                lead=(),
            ),
        }
    )


def _prior(design: Design, rng: np.random.Generator) -> xr.DataTree:
    named = quantities(design, prior_draws(design, PRIOR, rng)[None])
    named = named.adding({f"drift_{a}": k[None] for a, k in drift_draws(design, (), PRIOR, rng).items()})
    return _group(named.posterior, named.dims, named.coords)


def _replicated(design: Design, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Losses that the fitted runs would measure again, shape (draws, rows)."""
    out = fitted_loss(design, z)
    layout, data = layout_of(design), data_of(design)
    batch = max(1, ROWS // out.shape[1])
    # In place and a part at a time: of many rows every copy takes as much memory as the draws.
    for part in (slice(start, start + batch) for start in range(0, len(z), batch)):
        noise = noise_of_draws(z[part], layout, data)
        scale = row_scale(noise, design.decades, design.loss_se / design.loss)
        out[part] = measured_loss(
            out[part], draw_noise(scale, noise["nu"], noise.get("sigma_run"), design.run, rng)
        )
    return out


def _group(
    values: Mapping[str, np.ndarray],
    dims: Mapping[str, list[str]],
    coords: Mapping[str, Any],
    lead: tuple[str, ...] = ("chain", "draw"),
) -> xr.DataTree:
    variables = {name: ((*lead, *dims.get(name, [])), np.asarray(x)) for name, x in values.items()}
    used = {dim for dims_, _ in variables.values() for dim in dims_}
    counts = {
        dim: np.arange(next(x.shape[d.index(dim)] for d, x in variables.values() if dim in d)) for dim in lead
    }
    return xr.DataTree(
        xr.Dataset(variables, coords=counts | {k: list(v) for k, v in coords.items() if k in used})
    )
