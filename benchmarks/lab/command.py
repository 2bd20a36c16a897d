"""The command: the sweep's runs fitted and held against what is known.

On two synthetic languages the least loss that any model can reach is known, so the posterior of the irreducible loss E
is held against truth; and the dearest runs are held out of the fit, so its forecast is held against measurement. Fits
are kept in ``.bayescale/lab-fits`` and read back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.bundled import DEFAULT_MODEL
from bayescale.forecast.scores import predicted_quantiles, score
from bayescale.report.figures import style
from bayescale.runs.hashing import table_hash

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs" / "lab" / "runs.parquet"
KEPT = ROOT / ".bayescale" / "lab-fits"
PAGE, FIGURE = ROOT / "docs" / "lab.md", ROOT / "docs" / "lab.png"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def fitted(model: str, table: pd.DataFrame) -> bs.Posterior:
    """The posterior of a model, read back where it was fitted before to the same runs."""
    path = KEPT / f"{model}-{table_hash(table)[:12]}-{bs.__version__}.nc"
    if path.exists():
        return bs.load(path)
    posterior = bs.fit(table, model=model, seed=0)
    KEPT.mkdir(parents=True, exist_ok=True)
    posterior.save(path)
    return posterior


def floors(posterior: bs.Posterior, table: pd.DataFrame) -> pd.DataFrame:
    """The posterior of E in every cell whose least loss is known, and that loss."""
    cells = posterior.design.cells
    known = table[table["entropy_floor"].notna()].groupby("task")["entropy_floor"].first()
    draws = posterior.draws("E")
    rows = []
    for i, cell in enumerate(cells.to_dict("records")):
        if cell["task"] not in known:
            continue
        low, middle, high = np.quantile(draws[:, i], (0.05, 0.5, 0.95))
        truth = float(known[cell["task"]])
        runs = int(((table["architecture"] == cell["architecture"]) & (table["task"] == cell["task"])).sum())
        rows.append(
            {
                **cell,
                "runs": runs,
                "truth": truth,
                "low": low,
                "middle": middle,
                "high": high,
                "covered": low <= truth <= high,
            }
        )
    return pd.DataFrame(rows)


def page(posteriors: dict[str, bs.Posterior], fit: pd.DataFrame, holdout: pd.DataFrame) -> str:
    lines = [
        "# The laboratory's runs, fitted",
        "",
        f"Made by `python benchmarks/lab.py` from [runs/lab](../runs/lab/README.md): {len(fit)} runs up to "
        f"{fit['flops'].max():.0e} FLOPs are fitted, {len(holdout)} of {holdout['flops'].max():.0e} are held out. "
        "Bands are 90 %.",
        "",
        "## The dearest runs, forecast",
        "",
        "![Losses and the default model's bands](lab.png)",
        "",
        "Dots are fitted runs, stars those held out, bars the default model's bands (side by side, all at one budget), "
        "dotted lines the least loss that is possible.",
        "",
        "| model | health | mean abs. rel. error | in the 50 % | 80 % | 90 % band | width of 90 % | CRPS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, posterior in posteriors.items():
        s = score(predicted_quantiles(posterior, holdout), holdout["loss"].to_numpy())
        lines.append(
            f"| {name} | {posterior.health().verdict} | {s['error']:.2%} | {s['inside50']:.2f} | {s['inside80']:.2f} | "
            f"{s['inside90']:.2f} | {s['width90']:.1%} | {s['crps']:.4f} |"
        )
    predicted = next(iter(posteriors.values())).predict(holdout, quantiles=LEVELS)
    lines += ["", "| architecture | task | measured | forecast | band |", "|---|---|---|---|---|"]
    for (_, run), (_, band) in zip(holdout.iterrows(), predicted.iterrows(), strict=True):
        lines.append(
            f"| {run['architecture']} | {run['task']} | {run['loss']:.3f} | {band['q0.5']:.3f} | "
            f"{band['q0.05']:.3f} to {band['q0.95']:.3f} |"
        )
    lines += [
        "",
        "## The irreducible loss, where it is known",
        "",
        "The synthetic languages have a least loss that any model can reach on windows of 64 symbols "
        "(`entropy_floor`). A law's E is what it says remains at infinite size and data. The runs end well above "
        "it, so E is extrapolated.",
        "",
        "Where a band lies below the truth, losses still fell faster with every decade where the runs end. A power law "
        "reads that as a long way to go, and nothing in the runs shows the floor that they will meet; the misfit that "
        "the model allows widens forecasts and not E. So the E of runs as small as these is a parameter that serves "
        "forecasts near them. It is no measurement of entropy.",
    ]
    for name, posterior in posteriors.items():
        if "E" not in posterior.tree["posterior"]:
            continue
        found = floors(posterior, fit)
        lines += [
            "",
            f"`{name}`: {int(found['covered'].sum())} of {len(found)} bands hold the truth.",
            "",
            "| architecture | language | runs | truth | E | band | holds it |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r.architecture} | {r.task} | {r.runs} | {r.truth:.3f} | {r.middle:.3f} | {r.low:.3f} to {r.high:.3f} "
            f"| {'yes' if r.covered else '**no**'} |"
            for r in found.itertuples()
        ]
    lines += ["", "## Health", ""]
    for name, posterior in posteriors.items():
        lines += [f"`{name}`:", "", "```", str(posterior.health()), "```", ""]
    return "\n".join(lines)


def figure(posterior: bs.Posterior, fit: pd.DataFrame, holdout: pd.DataFrame) -> bytes:
    """Losses against compute, a panel a task, and the bands of the held-out runs."""
    tasks = sorted(fit["task"].unique())
    architectures = sorted(fit["architecture"].unique())
    predicted = posterior.predict(holdout, quantiles=LEVELS)
    with style.styled():
        drawing, axes = style.panels(9.0, len(tasks), 3, 2.4)
        for axis, task in zip(axes, tasks, strict=True):
            for i, architecture in enumerate(architectures):
                mine = {"color": style.series(i)["color"], "label": architecture}
                some = fit[(fit["task"] == task) & (fit["architecture"] == architecture)]
                axis.plot(some["flops"], some["loss"], "o", ms=2.5, alpha=0.6, **mine)
                ahead = predicted[(predicted["task"] == task) & (predicted["architecture"] == architecture)]
                # Side by side: all of them have the same compute.
                x = ahead["flops"] * 1.35 ** (i - 2)
                axis.vlines(x, ahead["q0.05"], ahead["q0.95"], color=mine["color"], lw=2, alpha=0.5)
                axis.plot(x, ahead["loss"], "*", ms=7, color=mine["color"])
            floor = fit.loc[fit["task"] == task, "entropy_floor"]
            if floor.notna().any():
                axis.axhline(floor.dropna().iloc[0], color="0.4", ls=":", lw=1)
            style.log_axis(axis.xaxis, 6e8, 3e12, most=4)
            axis.set_title(task)
        axes[0].set_ylabel("nats/token")
        axes[-1].set_xlabel("training FLOPs")
        axes[0].legend(fontsize=6)
        return style.save(drawing, "png")


def main(arguments: list[str] | None = None) -> int:
    """Fit, and write the page; 1 where the default model's fit failed its health gate."""
    parser = argparse.ArgumentParser(prog="benchmarks/lab.py", description=__doc__)
    parser.add_argument("--also", action="append", default=[], help="a further model, by name, on the page")
    models = [DEFAULT_MODEL, *parser.parse_args(arguments).also]
    table = bs.read_runs(RUNS)
    fit, holdout = table[table["split"] == "fit"], table[table["split"] == "holdout"]
    posteriors = {}
    for name in models:
        posteriors[name] = fitted(name, fit)
        print(name, posteriors[name].health(), flush=True)
    text = page(posteriors, fit, holdout)
    print(text)
    PAGE.write_text(text, encoding="utf-8")
    FIGURE.write_bytes(figure(posteriors[models[0]], fit, holdout))
    print(f"wrote {PAGE.relative_to(ROOT)} and {FIGURE.relative_to(ROOT)}")
    return 1 - posteriors[models[0]].health().passed
