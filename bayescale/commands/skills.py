"""What loss buys: when skills emerge, what public models say, what groups hide, what simpler data move."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.commands.console import note, say, say_json, table_text
from bayescale.commands.fits import fit_of, fit_table, writable
from bayescale.commands.gate import answering
from bayescale.commands.options import AsJson, FitFile, RunsFile, Seed, Where
from bayescale.commands.parsing import names
from bayescale.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.api import Posterior
    from bayescale.skills.study import SkillStudy


BUNDLED = "small-worlds"
LAW = "generalised"

app = typer.Typer(
    name="skills",
    help="What loss buys. Alone: the bundled families, and when each of their skills emerges.",
    add_completion=False,
    rich_markup_mode=None,
)

SkillsFile = Annotated[
    Path,
    typer.Argument(metavar="SKILLS", help="run_id, skill, items, correct: .csv, .parquet or .jsonl."),
]
LinkName = Annotated[
    str, typer.Option("--link", help="sigmoid in loss, or exponential: Gadre's law of the error.")
]
Margin = Annotated[float, typer.Option("--margin", help="Above chance by this much, a skill has emerged.")]
Factor = Annotated[float, typer.Option("--factor", help="How far beyond the dearest run, in compute.")]
Chance = Annotated[
    str | None,
    typer.Option(
        "--chance", help="Accuracy of guessing: 0.25, or agreement=0.5,cloze=0.25; goes before the column."
    ),
]
PriorsFile = Annotated[
    Path | None,
    typer.Option("--priors", help="A TOML file that changes priors; `bayescale skills priors` prints them."),
]
FigureFile = Annotated[Path | None, typer.Option("--figure", help="Draw it, as a PNG, SVG or PDF.")]


@app.callback(invoke_without_command=True)
def bundled_families(
    context: typer.Context,
    link: LinkName = "sigmoid",
    margin: Margin = 0.05,
    factor: Factor = 10.0,
    seed: Seed = 0,
    figure: FigureFile = None,
    as_json: AsJson = False,
) -> None:
    """Skills of the bundled families: fit the cheaper runs, say when each skill emerges, ask the held-out runs."""
    if context.invoked_subcommand is not None:
        return
    from bayescale.bundled import DEFAULT_MODEL, bundled
    from bayescale.runs import read_runs
    from bayescale.skills.study import FEWEST_RUNS, own_texts, parted
    from bayescale.skills.table import read_skills

    folder = bundled("runs") / BUNDLED
    if figure is not None:
        writable(figure)
    runs = read_runs(folder / "runs.parquet", where='status == "finished"')
    fitted, holdout, few = parted(runs)
    if few:
        note(f"left out, with fewer than {FEWEST_RUNS} runs: {', '.join(few)}")
    note(f"{len(fitted)} runs to fit, {len(holdout)} dearer ones held out; the loss by NUTS ...")
    posterior = fit_table(fitted, DEFAULT_MODEL, seed, None)
    _emergence(
        posterior,
        own_texts(read_skills(folder / "skills.parquet")),
        "skills.parquet",
        holdout,
        link,
        margin,
        factor,
        0.9,
        False,
        None,
        seed,
        figure,
        as_json,
    )


@app.command()
def emerge(
    fit: FitFile,
    skills: SkillsFile,
    holdout: Annotated[
        Path | None,
        typer.Option(
            "--holdout", help="Runs the fit has not seen, whose skills are in the table: do they agree?"
        ),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Rows of --holdout to use.")] = None,
    link: LinkName = "sigmoid",
    margin: Margin = 0.05,
    factor: Factor = 10.0,
    sure: Annotated[
        float, typer.Option("--sure", help="The probability that the compute is given for.")
    ] = 0.9,
    optimal: Annotated[
        bool, typer.Option("--optimal", help="Compute-optimal runs, instead of as the fitted ones were made.")
    ] = False,
    chance: Chance = None,
    priors: PriorsFile = None,
    seed: Seed = 0,
    figure: FigureFile = None,
    as_json: AsJson = False,
) -> None:
    """When each skill is above chance, from a loss posterior and counts of right items.

    The table of skills has a row a run and skill: run_id, skill, items, correct (or accuracy), and chance where
    --chance does not say. Ends with status 1 where the fit failed its health gate.
    """
    if figure is not None:
        writable(figure)
    from bayescale.api import load
    from bayescale.commands.fits import unseen
    from bayescale.skills.table import read_skills

    posterior = load(fit)
    counts = read_skills(skills, _chance(chance))
    held = unseen(posterior, holdout, where)
    _emergence(
        posterior,
        counts,
        skills.name,
        held,
        link,
        margin,
        factor,
        sure,
        optimal,
        priors,
        seed,
        figure,
        as_json,
    )


@app.command()
def observe(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES", help="A row a model: model, family, flops, and a column a benchmark."
        ),
    ],
    factors: Annotated[int, typer.Option("--factors", help="Capabilities behind the scores, 1 to 3.")] = 1,
    benchmarks: Annotated[
        str,
        typer.Option("--benchmarks", help="Columns of scores, separated by commas; all others where absent."),
    ] = "",
    anchors: Annotated[
        str, typer.Option("--anchors", help="The benchmark that each capability is measured in.")
    ] = "",
    post: Annotated[
        str, typer.Option("--post", help="Columns of post-training, 0 or 1, separated by commas.")
    ] = "",
    chance: Chance = None,
    above: Annotated[
        float | None,
        typer.Option("--above", help="Hold out models of more FLOPs, and forecast their scores."),
    ] = None,
    predict: Annotated[
        Path | None,
        typer.Option("--predict", help="Models to forecast: family, flops, post-training columns."),
    ] = None,
    priors: PriorsFile = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """An observational law: what a table of public models says, without training anything (Ruan et al. 2024).

    Empty cells are scores that nobody measured. BENCHMARK_items columns say of how many items a score is. Held out
    are models above --above FLOPs, or those whose column split says holdout. Ends with status 1 where the fit
    failed its gate.
    """
    import numpy as np

    from bayescale.runs.formats import load
    from bayescale.skills.observational import (
        fit_observational,
        forecast_scores,
        held_out_scores,
        read_scores,
    )
    from bayescale.skills.observational.priors import ObservationalPriors

    scores = read_scores(table, _names(benchmarks), _names(post), _chance(chance))
    keep = np.ones(len(scores.models), dtype=bool)
    if above is not None:
        keep = scores.models["flops"].to_numpy(float) <= above
    elif "split" in scores.models:
        keep = (scores.models["split"] != "holdout").to_numpy()
    if not keep.any():
        raise UserError(f"{table}: every model is held out; raise --above")
    fit = fit_observational(
        scores.keeping(keep), factors, _names(anchors), ObservationalPriors.load(priors), seed
    )
    record = held_out_scores(fit, scores.keeping(~keep), seed) if not keep.all() else None
    forecast = forecast_scores(fit, load(predict).frame, seed) if predict is not None else None
    with answering(fit.health(), as_json):
        if as_json:
            found: dict[str, Any] = fit.to_dict()
            found["held_out"] = record and record.to_dict()
            found["forecast"] = None if forecast is None else forecast.to_dict("records")
            say_json(found)
        else:
            say(str(fit.health()))
            say(str(fit))
            for part in (record, None if forecast is None else table_text(forecast)):
                if part is not None:
                    say(f"\n{part}")


@app.command()
def scores(
    runs: RunsFile,
    skills: SkillsFile,
    out: Annotated[Path, typer.Option("--out", help="The table for `bayescale skills observe`.")] = Path(
        "scores.csv"
    ),
    family: Annotated[
        str, typer.Option("--family", help="The column that says which runs are of one recipe.")
    ] = "architecture",
    chance: Chance = None,
) -> None:
    """A table of models and benchmarks from your own runs and their skills, for `observe`."""
    from bayescale.runs import read_runs
    from bayescale.runs.atomic import replace_files
    from bayescale.skills.observational import scores_of_runs
    from bayescale.skills.table import read_skills, with_runs

    writable(out)
    rows = with_runs(read_skills(skills, _chance(chance)), read_runs(runs), skills.name)
    table = scores_of_runs(rows, family)
    replace_files({out: table.to_csv(index=False).encode()})
    say(f"wrote {out}: {len(table)} models, {table['family'].nunique()} families")


@app.command()
def groups(
    runs: RunsFile,
    by: Annotated[str, typer.Option("--by", help="The column of groups.")] = "group",
    where: Where = None,
    law: Annotated[str, typer.Option("--law", help="A law that `bayescale laws` lists.")] = LAW,
    factor: Factor = 10.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the fit, for `bayescale report`: FIT.nc.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Does the gap between groups grow with scale, and does the average hide one that stands still?

    RUNS has a row a run and group, as `bayescale measure groups` writes it; a column share weighs groups in the
    average. Ends with status 1 where the fit failed its health gate.
    """
    from bayescale.models import DesignError
    from bayescale.runs import read_runs
    from bayescale.skills.groups import gaps, group_model, renamed

    if out is not None:
        writable(out)
    inputs = group_model(law, by).definition.inputs
    table = read_runs(runs, where=where, inputs=inputs)
    if by not in table:
        raise UserError(f"{runs}: there is no column {by!r}; name the column of groups with --by")
    groupings = table["grouping"].unique() if "grouping" in table else []
    if len(groupings) > 1:
        raise UserError(
            f"{runs}: its groups are of several kinds ({', '.join(map(str, groupings))}), which overlap; "
            f"take one with --where 'grouping == \"{groupings[0]}\"'"
        )
    table, by = renamed(table, by)
    try:
        posterior = fit_table(table, group_model(law, by), seed, None)
    except DesignError as error:
        raise UserError(f"{runs}: {error}") from None
    if out is not None:
        posterior.save(out)
        note(f"wrote {out}")
    with answering(posterior.health(), as_json):
        found = gaps(posterior, by, factor)
        if as_json:
            say_json(found.to_dict())
        else:
            say(str(posterior.health()))
            say(str(found))


@app.command()
def moves(
    fit: FitFile,
    complexity: Annotated[
        str,
        typer.Option(
            "--complexity", help="Of each corpus, any number that grows with it: simple=0,ordinary=1."
        ),
    ],
    by: Annotated[str, typer.Option("--by", help="The column of corpora.")] = "task",
    as_json: AsJson = False,
) -> None:
    """What simpler data move: the exponents, the floor, or only the offsets of the law."""
    from bayescale.commands.parsing import assignments
    from bayescale.skills.complexity import what_moves

    with fit_of(fit, as_json) as posterior:
        found = what_moves(posterior, assignments(complexity, "--complexity"), by)
        if as_json:
            say_json(found.to_dict())
        else:
            say(str(found))


@app.command()
def priors() -> None:
    """The priors of every model here, and how to write a file that changes them."""
    from bayescale.skills.observational.priors import ObservationalPriors
    from bayescale.skills.priors import AccuracyPriors, ScorePriors

    for title, ranges in (
        ("from loss to accuracy (emerge)", AccuracyPriors()),
        ("from loss to a mean score (emerge, log-likelihood and Brier)", ScorePriors()),
        ("observational (observe)", ObservationalPriors()),
    ):
        say(f"{title}: 90 % ranges\n{ranges}\n")
    say("A file for --priors: slope = { range = [0.5, 5], mass = 0.9 }")


def _emergence(
    posterior: Any,
    counts: pd.DataFrame,
    file: str,
    holdout: pd.DataFrame | None,
    link: str,
    margin: float,
    factor: float,
    sure: float,
    optimal: bool,
    priors: Path | None,
    seed: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    from bayescale.skills.links import LINKS
    from bayescale.skills.priors import AccuracyPriors
    from bayescale.skills.study import study_skills

    if link not in LINKS:
        raise UserError(f"--link is one of {', '.join(LINKS)}: got {link!r}")
    # The loss first: skills follow from it.
    with answering(posterior.health(), as_json, fit="the fit of the loss"):
        found = study_skills(
            posterior,
            counts,
            holdout,
            link,  # type: ignore[arg-type]
            margin,
            factor,
            sure,
            optimal,
            AccuracyPriors.load(priors),
            seed,
            file,
        )
        with answering(found.fit.health(), as_json, fit="the fit of the skills"):
            _say_skills(found, posterior, _smooth(found.rows, posterior, factor, seed), factor, as_json)
            if figure is not None:
                from bayescale.report.figures.skills import draw

                draw(found.emergence, found.fit, found.agreement, figure)
                note(f"wrote {figure}")


def _say_skills(
    found: SkillStudy, posterior: Posterior, smooth: list[pd.DataFrame], factor: float, as_json: bool
) -> None:
    fit, record = found.fit, found.agreement
    if as_json:
        say_json(
            {
                "loss_health": posterior.health().to_dict(),
                "skills": fit.summary().to_dict("records"),
                **found.emergence.to_dict(),
                "agreement": record and record.to_dict(),
                "scores": [table.to_dict("records") for table in smooth],
            }
        )
        return
    say(str(fit.health()))
    say(str(fit))
    say(f"\n{found.emergence}")
    for table in smooth:
        say(
            f"\nthe same answers by {table['score'].iloc[0]}, a mean per item, at {factor:g} times the compute:"
        )
        say(table_text(table.drop(columns="score")))
    if record is not None:
        say(f"\n{record}")


def _smooth(rows: pd.DataFrame, posterior: Any, factor: float, seed: int) -> list[pd.DataFrame]:
    """What the next factor of compute adds to log-likelihood and Brier score, where the table has them."""
    from bayescale.skills.scores import SCORES, fit_scores, gains

    out = []
    for score in SCORES:
        if score in rows and rows[score].notna().any():
            fit = fit_scores(rows, score, seed=seed)
            if fit.health().verdict != "PASS":
                note(f"{score}: {fit.health()}")
            out.append(gains(fit, posterior, factor, seed))
    return out


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, names(text)))


def _chance(text: str | None) -> float | dict[str, float] | None:
    from bayescale.commands.parsing import assignments, numbers

    if text is None:
        return None
    return assignments(text, "--chance") if "=" in text else numbers(text, "--chance")[0]
