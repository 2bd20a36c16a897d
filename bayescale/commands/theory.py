"""The verbs under `bayescale theory`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import writable
from bayescale.commands.options import AsJson, Seed
from bayescale.commands.parsing import numbers
from bayescale.errors import UserError

app = typer.Typer(
    name="theory",
    help="The 4+3 phases of compute-optimal scaling: exponents, maps, curves, and runs whose truth is known.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Alpha = Annotated[float, typer.Option("--alpha", help="Data complexity: variances fall as j^-2alpha.")]
Beta = Annotated[float, typer.Option("--beta", help="Target complexity: coefficients fall as j^-beta.")]
Ratio = Annotated[
    float | None, typer.Option("--ratio", help="v / d. Absent: infinite where 2 alpha > 1, 5 otherwise.")
]
Share = Annotated[float, typer.Option("--step", help="Step size times the trace of the data's covariance.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Samples a step.")]


@app.command()
def exponents(
    alpha: Alpha,
    beta: Beta,
    sizes: Annotated[
        str, typer.Option("--sizes", help="LOW,HIGH: also what budgets with such best sizes would show.")
    ] = "",
    ratio: Ratio = None,
    share: Share = 0.5,
    batch: Batch = 1,
    as_json: AsJson = False,
) -> None:
    """Phase, compute-optimal exponents, and the two terms in balance.

    With --sizes also the exponents of that finite window, which may be 40 % off the asymptotic ones.
    """
    from bayescale.theory import phases

    found = phases.exponents(alpha, beta)
    line, distance = phases.to_boundary(alpha, beta)
    known = phases.PHASES.get(found.phase)
    answer = {
        "alpha": alpha,
        "beta": beta,
        "phase": found.phase,
        "xi": None if known is None else float(found.xi),
        "eta": None if known is None else float(found.eta),
        "terms": None if known is None else list(known.terms),
        "status": None if known is None else known.status,
        "nearest_boundary": line,
        "distance": distance,
    }
    window = None
    if sizes and known is not None:
        from bayescale.theory import compute_optimal

        ends = numbers(sizes, "--sizes")
        if len(ends) != 2 or not 0 < ends[0] < ends[1]:
            raise UserError(f"--sizes takes two ascending sizes, such as 100,1600: got {sizes!r}")
        budgets = compute_optimal.budgets_for(
            alpha, beta, (ends[0], ends[1]), ratio=ratio, share=share, batch=batch
        )
        table = compute_optimal.frontier(alpha, beta, budgets, ratio, share, batch, largest=100 * ends[1])
        window = compute_optimal.window(table, alpha, beta)
        answer["window"] = {"flops": [window.low, window.high], "xi": window.xi, "eta": window.eta}
    if as_json:
        say_json(answer)
        return
    if known is None:
        say(f"no power law: 2 (alpha + beta) = {2 * (alpha + beta):g} is not above 1")
        return
    one, other = known.terms
    say(f"phase {found.phase} ({known.region}): {one} against {other}; {known.status}")
    say(f"d* ~ f^{found.xi:.4f}, P* ~ f^-{found.eta:.4f}, as f = r d B grows without bound")
    say(f"nearest boundary: {line}, {distance:.3f} away")
    if window is not None:
        say(str(window))


@app.command("map")
def map_(
    out: Annotated[Path, typer.Option("--out", help="A .png, .svg or .pdf file.")] = Path("phases.png"),
    mark: Annotated[
        list[str] | None, typer.Option("--mark", help="ALPHA,BETA[,LABEL]: a point to mark; may be repeated.")
    ] = None,
) -> None:
    """Draw the phase plane, with eta and xi over it."""
    from bayescale.theory.figures import draw_map

    marks = {}
    for text in mark or []:
        parts = text.split(",", 2)
        if len(parts) < 2:
            raise UserError(f"--mark takes ALPHA,BETA or ALPHA,BETA,LABEL: got {text!r}")
        alpha, beta = numbers(",".join(parts[:2]), "--mark")
        marks[parts[2] if len(parts) == 3 else f"{alpha:g}, {beta:g}"] = (alpha, beta)
    say(f"wrote {draw_map(_figure(out), marks)}")


@app.command()
def curve(
    alpha: Alpha,
    beta: Beta,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Sizes, separated by commas.")
    ] = "50,100,200,400,800,1600,3200",
    ratio: Ratio = None,
    share: Share = 0.5,
    batch: Batch = 1,
    out: Annotated[Path | None, typer.Option("--out", help="A figure: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compute-optimal curves: the best size and loss for budgets, local exponents beside the asymptotic ones."""
    from bayescale.theory import compute_optimal, phases

    if phases.phase(alpha, beta) == phases.NONE:
        raise UserError(f"no power law to draw: 2 (alpha + beta) = {2 * (alpha + beta):g} is not above 1")
    every = sorted(numbers(sizes, "--sizes"))
    if len(every) < 2 or every[0] < 4:
        raise UserError(f"--sizes takes two or more sizes of at least 4: got {sizes!r}")
    path = None if out is None else _figure(out)
    budgets = compute_optimal.budgets_for(
        alpha, beta, (every[0], every[-1]), 13, ratio=ratio, share=share, batch=batch
    )
    table = compute_optimal.frontier(alpha, beta, budgets, ratio, share, batch, largest=100 * every[-1])
    found = compute_optimal.window(table, alpha, beta)
    if as_json:
        answer = {"phase": found.asymptotic.phase, "xi": found.xi, "eta": found.eta}
        answer |= {"asymptotic": {"xi": float(found.asymptotic.xi), "eta": float(found.asymptotic.eta)}}
        say_json(answer | {"frontier": table.to_dict("records")})
    else:
        say(table.to_string(index=False, float_format="{:.4g}".format))
        say(f"phase {found.asymptotic.phase}; {found}")
    if path is not None:
        from bayescale.theory.figures import draw_curves

        draw_curves(path, alpha, beta, every, ratio, share, batch)
        note(f"wrote {path}")


@app.command()
def runs(
    alpha: Alpha,
    beta: Beta,
    out: Annotated[Path, typer.Option("--out", help="The runs table: .csv, .parquet or .jsonl.")],
    sizes: Annotated[
        str, typer.Option("--sizes", help="Sizes d, separated by commas.")
    ] = "30,60,120,240,480",
    flops: Annotated[
        str, typer.Option("--flops", help="Budgets f = r d B, separated by commas.")
    ] = "1e4,3e4,1e5,3e5,1e6",
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=0, help="Runs of SGD a point; 0 for the expected risk, without noise."),
    ] = 0,
    average: Annotated[int, typer.Option("--average", min=1, help="Runs of SGD averaged in each row.")] = 1,
    held_out: Annotated[
        int, typer.Option("--held-out", min=0, help="How many of the largest budgets have split holdout.")
    ] = 0,
    scale: Annotated[
        float, typer.Option("--scale", help="Multiply losses: laws of language expect a few nats.")
    ] = 1.0,
    ratio: Annotated[float, typer.Option("--ratio", help="v / d.")] = 5.0,
    share: Share = 0.5,
    batch: Batch = 1,
    seed: Seed = 0,
) -> None:
    """Write a runs table from this world: params = d, tokens = samples, flops = r d B, loss = risk.

    Fit it like any other: bayescale fit RUNS --model plrf, and see whether the truth is inside.
    """
    from bayescale.runs import write_runs
    from bayescale.theory.table import runs_table

    writable(out)
    table = runs_table(
        alpha,
        beta,
        numbers(sizes, "--sizes"),
        numbers(flops, "--flops"),
        seeds,
        ratio,
        share,
        batch,
        seed,
        average,
        held_out,
        scale,
    )
    write_runs(table, out)
    say(f"wrote {out}: {len(table)} runs of {table['params'].nunique()} sizes")


def _figure(path: Path) -> Path:
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"{path}: a figure is a .png, .svg or .pdf file")
    writable(path)
    return path
