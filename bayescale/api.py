"""What a user holds: a posterior with every verb on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import pandas as pd
import xarray as xr

from bayescale import decide as deciding
from bayescale import forecast
from bayescale.bundled import DEFAULT_MODEL
from bayescale.forecast.known_labels import check_points
from bayescale.inference import Settings
from bayescale.inference.nuts import Progress
from bayescale.models import Model
from bayescale.posterior import PosteriorData, fit_posterior
from bayescale.runs import read_runs

if TYPE_CHECKING:
    from bayescale.decide import (
        Adaptive,
        Allocation,
        Cheapest,
        Constraints,
        CostLaw,
        Decision,
        IsoFlopCheck,
        Plan,
        Verdict,
        Versus,
    )
    from bayescale.decide.information import About
    from bayescale.forecast.backtest import Backtest
    from bayescale.forecast.compare import Comparison
    from bayescale.report.diagnosis import Diagnosis


class Posterior(PosteriorData):
    """A fitted posterior and what can be asked of it."""

    @overload
    def predict(
        self,
        points: pd.DataFrame,
        of: forecast.Of = "run",
        quantiles: Sequence[float] = forecast.QUANTILES,
        seed: int = 0,
        draws: Literal[False] = False,
        new_groups: bool = False,
    ) -> pd.DataFrame: ...

    @overload
    def predict(
        self,
        points: pd.DataFrame,
        of: forecast.Of = "run",
        quantiles: Sequence[float] = forecast.QUANTILES,
        seed: int = 0,
        *,
        draws: Literal[True],
        new_groups: bool = False,
    ) -> xr.DataArray: ...

    def predict(
        self,
        points: pd.DataFrame,
        of: forecast.Of = "run",
        quantiles: Sequence[float] = forecast.QUANTILES,
        seed: int = 0,
        draws: bool = False,
        new_groups: bool = False,
    ) -> pd.DataFrame | xr.DataArray:
        """Predict bands at points, or with ``draws=True`` joint draws; see `bayescale.forecast.predict`.

        A label that no run has is an error unless `new_groups` says that there are new groups among the points.
        """
        check_points(self, points, new_groups)
        if draws:
            return forecast.predict(self, points, of, quantiles, seed, draws=True)
        return forecast.predict(self, points, of, quantiles, seed)

    def beside(
        self,
        others: Mapping[str, PosteriorData],
        points: pd.DataFrame,
        weights: Mapping[str, float] | None = None,
        of: forecast.Of = "run",
        quantiles: Sequence[float] = forecast.QUANTILES,
        seed: int = 0,
        new_groups: bool = False,
    ) -> pd.DataFrame:
        """Bands at points by this fit and others, and by their average; see `bayescale.forecast.beside.beside`."""
        from bayescale.forecast.beside import beside

        for one in (self, *others.values()):
            check_points(one, points, new_groups)
        return beside({self.model.name: self, **others}, points, weights, of, quantiles, seed)

    def allocate(
        self,
        flops: Sequence[float] | None = None,
        groups: pd.DataFrame | None = None,
        fixed: Mapping[str, float] | None = None,
        constraints: Constraints | None = None,
        new_groups: bool = False,
    ) -> Allocation:
        """Compute-optimal runs, with or without constraints; see `bayescale.decide.allocate`."""
        _check(self, groups, new_groups)
        return deciding.allocate(self, flops, groups, fixed, constraints)

    def cheapest(
        self,
        loss: float,
        groups: pd.DataFrame | None = None,
        fixed: Mapping[str, float] | None = None,
        constraints: Constraints | None = None,
        new_groups: bool = False,
    ) -> Cheapest:
        """The cheapest way to a loss, training and service together; see `bayescale.decide.cheapest`."""
        _check(self, groups, new_groups)
        return deciding.cheapest(self, loss, groups, fixed, constraints)

    def versus(
        self,
        by: str,
        flops: Sequence[float],
        levels: Sequence[str] | None = None,
        at: Mapping[str, str] | None = None,
        fixed: Mapping[str, float] | None = None,
        equivalence: float | str | None = None,
        new_groups: bool = False,
    ) -> Versus:
        """Groups against each other at budgets; see `bayescale.decide.versus`."""
        return deciding.versus(self, by, flops, levels, at, fixed, equivalence, new_groups)

    def adapt(
        self,
        by: str | None = None,
        flops: float | None = None,
        loss: float | None = None,
        levels: Sequence[str] | None = None,
        sizes: Sequence[float] | None = None,
        at: Mapping[str, str] | None = None,
        fixed: Mapping[str, float] | None = None,
        margin: float = 0.01,
    ) -> Adaptive:
        """When one training run should change its shape; see `bayescale.decide.adapt`."""
        return deciding.adapt(self, by, flops, loss, levels, sizes, at, fixed, margin)

    def cost_law(self, column: str, seed: int = 0) -> CostLaw:
        """What runs cost, learned from a column of the fitted runs; see `bayescale.decide.cost_law`."""
        return deciding.cost_law(self.runs, column, seed)

    def isoflop_check(self, degree: int = 2) -> IsoFlopCheck:
        """The frontier against the minima of the runs' IsoFLOP curves; see `bayescale.decide.isoflop_check`."""
        return deciding.isoflop_check(self, degree)

    def decide(
        self,
        decision: Decision,
        seed: int = 0,
        holdout: pd.DataFrame | None = None,
        others: Sequence[PosteriorData] = (),
    ) -> Verdict:
        """Go, no-go, or what to run first; see `bayescale.decide.decide`.

        With `holdout`, runs that the fit has not seen, there is no answer where their forecast fails; with `others`,
        fits of other laws to the same runs, it is said whether they answer the same.
        """
        _check(self, holdout, decision.new_groups)
        record = None if holdout is None else forecast.held_out(self, holdout)
        return deciding.decide(self, decision, seed, record, others)

    def next_runs(
        self,
        target: pd.DataFrame,
        candidates: pd.DataFrame | None = None,
        budget: float | None = None,
        new_groups: bool = False,
    ) -> pd.DataFrame:
        """Runs that would teach most about a target; see `bayescale.decide.next_runs`."""
        for table in (target, candidates):
            _check(self, table, new_groups)
        return deciding.next_runs(self, target, candidates, budget)

    def plan(
        self,
        about: Decision | About | Sequence[About],
        candidates: pd.DataFrame | None = None,
        budget: float | None = None,
        most: int = 8,
        seed: int = 0,
        new_groups: bool = False,
    ) -> Plan:
        """Runs to make next, chosen together.

        For a decision with a utility, until nothing is worth its cost (`bayescale.decide.plan_for_decision`); for
        quantities (``"alpha"``, ``"N*(1e21)"``, a run whose loss is meant), those that tell most within a budget
        (`bayescale.decide.plan_for_knowledge`). Candidates are made up where none are given. `new_groups` allows
        labels that no run has.
        """
        if isinstance(about, deciding.Decision):
            new_groups = new_groups or about.new_groups
            about = about.model_copy(update={"new_groups": new_groups})
        for table in (candidates, about if isinstance(about, pd.DataFrame) else None):
            _check(self, table, new_groups)
        if isinstance(about, deciding.Decision):
            return deciding.plan_for_decision(self, about, candidates, budget, most, seed)
        return deciding.plan_for_knowledge(self, about, candidates, budget, most, seed)

    def diagnose(self) -> Diagnosis:
        """Everything there is to check of the fit, to print or to draw; see `bayescale.report.diagnosis.diagnose`."""
        from bayescale.report.diagnosis import diagnose

        return diagnose(self)

    def report(
        self,
        path: str | Path,
        decision: Decision | None = None,
        holdout: pd.DataFrame | None = None,
        figures: str | Path | None = None,
        others: Mapping[str, PosteriorData] | None = None,
        weights: Mapping[str, float] | None = None,
        new_groups: bool = False,
    ) -> Path:
        """One self-contained HTML page; see `bayescale.report.write_report`."""
        from bayescale.report import write_report

        if decision is not None:
            new_groups = new_groups or decision.new_groups
            decision = decision.model_copy(update={"new_groups": new_groups})
        _check(self, holdout, new_groups)
        return write_report(self, path, decision, holdout, figures, others, weights)


def _check(posterior: PosteriorData, table: pd.DataFrame | None, new_groups: bool) -> None:
    """Refuse a table, where one is given, whose labels or columns the fit does not know."""
    if table is not None:
        check_points(posterior, table, new_groups)


def fit(
    runs: pd.DataFrame | str | Path,
    model: str | Path | Model = DEFAULT_MODEL,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Posterior:
    """Fit a model to measured runs by NUTS.

    Parameters
    ----------
    runs : DataFrame or path
        A runs table; a path is read and checked.
    model : str, path or Model
        A name in `models/`, a TOML file, or a model.
    seed : int
        The same seed, data and versions give the same draws.
    settings : Settings, optional
        Chains, warm-up, draws, target acceptance, tree depth.
    progress : callable, optional
        Told of ``(chain, done, total, divergences)``; a bar is shown on a terminal where absent.
    command : str
        Kept with the posterior and printed on its report.

    Returns
    -------
    Posterior
        Print it; look at ``.health()`` before believing it.
    """
    model = Model.load(model)
    if not isinstance(runs, pd.DataFrame):
        runs = read_runs(runs, inputs=model.definition.inputs)
    settings = settings or Settings()
    if progress is not None:
        return fit_posterior(runs, model, seed, settings, progress, command, kind=Posterior)
    from bayescale.progress import sampling_bar

    with sampling_bar() as bar:
        return fit_posterior(runs, model, seed, settings, bar, command, kind=Posterior)


def compare(
    runs: pd.DataFrame | str | Path,
    models: Sequence[str | Path | Model],
    split: str | None = "split",
    seed: int = 0,
    settings: Settings | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> Comparison:
    """Fit several models to the same runs and compare them; see `bayescale.forecast.compare.compare`.

    Parameters
    ----------
    runs : DataFrame or path
        A runs table; a path is read and checked.
    models : sequence of str, path or Model
        At least two.
    split : str, optional
        A column whose rows ``fit`` are fitted and whose rows ``holdout`` are forecast; every row is fitted where the
        table has no such column, or where it is None.
    seed, settings, progress
        Of every fit; see `fit`.
    announce : callable, optional
        Told what is being done, a line at a time.

    Raises
    ------
    CompareError
        Fewer than two models, two of one name, or a law that cannot be fitted to every row.
    """
    from bayescale.forecast.compare import CompareError, check_same_rows, compare_posteriors, split_runs

    chosen = [Model.load(model) for model in models]
    names = [model.name for model in chosen]
    if len(set(names)) < len(names) or len(names) < 2:
        raise CompareError(
            f"a comparison needs two or more different models: got {', '.join(names) or 'none'}"
        )
    if not isinstance(runs, pd.DataFrame):
        inputs = dict.fromkeys(column for model in chosen for column in model.definition.inputs)
        runs = read_runs(runs, inputs=tuple(inputs))
    check_same_rows(runs, chosen)
    fitted, held = split_runs(runs, split)
    found = {}
    for i, model in enumerate(chosen):
        if announce is not None:
            announce(f"{model.name} ({i + 1} of {len(chosen)}): sampling by NUTS ...")
        found[model.name] = fit(fitted, model, seed, settings, progress)
        if announce is not None:
            announce(f"{model.name}: health {found[model.name].health().verdict}")
    return compare_posteriors(found, held)


def backtest(
    runs: pd.DataFrame | str | Path,
    models: Sequence[str | Path | Model] = (DEFAULT_MODEL,),
    split: str = "split",
    above: float | None = None,
    rolling: int | None = None,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
    baselines: bool = True,
) -> Backtest:
    """Fit the cheaper runs, forecast the dearer ones, compare; see `bayescale.forecast.backtest.Backtest`.

    Parameters
    ----------
    runs : DataFrame or path
        A runs table; a path is read and checked.
    models : sequence of str, path or Model
        Every one is fitted to every fold; with none, the baselines alone are scored.
    split, above, rolling
        What is held out: rows that say ``holdout`` in a column; those above so many FLOPs; or the last so many budgets,
        each forecast from what cost less. See `bayescale.forecast.backtest_folds.make_folds`.
    seed, settings, progress
        Of every fit; see `fit`.
    announce : callable, optional
        Told what is being done, a line at a time.
    baselines : bool
        Whether the last point and the usual practice (Huber fits, resampled) are scored beside the models.

    Raises
    ------
    BacktestError
        Nothing is held out or left to fit, a fold has too few runs, losses are missing, or two models have one name.
    CompareError
        A law that cannot be fitted to every row.
    """
    from bayescale.forecast.backtest import BacktestError, backtest_folds
    from bayescale.forecast.backtest_folds import make_folds
    from bayescale.forecast.compare import check_same_rows

    chosen = [Model.load(model) for model in models]
    names = [model.name for model in chosen]
    if len(set(names)) < len(names) or not (names or baselines):
        raise BacktestError(f"a backtest needs different models: got {', '.join(names) or 'none'}")
    if not isinstance(runs, pd.DataFrame):
        inputs = dict.fromkeys(column for model in chosen for column in model.definition.inputs)
        runs = read_runs(runs, inputs=tuple(inputs))
    folds = make_folds(runs, split, above, rolling)
    check_same_rows(runs, chosen)
    return backtest_folds(
        folds,
        chosen,
        lambda table, model: fit(table, model, seed, settings, progress),
        seed,
        baselines,
        announce,
    )


def before_data(
    model: str | Path | Model = DEFAULT_MODEL,
    candidates: pd.DataFrame | None = None,
    budget: float | None = None,
    seed: int = 0,
) -> Posterior:
    """What a model says before any run, to plan a first sweep with: ``before_data(...).plan(["alpha", "beta"], ...)``.

    Parameters
    ----------
    model : str, path or Model
    candidates : DataFrame, optional
        Runs that could be made, without losses; an IsoFLOP grid of 3 to 100 tokens per parameter up to a quarter of
        `budget` a run where absent.
    budget : float, optional
        FLOPs of the whole sweep.
    seed : int
    """
    from bayescale.decide.candidates import first_sweep
    from bayescale.posterior import prior_posterior

    if candidates is None:
        if budget is None:
            raise deciding.DecisionError(
                "before any data, say which runs could be made, or the FLOPs of the whole sweep"
            )
        candidates = first_sweep(budget)
    return prior_posterior(candidates, Model.load(model), seed, kind=Posterior)


def load(path: str | Path) -> Posterior:
    """A posterior from a file that `Posterior.save` wrote."""
    return Posterior.load(path)
