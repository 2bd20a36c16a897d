"""The page of the docs: tables by law, domain and curve, and of pooled curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.learning_curves.curves import DOMAINS, MOST_ROWS, PER_DOMAIN, Curve
from benchmarks.learning_curves.fits import LAWS, TRIES, Forecast
from benchmarks.learning_curves.halves import (
    BETWEEN,
    BUDGET,
    INDEPENDENT,
    KNOWN,
    RUNS,
    STARTED,
    TASK,
    UNKNOWN,
    WITHIN,
    Halves,
)

Forecasts = Mapping[tuple[str, str], Forecast]

HEAD = """# Learning curves

Written by `python benchmarks/learning_curves.py`. The published curves are read from a folder beside the checkout. A
fit that does not pass the health gate has no figure.

## How rows of one run are modelled

Rows that share a `run_id` are one multivariate Student-t: an effect of the run with standard deviation `sigma_run`,
noise of each row with scale `sigma`, both stretched by one heavy-tailed factor (`bayescale/models/noise.py`). The
effect is integrated out in closed form. So a run with forty rows counts as one run where runs are compared, as for
the exponent of size, and its own rows say how far that run is off the law: a point that names the `run_id` of a
fitted run is forecast given them.

Where every row comes from *one* run there is nothing to compare it with. Its effect multiplies the whole curve, which
floor and amplitude do as well, so the law then describes that run's curve and rows are independent about it. What is
not modelled in either case is that neighbouring rows of a curve wander together. The column *neighbours* below shows
it: the correlation of neighbouring residuals, near zero where rows are independent.
"""

FIRST = """## One curve at a time: Alabdulmohsin et al. 2022

The published benchmark: fit the start of a curve, forecast its end (arXiv:2209.06640). The input is `examples` seen,
so the laws are those of `bayescale laws` built for that column, `m1("examples")`; the losses are errors between 0 and
1 for images and BIG-Bench, and log perplexities for text, with the laws' default priors.

- **Which curves**: of each domain's, sorted by task and architecture, {per_domain} evenly from the first to the last.
- **Which rows**: repeated rows are dropped ({repeated}); what is left of the fitted part is thinned to at most {most},
  even in log examples. Every held-out row is forecast.
- **Correlation**: the table gives every row a `run_id` of its own, though the rows of a curve are checkpoints of one
  training run (translation: trainings on more and more data). As said above, one curve alone cannot tell a run's
  effect, so this changes nothing in the fit; it is the *neighbours* that make bands too narrow.
- **Laws**: {laws}; {tries}.

*error* is the mean absolute relative error of the median; *extrapolation loss* the root mean square of log measured
over median; *in 90 %* the share of held-out rows inside the band of a row; *CRPS* that of a row over the mean held-out
loss. Rows of a curve miss together, so that one curve is about one trial: {curves} curves say little about coverage.

![Every chosen curve with the forecasts of M2 and M4](learning-curves.png)
"""

SECOND = """## Many curves pooled: independent rows against run effects

Whole curves of most runs and the first half, in rows, of a few are fitted by Kaplan's L(N, S) (`kaplan-steps`); the
second halves of those few are forecast in three ways: rows taken as independent (no `run_id`), rows of a run
correlated but the run not named at the points, and named. Widths and errors are relative to the loss.
"""


def markdown(
    curves: Sequence[Curve],
    forecasts: Forecasts,
    tables: Sequence[Halves],
    ours: Halves | None,
) -> str:
    """Return the page; without the published curves where there are none."""
    out = [HEAD]
    if curves:
        out += _published(curves, forecasts)
    out += [SECOND, *_simulated(tables)]
    if ours is not None:
        out += _ours(ours)
    return "\n".join(out).rstrip() + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def _published(curves: Sequence[Curve], forecasts: Forecasts) -> list[str]:
    repeated = [c for c in curves if c.given > c.distinct]
    first, second = TRIES
    intro = FIRST.format(
        per_domain=PER_DOMAIN,
        most=MOST_ROWS,
        curves=len(curves),
        repeated=f"{sum(c.given - c.distinct for c in repeated)} of the fitted ones, in {len(repeated)} curves, all of "
        f"{' and '.join(dict.fromkeys(c.domain for c in repeated))}",
        laws=", ".join(f"`{law}`" for law in LAWS),
        tries=f"{first.chains} chains of {first.warmup} warm-up and {first.draws} draws, and what does not pass once "
        f"more with {second.chains} of {second.warmup} and {second.draws}",
    )
    return [intro, *by_law(curves, forecasts), *_by_domain(curves, forecasts), *_by_curve(curves, forecasts)]


def shared(curves: Sequence[Curve], forecasts: Forecasts) -> list[Curve]:
    """Curves that every law passed the gate on: laws are compared on the same ones."""
    return [c for c in curves if all(forecasts[c.name, law].passed for law in LAWS)]


def by_law(curves: Sequence[Curve], forecasts: Forecasts) -> list[str]:
    """The laws on the curves that all of them passed on."""
    common = shared(curves, forecasts)
    rows = []
    for law in LAWS:
        all_of_it = [forecasts[c.name, law] for c in curves]
        same = [forecasts[c.name, law] for c in common]
        rows.append(
            (
                f"`{law}`",
                f"{sum(f.passed for f in all_of_it)} of {len(all_of_it)}",
                *_figures(same),
                f"{np.median([f.neighbours for f in same]):+.2f}" if same else "-",
            )
        )
    said = (
        f"Means over the {len(common)} curves on which every law passed the gate; *neighbours* is a median."
    )
    head = ("law", "passed", "error", "extrapolation loss", "in 90 %", "CRPS", "neighbours")
    return ["### By law\n", said + "\n", *_table(head, rows)]


def _figures(of: Sequence[Forecast]) -> tuple[str, str, str, str]:
    """Error, extrapolation loss, coverage and CRPS, each the mean over curves; dashes where there are none."""
    if not of:
        return "-", "-", "-", "-"
    mean = {
        name: np.mean([getattr(f, name) for f in of]) for name in ("error", "log_error", "inside", "crps")
    }
    return (
        f"{100 * mean['error']:.2f} %",
        f"{mean['log_error']:.4f}",
        f"{100 * mean['inside']:.0f} %",
        f"{mean['crps']:.4f}",
    )


def _by_domain(curves: Sequence[Curve], forecasts: Forecasts) -> list[str]:
    rows = []
    for domain in DOMAINS.values():
        for law in LAWS:
            own = [forecasts[c.name, law] for c in curves if c.domain == domain]
            passed = [f for f in own if f.passed]
            rows.append((domain, f"`{law}`", f"{len(passed)} of {len(own)}", *_figures(passed)))
    said = "Means over the curves of a domain that the law itself passed on."
    head = ("domain", "law", "passed", "error", "extrapolation loss", "in 90 %", "CRPS")
    return ["### By domain and law\n", said + "\n", *_table(head, rows)]


def _by_curve(curves: Sequence[Curve], forecasts: Forecasts) -> list[str]:
    rows = []
    for curve in curves:
        found = [forecasts[curve.name, law] for law in LAWS]
        cells = [f"{100 * f.error:.1f} %, {100 * f.inside:.0f} %" if f.passed else f.verdict for f in found]
        rows.append((curve.name, f"{len(curve.fitted)} + {len(curve.held)}", *cells))
    said = "Error and share in the 90 % band, or the verdict of a gate that was not passed. Rows: fitted + held out."
    blind = sum(bool(f.blind) for f in forecasts.values())
    warned = (
        f"In {blind} of {len(forecasts)} fits the design was said, before sampling, to leave parameters open."
    )
    return ["### Every curve\n", said + " " + warned + "\n", *_table(("curve", "rows", *LAWS), rows)]


def _simulated(tables: Sequence[Halves]) -> list[str]:
    sound = [t for t in tables if t.ways]
    out = [
        "### Simulated curves\n",
        f"{len(tables)} tables of {RUNS} runs from Kaplan's published values, each run off by {BETWEEN:.0%} in all its "
        f"rows and each row by {WITHIN:.1%} more; {len(STARTED)} runs are only started. {len(sound)} tables passed the "
        "gate both ways. The last two columns are about the expected loss of a run ten times as large as any, where "
        "the truth is known: the relative standard deviation of the posterior, and how many 90 % bands hold it.\n",
    ]
    rows = []
    for name in (INDEPENDENT, UNKNOWN, KNOWN):
        ways = [t.ways[name] for t in sound]
        if ways:
            rows.append(
                (
                    name,
                    f"{100 * np.mean([w.inside for w in ways]):.0f} %",
                    f"{100 * np.mean([w.width for w in ways]):.2f} %",
                    f"{100 * np.mean([w.error for w in ways]):.2f} %",
                    f"{100 * np.mean([w.target_sd for w in ways]):.2f} %",
                    f"{sum(w.target_covered for w in ways)} of {len(ways)}",
                )
            )
    return out + _table(("rows are", "in 90 %", "width", "error", "sd ten times up", "truth in band"), rows)


def _ours(ours: Halves) -> list[str]:
    out = [
        "### Curves of our own trainer\n",
        f"Training losses of the runs of {BUDGET:.0e} FLOPs on `{TASK}` in `.bayescale/lab`, as `bayescale train "
        "runs/lab/sweep.toml` leaves them: five architectures, averaged over twelve even steps of log steps from a "
        f"thirtieth of a run on; every fourth run by size is only started. {ours.rows} rows of {ours.runs} runs are "
        f"fitted; sigma_run is {100 * ours.sigma_run:.1f} %. Each run has a cosine schedule of its own length, which "
        "the law does not know.\n",
    ]
    if not ours.ways:
        verdicts = "; ".join(f"{name}: {verdict}" for name, verdict in ours.verdicts.items())
        return [*out, f"No figures: the gate was not passed ({verdicts}).\n"]
    rows = [
        (name, f"{100 * w.inside:.0f} %", f"{100 * w.width:.2f} %", f"{100 * w.error:.2f} %")
        for name, w in ours.ways.items()
    ]
    return out + _table(("rows are", "in 90 %", "width", "error"), rows)
