"""The loop: design, train, fit, and again, until a decision is sure enough, the money is gone, or nothing pays.

The menu is a sweep file: runs that the bundled trainer can make. A first batch is planned from the model's prior; after
every fit the decision is asked, and the next batch is what would tell it most. What was trained lies in the work
folder, so that a study that was interrupted goes on where it stopped, and training is never paid for twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayescale.api import Posterior, fit
from bayescale.bundled import DEFAULT_MODEL
from bayescale.decide import Decision, Verdict
from bayescale.decide.outcomes import point_of
from bayescale.errors import DesignWarning, UserError
from bayescale.forecast.known_labels import nearest
from bayescale.inference import Settings
from bayescale.models import Model
from bayescale.numerals import count, percent, scientific
from bayescale.posterior import prior_posterior
from bayescale.runs import Conventions, write_runs

if TYPE_CHECKING:
    from bayescale.trainer.plan import PlannedRun

FIRST_SHARE = 0.2
"""Share of the budget that the first batch may cost."""

CONVENTIONS = Conventions(params="total", flops="counted", loss="nats/token", evaluation="shared")


class StudyError(UserError):
    """A study that cannot be made as asked; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Study:
    """What a study came to.

    Attributes
    ----------
    runs : DataFrame
        What was trained, in that order, with the column ``round``.
    rounds : DataFrame
        A row a round: ``runs`` and ``flops`` so far, ``answer``, ``action``, and ``sure``, the probability that the
        answer is right given the law.
    posterior : Posterior
        Of all runs.
    verdict : Verdict
    stopped : str
        Why the loop ended.
    """

    runs: pd.DataFrame
    rounds: pd.DataFrame
    posterior: Posterior
    verdict: Verdict
    stopped: str

    def __str__(self) -> str:
        lines = [self.rounds.to_string(index=False, float_format="{:.3g}".format), f"stopped: {self.stopped}"]
        return "\n".join([*lines, str(self.verdict)])


def study(
    sweep: str | Path,
    decision: Decision,
    budget: float,
    model: str | Path | Model = DEFAULT_MODEL,
    level: float = 0.9,
    batch: int = 4,
    rounds: int = 10,
    out: str | Path | None = None,
    work: str | Path | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    threads: int = 1,
    announce: Callable[[str], None] = lambda line: None,
) -> Study:
    """Design, train, fit and decide, in rounds.

    Parameters
    ----------
    sweep : path
        The sweep file whose runs are the menu.
    decision : Decision
        With a utility, a batch is what is worth more to it than it costs; without, what tells most about the loss of
        the likeliest action.
    budget : float
        Training FLOPs of all runs.
    model : str, path or Model
    level : float
        The loop ends where the answer is right with this probability.
    batch, rounds : int
        Runs in a round, and rounds, at most.
    out : path, optional
        Where the runs table goes, after every round.
    work : path, optional
        The folder of tokens, checkpoints and results; `.bayescale/NAME` where absent.
    settings : Settings, optional
        Of every fit.
    seed, threads : int
    announce : callable
        Told what is being done, a line at a time.

    Raises
    ------
    StudyError
        The budget does not pay for a first batch, or most runs diverge.
    """
    from bayescale.trainer import table
    from bayescale.trainer.config import read_sweep
    from bayescale.trainer.sweep import lay_out

    if not 0.5 <= level < 1:
        raise StudyError(
            f"level is the probability of being right that ends the loop, 0.5 to 1: got {level:g}"
        )
    model, read = Model.load(model), read_sweep(Path(sweep))
    work = Path(work) if work is not None else Path(".bayescale") / read.name
    planned, data = lay_out(read, work, announce)
    by_id = {run.config.run_id: run for run in planned}
    menu = _menu(planned)
    if not decision.new_groups:
        _check_labels(decision, menu)
    # What of the menu is not trained yet is new to a round's fit, and no misspelling.
    decision = decision.model_copy(update={"new_groups": True})
    chosen = _first(menu, model, budget, seed)
    bought: list[str] = []
    rows: list[dict[str, Any]] = []
    stopped = f"{rounds} rounds are as many as were asked for"
    posterior: Posterior | None = None
    verdict: Verdict | None = None
    for number in range(1, rounds + 1):
        for run_id in chosen:
            announce(f"round {number}: {_described(by_id[run_id])}")
            _train(by_id[run_id], data, work, threads)
        bought += chosen
        results = table.read_results(work)
        runs = table.assemble({i: results[i] for i in bought}, [by_id[i] for i in bought])
        if out is not None:
            write_runs(runs, Path(out), conventions=CONVENTIONS)
        posterior = _fit(runs, model, seed, settings)
        verdict = posterior.decide(_plain(decision), seed)
        sure = _sure(verdict)
        spent = float(menu.loc[bought, "flops"].sum())
        rows.append(
            {
                "round": number,
                "runs": len(bought),
                "flops": spent,
                "health": posterior.health().verdict,
                "answer": verdict.answer,
                "action": verdict.action,
                "sure": sure,
            }
        )
        announce(
            f"round {number}: {verdict.answer}, {verdict.action}, sure {percent(sure) if sure == sure else '?'}"
        )
        if posterior.health().verdict == "FAIL":
            # Neither a verdict nor the next batch may follow from it.
            stopped = (
                f"the fit of round {number} failed its health gate; sample longer (--warmup, --draws), or say more in "
                "the model's priors, and call the study again: finished runs are not trained again"
            )
            break
        if sure >= level:
            stopped = f"the answer is right with probability {percent(sure)}"
            break
        chosen, why = _next(
            posterior, decision, verdict, menu.drop(index=bought), budget - spent, batch, seed
        )
        if not chosen:
            stopped = why
            break
    assert posterior is not None and verdict is not None
    which = {run_id: row["round"] for row in reversed(rows) for run_id in bought[: row["runs"]]}
    trained = runs.assign(round=runs["run_id"].map(which)).sort_values("round", kind="stable")
    return Study(trained.reset_index(drop=True), pd.DataFrame(rows), posterior, verdict, stopped)


def _menu(planned: list[PlannedRun]) -> pd.DataFrame:
    """The sweep's runs as candidates, by run_id."""
    return pd.DataFrame(
        [
            {
                "run_id": run.config.run_id,
                "architecture": run.config.architecture,
                "task": run.config.task,
                "params": float(run.params_total),
                "tokens": float(run.config.tokens),
                "flops": float(run.flops),
            }
            for run in planned
        ]
    ).set_index("run_id")


def _check_labels(decision: Decision, menu: pd.DataFrame) -> None:
    """Refuse labels of a decision that no run of the menu has."""
    for action in decision.actions:
        for run in (action.run,) if action.trains else action.runs:
            for column, label in run.groups.items():
                known = tuple(dict.fromkeys(menu[column])) if column in menu else ()
                if known and label not in known:
                    near = nearest(label, known)
                    meant = f"; did you mean {near}?" if near else "."
                    raise StudyError(
                        f"action {action.name!r}: no run of the sweep has {column} = {label}. There are "
                        f"{', '.join(known)}{meant} For a new group say `new_groups = true` in the decision."
                    )


def _first(menu: pd.DataFrame, model: Model, budget: float, seed: int) -> list[str]:
    """The first batch: what tells most about the law's parameters by the prior, and enough runs to fit it at all."""
    law = model.definition
    least = len(law.parameters) + 2
    room = FIRST_SHARE * budget
    cheap = menu["flops"].sort_values(kind="stable").cumsum()
    if len(menu) < least or cheap.iloc[least - 1] > budget:
        raise StudyError(
            f"a first fit of {law.name} takes {least} runs; the {min(least, len(menu))} cheapest of the sweep's "
            f"{len(menu)} cost {scientific(float(cheap.iloc[min(least, len(menu)) - 1]))} FLOPs, the budget is "
            f"{scientific(budget)}: give more runs or more budget"
        )
    chosen: list[str] = []
    if menu["flops"].min() <= room:
        prior = prior_posterior(menu.reset_index(), model, seed, draws=500, kind=Posterior)
        plan = prior.plan(list(law.parameter_names), menu.reset_index(), room, least, seed)
        chosen = list(dict.fromkeys(plan.runs["run_id"])) if len(plan.runs) else []
    # A prior may ask for one run twice, or for few: the cheapest others fill up.
    spare = [i for i in cheap.index if i not in chosen]
    return [*chosen, *spare[: max(0, least - len(chosen))]]


def _next(
    posterior: Posterior,
    decision: Decision,
    verdict: Verdict,
    left: pd.DataFrame,
    room: float,
    batch: int,
    seed: int,
) -> tuple[list[str], str]:
    """What to train next, or why nothing."""
    left = left[left["flops"] <= room]
    if left.empty:
        return [], "the budget is spent, or the sweep's runs are"
    offered = left.reset_index()
    if decision.utility is not None:
        plan = posterior.plan(decision, offered, room, batch, seed)
    else:
        action = next(a for a in decision.actions if a.name == verdict.action)
        plan = posterior.plan(point_of(action.run), offered, room, batch, seed, new_groups=True)
    if not len(plan.runs):
        return [], plan.stopped
    return list(dict.fromkeys(plan.runs["run_id"])), ""


def _plain(decision: Decision) -> Decision:
    """The decision without runs to make first: the loop looks for them itself, on the menu."""
    return decision.model_copy(update={"first_share": 0.0})


def _sure(verdict: Verdict) -> float:
    """Probability that the answer is right, given the law; NaN where there is no answer."""
    if verdict.answer == "not from these data":
        return float("nan")
    row = verdict.table[verdict.table["action"] == verdict.action].iloc[0]
    if verdict.decision.utility is not None:
        return float(row["p_best"])
    return float(max(row["p_target"], 1 - row["p_target"]))


def _fit(runs: pd.DataFrame, model: Model, seed: int, settings: Settings | None) -> Posterior:
    usable = runs[np.isfinite(runs["loss"])].reset_index(drop=True)
    if len(usable) < 2:
        raise StudyError(
            f"only {len(usable)} of {len(runs)} runs ended with a loss; lower the sweep's learning rate"
        )
    usable.attrs["conventions"] = CONVENTIONS.model_dump()
    with warnings.catch_warnings():
        # What few runs cannot tell is what the next round is for; the posterior's notes keep it.
        warnings.simplefilter("ignore", DesignWarning)
        return fit(usable, model, seed, settings, progress=lambda *_: None, command="bayescale study")


def _train(planned: PlannedRun, data: dict[str, Path], work: Path, threads: int) -> None:
    """Train a run that is not finished yet."""
    import torch

    from bayescale.trainer import dataset, files, lock, table
    from bayescale.trainer.train import train

    path = table.result_path(work, planned.config.run_id)
    if path.is_file():
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with lock.held(work):
            state = work / "checkpoints" / f"{planned.config.run_id}.safetensors"
            result = train(planned.config, dataset.load(data[planned.config.task]), state)
            files.write_json(path, result)
            state.unlink(missing_ok=True)
    finally:
        torch.set_num_threads(before)


def _described(run: PlannedRun) -> str:
    size = f"{count(run.params_total)} params on {count(run.config.tokens)} tokens"
    return f"{run.config.architecture} on {run.config.task}, {size}, {scientific(run.flops)} FLOPs"
