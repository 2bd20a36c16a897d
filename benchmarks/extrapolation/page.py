"""The page of the docs: the issue's table with our columns, and what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayescale.forecast.baselines import USUAL
from bayescale.revisions import outdated_text
from benchmarks.extrapolation.problems import PROBLEMS, Problem
from benchmarks.extrapolation.results import Result
from benchmarks.extrapolation.rolling import ASKED, BUDGETS, TABLES, Rolled, inside
from benchmarks.extrapolation.simulated import ASKED as RATIO
from benchmarks.extrapolation.simulated import BUDGETS as SIMULATED
from benchmarks.extrapolation.simulated import NOISE, SIZES, World, summary
from benchmarks.extrapolation.targets import targets

NAMED = 6
"""Runs far off their forecast that are named, of each table."""

INTRO = (
    "# Bands beyond the runs\n\n"
    "Made by `python benchmarks/extrapolation.py` from published tables of runs (sources: "
    "[published.md](published.md)). Of every table the larger runs are held out; the default model is fitted "
    "to the others at default settings, one model and one configuration for all tables, and forecasts the loss"
    " that each held-out run would measure. Beside it stands the usual practice: Chinchilla's form fitted to "
    "every group by a Huber loss (delta 0.001 on log loss), resampled a hundred times, with residuals drawn "
    "for the noise of a new run. CRPS is in nats, and lower is better: it rewards medians that are near and "
    "bands that are as wide as they should be. A forecast whose bands hold has 80 % of the losses inside its "
    "80 % bands.\n"
)


def markdown(
    found: Mapping[str, tuple[Result, Result]],
    model: str,
    rolls: Mapping[str, Rolled],
    simulated: Sequence[World] = (),
) -> str:
    """The whole page, of the tables there are."""
    problems = [p for p in PROBLEMS if p.name in found]
    lines = [INTRO, "![Share of losses below each predictive quantile, by table](extrapolation.png)\n"]
    lines += _main(problems, found, model)
    lines += ["## What was asked\n"]
    rows = [
        (p.name, t.what, t.asked, t.reached, "yes" if t.met else "**no**")
        for p in problems
        for t in targets(p, model, *found[p.name])
    ]
    lines += _table(("table", "figure", "asked", f"{model}", "met"), rows)
    lines += _odd(problems, found)
    lines += _rolling(rolls) if rolls else []
    lines += _simulated(list(simulated)) if simulated else []
    lines += ["## Every method\n"]
    lines += _every(problems, found)
    absent = [p.name for p in PROBLEMS if p.name not in found]
    absent += [f"budget after budget of {name}" for name in TABLES if rolls and name not in rolls]
    if absent:
        lines.append(
            f"**Not on this page**: {', '.join(absent)}. Their fits were left out when it was made (`--table`, "
            "`--rolling`).\n"
        )
    made = {p.name: found[p.name][0].revisions for p in problems}
    if simulated:
        made["runs that follow the law"] = next(iter(simulated)).revisions
    made |= {f"budget after budget of {name}": roll.revisions for name, roll in rolls.items()}
    old = [f"{what}: {said}" for what, revisions in made.items() if (said := outdated_text(revisions))]
    if old:
        lines.append(f"Made by earlier revisions, `--fresh` makes them anew: {'; '.join(old)}.\n")
    return "\n".join(lines)


def _main(problems: Sequence[Problem], found: Mapping[str, tuple[Result, Result]], model: str) -> list[str]:
    """The table of held-out scores: as stated, as computed here, and ours."""
    rows = []
    for p in problems:
        ours, usual = found[p.name]
        groups = f"{p.name} ({p.held_out}; {ours.held}, fitted to {ours.fitted})"
        rows.append(
            (
                groups,
                "usual practice, as the issue states it",
                f"{100 * p.error:.2f} %",
                "",
                f"{p.inside80:.2f}",
                "",
                f"{p.inside95:.2f}",
                "",
                f"{p.crps:.4f}",
                "",
                "",
                "",
            )
        )
        rows.append(
            ("", "usual practice, computed here", *_figures(usual.scores[USUAL], p), "", f"{usual.cpu_s:.0f}")
        )
        rows.append(
            (
                "",
                f"**bayescale, {model}**",
                *_figures(ours.scores[model], p),
                ours.health,
                f"{ours.cpu_s:.0f}",
            )
        )
    header = (
        "data -> held-out largest runs",
        "method",
        "mean abs. rel. error",
        "50 %",
        "80 %",
        "90 %",
        "95 %",
        "width of 90 %",
        "CRPS",
        "over the issue's",
        "health",
        "CPU s",
    )
    return _table(header, rows)


def _odd(problems: Sequence[Problem], found: Mapping[str, tuple[Result, Result]]) -> list[str]:
    named: list[str] = []
    for problem in problems:
        odd, all_of_them = found[problem.name][0].odd, found[problem.name][0].held
        named += [f"- {problem.name}, {line}" for line in odd[:NAMED]]
        if len(odd) > NAMED:
            named.append(
                f"- {problem.name}: and {len(odd) - NAMED} more rows; {len(odd)} of {all_of_them} in all"
            )
    if not named:
        return []
    return [
        "## Held-out runs far off their forecast\n",
        "By more than four scales of the noise, with the probability of that over the posterior: either such a run is "
        "odd, or the forecast failed there.\n",
        *named,
        "",
    ]


def _rolling(rolls: Mapping[str, Rolled]) -> list[str]:
    low, high = ASKED
    found = list(rolls.values())
    share = inside(found, 0.8)
    failed = sum(fold["health"] == "FAIL" for roll in found for fold in roll.folds)
    lines = [
        "## Budget after budget\n",
        f"As people plan in practice: each of a table's last {BUDGETS} budgets (bands of compute, where it has no "
        "budgets) is forecast from the runs that cost less. small-lm, small-lm-128 and lab are this "
        f"package's own tables ([runs](../runs)). Of all {sum(len(roll.places) for roll in found)} losses together "
        f"{share:.2f} lie inside the 80 % bands (asked: {low} to {high}; "
        f"{'met' if low <= share <= high else '**not met**'}), "
        f"{inside(found, 0.5):.2f} inside the 50 % and {inside(found, 0.9):.2f} inside the 90 %. "
        + (
            f"{failed} fits failed the health gate, and do not count.\n"
            if failed
            else "No fit failed the health gate.\n"
        ),
    ]
    rows = [
        (
            name,
            fold["fold"],
            str(fold["fitted"]),
            str(fold["held_out"]),
            f"{fold['flops_beyond']:.1f}",
            f"{100 * fold['error']:.2f} %",
            *(f"{fold[f'inside{mass}']:.2f}" for mass in (50, 80, 90)),
            f"{100 * fold['width90']:.1f} %",
            fold["health"],
        )
        for name, roll in rolls.items()
        for fold in roll.folds
    ]
    header = (
        "table",
        "forecast",
        "fitted",
        "held out",
        "decades beyond",
        "error",
        "50 %",
        "80 %",
        "90 %",
        "width of 90 %",
        "health",
    )
    return [*lines, *_table(header, rows)]


def _simulated(found: list[World]) -> list[str]:
    seen = summary(found)
    met = "met" if seen["ratio"] <= RATIO else "**not met**"
    rows = [
        (
            name,
            f"{100 * seen[key]['width']:.2f} %",
            *(f"{seen[key][f'inside{mass}']:.2f}" for mass in (50, 80, 90)),
        )
        for name, key in (("default", "default"), ("the law alone, exact here", "exact"))
    ]
    return [
        "## Where the law is right\n",
        f"What the misfit and the drift cost where there is none: {seen['worlds']} simulated tables of "
        f"{len(SIMULATED) * SIZES} runs over three decades that follow Hoffmann's law (Besiroglu's values, noise "
        f"{100 * NOISE:.1f} %), forecast one decade further out. The default's 90 % band is {seen['ratio']:.2f} times "
        f"as wide as the exact posterior's in the median (asked: at most {RATIO}; {met}), {seen['most']:.2f} times at "
        f"most. {seen['sound']} tables had two fits that did not fail; of their {seen['losses']} losses beyond the runs"
        " lie inside:\n",
        *_table(("model", "width of 90 %", "50 %", "80 %", "90 %"), rows),
    ]


def _figures(score: dict, problem: Problem) -> tuple[str, ...]:
    return (
        f"{100 * score['error']:.2f} %",
        *(f"{score[f'inside{mass}']:.2f}" for mass in (50, 80, 90, 95)),
        f"{100 * score['width90']:.1f} %",
        f"{score['crps']:.4f}",
        f"{score['crps'] / problem.crps:.2f}",
    )


def _every(problems: Sequence[Problem], found: Mapping[str, tuple[Result, Result]]) -> list[str]:
    rows = []
    for p in problems:
        for result in found[p.name]:
            for method, score in result.scores.items():
                density = "-" if score["log_score"] is None else f"{score['log_score']:.2f}"
                pit = " ".join(map(str, score["pit"]))
                rows.append(
                    (p.name, method, *_figures(score, p)[:-1], f"{100 * score['bias']:+.2f} %", density, pit)
                )
    header = (
        "table",
        "method",
        "error",
        "50 %",
        "80 %",
        "90 %",
        "95 %",
        "width of 90 %",
        "CRPS",
        "bias",
        "log score",
        "losses in each tenth",
    )
    return _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]
