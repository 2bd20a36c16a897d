"""The command line: parse, call, print."""

from __future__ import annotations

import json
import math
import shlex
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.errors import DesignWarning, UserError
from bayescale.theory.commands import app as theory

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.api import Posterior
    from bayescale.inference import Settings

app = typer.Typer(
    name="bayescale",
    help="Bayesian scaling laws: from a table of small training runs to a decision about a bigger one.",
    epilog="Start with bayescale demo; then bayescale check RUNS, bayescale fit RUNS, bayescale report fit.nc.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(theory)

RunsFile = Annotated[Path, typer.Argument(metavar="RUNS", help="A runs table: .csv, .parquet or .jsonl.")]
FitFile = Annotated[Path, typer.Argument(metavar="FIT.nc", help="A posterior that `bayescale fit` wrote.")]
ModelName = Annotated[
    str, typer.Option("--model", help="A name that `bayescale models` lists, or a model file.")
]
Where = Annotated[
    str | None, typer.Option("--where", help="Rows to use, such as 'split == \"fit\" and flops < 1e20'.")
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="The same seed, data and versions give the same figures.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Chains = Annotated[int, typer.Option("--chains", help="Chains; R-hat needs at least two.")]
Warmup = Annotated[int, typer.Option("--warmup", help="Warm-up iterations a chain.")]
Kept = Annotated[int, typer.Option("--draws", help="Draws a chain.")]
Accept = Annotated[
    float | None,
    typer.Option(
        "--target-accept",
        help="0.95, or 0.98 with a misfit, where absent. Raise towards 0.999 where there are divergences.",
    ),
]


class Of(StrEnum):
    """Whose loss a band is of."""

    run = "run"
    mean = "mean"


class Engine(StrEnum):
    """What carries a sweep's runs out."""

    local = "local"
    ray = "ray"


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the posterior, the report and the figures.")
    ] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """The whole story on the bundled runs, offline: fit, forecast, report, and a verdict.

    Fits the runs below the largest budget, forecasts those at the largest, which the fit has not seen, and answers the
    bundled decision file's question.
    """
    from bayescale.bundled import bundled
    from bayescale.decide import Decision
    from bayescale.forecast import held_out
    from bayescale.report.sentences import coverage
    from bayescale.runs import read_runs

    folder = bundled("runs") / "small-lm"
    everything = read_runs(folder / "runs.parquet", where='status == "finished"')
    fitted, holdout = (everything[everything["split"] == s] for s in ("fit", "holdout"))
    decision = Decision.from_toml(folder / "decision.toml")
    out.mkdir(parents=True, exist_ok=True)
    _say(f"{len(fitted)} measured runs to fit, {len(holdout)} dearer ones held out.")
    _say("\nsampling by NUTS, then again without the dearest and the largest runs ...")
    posterior = _fit(fitted, DEFAULT_MODEL, seed, None)
    _say(str(posterior))
    _say(str(posterior.health()))
    record = held_out(posterior, holdout)
    _say(f"forecast: {coverage(record)}")
    if record.broken:
        _say("the forecast of the held-out runs fails.")
    posterior.save(out / "fit.nc")
    _say(f"\nwrote {out / 'fit.nc'}; drawing the report ...")
    posterior.report(out / "report.html", decision=decision, holdout=holdout, figures=out / "figures")
    _say(f"wrote {out / 'report.html'} and {out / 'figures'}")
    _say(f"\n{decision.question}")
    _say(str(posterior.decide(decision, seed, holdout)))
    _exit_by_health(posterior)


@app.command()
def train(
    sweep: Annotated[
        Path, typer.Argument(metavar="SWEEP.toml", help="Sizes, budgets, architectures and tasks.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The runs table; what the sweep file says where absent.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for tokens, checkpoints and finished runs.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Runs at once.")] = 1,
    threads: Annotated[int, typer.Option("--threads", help="Threads of each run.")] = 1,
    engine: Annotated[
        Engine, typer.Option("--engine", help="This machine's processes, or the Ray cluster there is.")
    ] = Engine.local,
) -> None:
    """Train a sweep of small language models and write the runs table.

    Goes on where it stopped: a finished run never runs again, an interrupted one resumes from its checkpoint.
    Needs the extra: pip install "bayescale[train]"; with --engine ray also "bayescale[ray]".
    """
    from bayescale.trainer import run_sweep

    table = run_sweep(sweep, out=out, work=work, workers=workers, threads=threads, engine=engine.value)
    _say(f"{len(table)} runs")


@app.command()
def check(
    runs: RunsFile,
    model: ModelName = DEFAULT_MODEL,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong or odd in a table, row by row, all of it at once.

    With what the runs cannot tell about the model's parameters, whatever their losses. Ends with status 2 where
    something keeps the table from being fitted.
    """
    from dataclasses import asdict

    from bayescale.models import Model
    from bayescale.models.identifiability import problems_of
    from bayescale.runs import check_file, read_runs

    specification = Model.load(model)
    inputs = specification.definition.inputs
    problems = check_file(runs, where=where, inputs=inputs)
    if not any(problem.severity == "error" for problem in problems):
        problems += problems_of(specification, read_runs(runs, where=where, inputs=inputs), runs.name)
    if as_json:
        _json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            _say(f"{problem.severity}: {problem}")
        counts = {s: sum(p.severity == s for p in problems) for s in ("error", "warning", "note")}
        _say(f"{runs.name}: " + ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in counts.items()))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(2)


@app.command()
def fit(
    runs: RunsFile,
    out: Annotated[Path, typer.Option("--out", help="Where the posterior goes.")] = Path("fit.nc"),
    model: ModelName = DEFAULT_MODEL,
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 1000,
    draws: Kept = 1000,
    target_accept: Accept = None,
    as_json: AsJson = False,
) -> None:
    """Fit a model to measured runs by NUTS, check the sampling, and save the posterior.

    Ends with status 1 where the fit fails its health gate: it is saved, and not to be believed.
    """
    from bayescale.models import Model
    from bayescale.runs import read_runs

    specification = Model.load(model)
    table = read_runs(runs, where=where, inputs=specification.definition.inputs)
    for warning in table.attrs["warnings"]:
        _note(f"warning: {warning}")
    settings = _settings(chains, warmup, draws, target_accept)
    # Found out now and not after sampling.
    _writable(out)
    posterior = _fit(table, specification, seed, settings)
    posterior.save(out)
    if as_json:
        summary = posterior.summary().reset_index(names="quantity").to_dict("records")
        _json(
            {
                "out": str(out),
                "sha256": posterior.sha256,
                "health": posterior.health().to_dict(),
                "summary": summary,
            }
        )
    else:
        _say(str(posterior.health()))
        _say(str(posterior))
        _say(f"wrote {out}")
    _exit_by_health(posterior)


@app.command()
def predict(
    fit: FitFile,
    points: Annotated[
        Path,
        typer.Argument(metavar="POINTS", help="A table of runs to predict: the law's inputs and labels."),
    ],
    out: Annotated[str, typer.Option("--out", help="A CSV file, or - for standard output.")] = "-",
    quantiles: Annotated[
        str, typer.Option("--quantiles", help="0.05,0.5,0.95 or LOW:HIGH:STEP.")
    ] = "0.05,0.25,0.5,0.75,0.95",
    of: Annotated[
        Of, typer.Option("--of", help="The loss a new run would measure, or the expected loss.")
    ] = Of.run,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Predict the loss at points, with bands.

    A label that the fitted runs have is that group; one that they do not have is a new group from the same population;
    a missing one is a mixture over the known groups. The column `group` says which.
    """
    from bayescale.runs import read_runs

    posterior = _load(fit)
    inputs = posterior.model.definition.inputs
    table = read_runs(points, inputs=inputs, measured=False)
    predicted = posterior.predict(table, of=of.value, quantiles=_quantiles(quantiles), seed=seed)
    if as_json:
        _json(predicted.to_dict("records"))
    elif out == "-":
        sys.stdout.write(predicted.to_csv(index=False))
    else:
        from bayescale.runs.atomic import replace_files

        _writable(Path(out))
        replace_files({Path(out): predicted.to_csv(index=False).encode()})
        _say(f"wrote {out}: {len(predicted)} points, band of the {predicted['band'].iloc[0]}")


@app.command()
def compare(
    runs: RunsFile,
    models: Annotated[str, typer.Option("--models", help="Models or laws, separated by commas.")],
    split: Annotated[
        str, typer.Option("--split", help="Column that says which rows to fit and which to hold out.")
    ] = "split",
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 1000,
    draws: Kept = 1000,
    target_accept: Accept = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the comparison there, as JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Laws against each other on the same runs: by leave-one-out, and by the forecast of held-out runs.

    Where the table has a column `split`, rows that say fit are fitted and rows that say holdout are forecast. A model
    that fails its health gate is listed and gets no rank. With the law guo-free among the models, the test of whether
    the loss depends on how compute is split comes along.

    Ends with status 1 where no model passed its health gate.
    """
    from bayescale.api import compare as compare_models
    from bayescale.models import Model
    from bayescale.runs import read_runs
    from bayescale.runs.atomic import replace_files

    chosen = [Model.load(name.strip()) for name in models.split(",") if name.strip()]
    inputs = tuple(dict.fromkeys(c for model in chosen for c in model.definition.inputs))
    table = read_runs(runs, where=where, inputs=inputs)
    for warning in table.attrs["warnings"]:
        _note(f"warning: {warning}")
    if split != "split" and split not in table:
        raise UserError(f"{runs}: there is no column {split!r} to split by")
    if out is not None:
        _writable(out)
    settings = _settings(chains, warmup, draws, target_accept)
    comparison = compare_models(table, chosen, split, seed, settings, announce=_note)
    if out is not None:
        replace_files({out: (json.dumps(_plain(comparison.to_dict()), indent=1) + "\n").encode()})
        _note(f"wrote {out}")
    if as_json:
        _json(comparison.to_dict())
    else:
        _say(str(comparison))
    if comparison.table["rank"].isna().all():
        raise typer.Exit(1)


@app.command()
def backtest(
    runs: RunsFile,
    models: Annotated[
        str, typer.Option("--model", help="Models or laws, separated by commas.")
    ] = DEFAULT_MODEL,
    split: Annotated[
        str, typer.Option("--split", help="Column that says which rows to fit and which to hold out.")
    ] = "split",
    above: Annotated[
        float | None, typer.Option("--above", help="Hold out what cost more than so many FLOPs.")
    ] = None,
    rolling: Annotated[
        int | None, typer.Option("--rolling", help="Forecast so many last budgets, each from what cost less.")
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 1000,
    draws: Kept = 1000,
    target_accept: Accept = 0.95,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write scores and forecasts there, as JSON.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw calibration and errors, as a PNG, SVG or PDF.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The past as a test: fit the cheaper runs, forecast the dearer ones, compare with the usual practice.

    What is held out: rows that say holdout in the column `split`, what cost more than --above, or the last --rolling
    budgets in turn. Each model stands beside the last point and Huber fits of Chinchilla's form, resampled, with no
    pooling, shared exponents, and complete pooling; skill is against the first of these three.

    Ends with status 1 where a fit failed its health gate: its scores are marked.
    """
    from bayescale.api import backtest as backtest_models
    from bayescale.models import Model
    from bayescale.runs import read_runs
    from bayescale.runs.atomic import replace_files

    chosen = [Model.load(name.strip()) for name in models.split(",") if name.strip()]
    inputs = tuple(dict.fromkeys(c for model in chosen for c in model.definition.inputs))
    table = read_runs(runs, where=where, inputs=inputs)
    for warning in table.attrs["warnings"]:
        _note(f"warning: {warning}")
    for path in filter(None, (out, figure)):
        _writable(path)
    settings = _settings(chains, warmup, draws, target_accept)
    try:
        found = backtest_models(table, chosen, split, above, rolling, seed, settings, announce=_note)
    except UserError as error:
        raise UserError(f"{runs}: {error}") from None
    if out is not None:
        replace_files({out: (json.dumps(_plain(found.to_dict()), indent=1) + "\n").encode()})
        _note(f"wrote {out}")
    if figure is not None:
        from bayescale.report.figures.backtest import draw

        draw(found, figure)
        _note(f"wrote {figure}")
    if as_json:
        _json(found.to_dict())
    else:
        _say(str(found))
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def allocate(
    fit: FitFile,
    flops: Annotated[str, typer.Option("--flops", help="Budgets in FLOPs, separated by commas.")],
    at: Annotated[
        str,
        typer.Option(
            "--at", help="Where the law takes more than params and tokens: unique_tokens=1e9,experts=8"
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Compute-optimal params, tokens and loss for budgets, with bands."""
    from bayescale.decide import NoIsoFlopError

    posterior = _load(fit)
    allocation = posterior.allocate(_numbers(flops, "--flops"), fixed=_assignments(at, "--at"))
    check: dict[str, Any] | None
    try:
        found = posterior.isoflop_check()
        check, line = found.to_dict(), found.sentence
    except NoIsoFlopError as why:
        check, line = None, str(why)
    if as_json:
        _json(
            {
                "flops_per_param_token": allocation.flops_per_param_token,
                "allocation": allocation.table.to_dict("records"),
                "isoflop": check,
            }
        )
    else:
        _say(str(allocation))
        _say(line)


@app.command()
def decide(
    fit: FitFile,
    decision: Annotated[
        Path,
        typer.Argument(metavar="DECISION.toml", help="Actions, target loss, and the bar for go and no-go."),
    ],
    holdout: Annotated[
        Path | None,
        typer.Option("--holdout", help="Runs the fit has not seen: no answer where their forecast fails."),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Rows of --holdout to use.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Go, no-go, or what to run first.

    A decision file looks like this:

        question = "Is the bigger run worth it?"
        target_loss = 2.9        # reach this, with
        go = 0.8                 # at least this probability: go
        no_go = 0.2              # at most this one: no-go; in between: learn first
        min_gain = 0.02          # on the best measured loss, in the table's units

        [[actions]]
        name = "big"
        params = 1e9
        tokens = 2e10
        groups = { architecture = "llama", task = "code" }
    """
    from bayescale.decide import Decision

    posterior = _load(fit)
    question = Decision.from_toml(decision)
    verdict = posterior.decide(question, seed, _unseen(posterior, holdout, where))
    if as_json:
        _json(verdict.to_dict())
        return
    _say(question.question)
    _say(str(verdict))
    _say(_table(verdict.table))
    if len(verdict.first):
        _say("\nRuns that would teach most, for what they cost:")
        _say(_table(verdict.first))


@app.command("next")
def next_(
    fit: FitFile,
    candidates: Annotated[
        Path, typer.Argument(metavar="CANDIDATES", help="A table of runs that could be made.")
    ],
    target: Annotated[
        Path, typer.Option("--target", help="A table of one row: the run whose loss is to be known better.")
    ],
    budget: Annotated[
        float | None, typer.Option("--budget", help="FLOPs that one candidate may cost.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rank candidate runs by what they would teach about a bigger one, for what they cost."""
    from bayescale.runs import read_runs

    posterior = _load(fit)
    inputs = posterior.model.definition.inputs
    wanted, offered = (read_runs(path, inputs=inputs, measured=False) for path in (target, candidates))
    try:
        ranked = posterior.next_runs(wanted, offered, budget)
    except ValueError as error:
        raise UserError(str(error)) from None
    if as_json:
        _json(ranked.to_dict("records"))
    else:
        _say(_table(ranked))


@app.command()
def report(
    fit: FitFile,
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("report.html"),
    decision: Annotated[
        Path | None, typer.Option("--decision", help="A decision file; its verdict opens the page.")
    ] = None,
    holdout: Annotated[
        Path | None, typer.Option("--holdout", help="Runs that the fit has not seen, to check it by.")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Rows of --holdout to use.")] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder for the figures as files of their own.")
    ] = None,
) -> None:
    """Write one self-contained HTML page: verdict, bands, exponents, allocation, health, conventions."""
    from bayescale.decide import Decision

    posterior = _load(fit)
    question = Decision.from_toml(decision) if decision else None
    posterior.report(out, decision=question, holdout=_unseen(posterior, holdout, where), figures=figures)
    _say(f"wrote {out}")


@app.command()
def laws(name: Annotated[str | None, typer.Argument(help="Print one in full.")] = None) -> None:
    """The scaling laws there are."""
    from bayescale.laws import law
    from bayescale.laws import laws as every

    if name is None:
        for one in every().values():
            _say(f"{one.name:<14} {one.equation:<40} {one.title}")
        return
    try:
        _say(str(law(name)))
    except KeyError as error:
        raise UserError(error.args[0]) from None


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(help="A model, by name or file, printed with all its priors.")
    ] = None,
) -> None:
    """The models there are: a law, its pooling, its priors and its noise."""
    from bayescale.bundled import bundled
    from bayescale.models import Model

    if name is not None:
        _say(str(Model.load(name)))
        return
    for path in sorted(bundled("models").glob("*.toml")):
        _say(f"{path.stem:<14} {Model.load(path).description}")


@app.command()
def priors(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="A folder, a text file, token ids (.npy), or a bundled corpus such as python_docs.",
        ),
    ],
    vocab: Annotated[
        int, typer.Option("--vocab", help="Entries of the tokenizer that text is read with: your models'.")
    ] = 1024,
    pattern: Annotated[str, typer.Option("--pattern", help="Which files of a folder.")] = "**/*.txt",
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw both curves with their fits, as a PNG, SVG or PDF.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """A prior for the data exponent from the corpus itself, before any run; ends with lines to paste in a model file.

    Measures how the entropy of the next token falls with context, how correlations fall with distance (alpha_D =
    gamma / (2 beta), Cagnetta et al. 2026), and how an n-gram model's own loss falls with text. Takes a minute a
    million tokens. Needs tokenizers for text: pip install "bayescale[train]"; token ids need nothing.
    """
    from bayescale.corpus import corpus_prior
    from bayescale.corpus.watch import bar

    if figure is not None:
        _writable(figure)
    with bar() as told:
        found = corpus_prior(corpus, vocab, seed, pattern, progress=told)
    if as_json:
        _json(found.to_dict())
    else:
        _say(str(found))
    if figure is not None:
        from bayescale.corpus.figure import draw

        draw(found, figure)
        _note(f"wrote {figure}")


def main() -> None:
    """Entry point: user errors in a line, no traceback."""
    warnings.showwarning = _show_warning
    try:
        app()
    except UserError as error:
        typer.echo(str(error) if str(error).startswith("error: ") else f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(2)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    where = "" if issubclass(category, DesignWarning) else f"{filename}:{lineno}: "
    _note(f"warning: {where}{message}")


def _fit(table: pd.DataFrame, model: Any, seed: int, settings: Settings | None) -> Posterior:
    from bayescale.api import fit as fit_runs

    return fit_runs(table, model, seed, settings, command=shlex.join(["bayescale", *sys.argv[1:]]))


def _settings(chains: int, warmup: int, draws: int, target_accept: float | None) -> Settings:
    from bayescale.inference import Settings

    try:
        return Settings(chains, warmup, draws, target_accept)
    except ValueError as error:
        raise UserError(str(error)) from None


def _load(path: Path) -> Posterior:
    from bayescale.api import load

    posterior = load(path)
    if posterior.health().verdict != "PASS":
        _note(str(posterior.health()))
    return posterior


def _writable(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file in it")


def _unseen(posterior: Posterior, path: Path | None, where: str | None) -> pd.DataFrame | None:
    from bayescale.runs import read_runs

    return read_runs(path, where=where, inputs=posterior.model.definition.inputs) if path else None


def _exit_by_health(posterior: Posterior) -> None:
    if posterior.health().verdict == "FAIL":
        raise typer.Exit(1)


def _say(text: str) -> None:
    typer.echo(text)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _json(value: Any) -> None:
    typer.echo(json.dumps(_plain(value), indent=1))


def _plain(value: Any) -> Any:
    """Python's own types, with None for what is not a number: JSON has no NaN."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _table(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format="{:.4g}".format)


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{option} takes numbers separated by commas: got {text!r}") from None


def _assignments(text: str, option: str) -> dict[str, float]:
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"{option} takes NAME=VALUE, separated by commas: got {part!r}")
        found[name.strip()] = _numbers(value, option)[0]
    return found


def _quantiles(text: str) -> list[float]:
    if ":" not in text:
        return _checked(_numbers(text, "--quantiles"))
    parts = text.split(":")
    if len(parts) != 3:
        raise UserError(f"--quantiles takes 0.05,0.5,0.95 or LOW:HIGH:STEP: got {text!r}")
    low, high, step = (_numbers(part, "--quantiles")[0] for part in parts)
    if not (step > 0 and low <= high < math.inf):
        raise UserError(f"--quantiles LOW:HIGH:STEP needs LOW <= HIGH and a positive STEP: got {text!r}")
    # Counted and rounded, so that 0.01:0.99:0.01 names its columns q0.01, q0.02 and not q0.060000000000000005.
    steps = math.floor((high - low) / step + 1e-9) + 1
    return _checked([round(low + i * step, 10) for i in range(steps)])


def _checked(levels: list[float]) -> list[float]:
    if not all(0 < level < 1 for level in levels):
        raise UserError(f"--quantiles lie between 0 and 1, both excluded: got {levels}")
    return levels


if __name__ == "__main__":
    main()
