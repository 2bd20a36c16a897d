"""Make `docs/small-worlds.md`, `docs/measured.md` and their figures from the tables under `runs/`.

``python docs/make_measured.py``. Every number on these pages is computed here from measured rows; nothing is fitted but
straight lines between two neighbouring measurements, where a page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import measured_figures as figures
import numpy as np
import pandas as pd
from fitted.marked import kept
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.stats import beta, norm, spearmanr

from bayescale.numerals import percent
from bayescale.report.figures import style

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs"
MARGIN = 0.05
"""Of accuracy above chance, from which on a skill counts as there."""
WORLDS = ("ordinary_prose", "simple_prose", "simpler_prose", "python_code")
COMMAND = "`python docs/make_measured.py`"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)]) + "\n"


def read(name: str, file: str = "runs.parquet") -> pd.DataFrame | None:
    path = RUNS / name / file
    if not path.exists():
        return None
    frame = pd.read_parquet(path)
    return frame[frame["status"] == "finished"] if "status" in frame else frame


def bits(frame: pd.DataFrame) -> pd.Series:
    """Bits per byte, in which corpora of different tokenizers can be compared."""
    return frame["loss"] / (np.log(2) * frame["bytes_per_token"])


def flops(value: float) -> str:
    return f"{value:.0e}".replace("e+", "e").replace("e0", "e")


def above(correct: float, items: float, chance: float) -> float:
    """Probability that accuracy is above chance by the margin, given the counts alone (Jeffreys' prior)."""
    return float(beta.sf(chance + MARGIN, correct + 0.5, items - correct + 0.5))


# --- small worlds -----------------------------------------------------------------------------------------------


def small_worlds() -> str | None:
    runs, skills = read("small-worlds"), read("small-worlds", "skills.parquet")
    if runs is None or skills is None:
        return None
    runs = runs.assign(bpb=bits(runs))
    worlds = [world for world in WORLDS if (runs["task"] == world).any()]
    figure_losses(runs, worlds)
    own = skills[skills["test"] == skills["task"]].merge(
        runs[["run_id", "params", "loss", "bpb", "flops"]], on="run_id"
    )
    figure_skills(own, worlds)
    sections = [
        "# Small worlds\n",
        f"Made by {COMMAND} from `runs/small-worlds`: one architecture on ordinary prose, on two "
        f"simplifications of it, "
        "and on code; how it was made is in its [data card](../runs/small-worlds/README.md). The three "
        "kinds of prose "
        "have the same sources, `ordinary_prose` and `simple_prose` also the same size, document by "
        "document, and differ "
        "in their words alone. What the posterior makes of these rows is on the page of "
        "[skills](skills.md).\n",
        'On your own text: a sweep file with `keep_weights = true` and a task of `corpus = "folder"`, then\n',
        "    bayescale train SWEEP.toml\n    bayescale measure skills SWEEP.toml --out skills.parquet\n",
        "## What was run\n",
        table(
            ["world", "runs", "sizes", "params", "FLOPs", "word entropy, nats", "bytes a token"],
            (
                [
                    world,
                    len(part),
                    part["width"].nunique(),
                    f"{part['params'].min():,.0f} to {part['params'].max():,.0f}",
                    f"{flops(part['budget'].min())} to {flops(part['budget'].max())}",
                    "" if part["word_entropy"].isna().all() else f"{part['word_entropy'].iloc[0]:.2f}",
                    f"{part['bytes_per_token'].iloc[0]:.2f}",
                ]
                for world in worlds
                for part in [runs[runs["task"] == world]]
            ),
        ),
        "## Loss\n",
        "The best run of each budget, in bits per byte (each world has its own tokenizer, so nats per "
        "token do not "
        "compare), and its size.\n",
        "![Held-out loss against compute, by world](small-worlds-loss.png)\n",
        best_of_budgets(runs, worlds),
        gap_sentence(runs),
        "## Skills\n",
        "Minimal pairs and completions made from each world's held-out text, scored by likelihood. They "
        "are balanced, so "
        'that a model which goes by the answer alone and not by the context scores at chance. "There from" is the '
        f"smallest size at which some run is above chance by {MARGIN:.2f} with probability 0.9, by its "
        f"own counts alone; "
        "`p` that probability for the run of the lowest loss.\n",
        "![Accuracy against loss, by skill](small-worlds-skills.png)\n",
        skill_table(own, worlds),
        across(skills, runs),
    ]
    return "\n".join(s for s in sections if s)


def best_of_budgets(runs: pd.DataFrame, worlds: Sequence[str]) -> str:
    rows = []
    for budget, part in runs.groupby("budget"):
        row: list[object] = [flops(float(budget))]
        for world in worlds:
            here = part[part["task"] == world]
            best = here.loc[here["bpb"].idxmin()] if len(here) else None
            row.append("" if best is None else f"{best['bpb']:.3f} at {best['params']:,.0f}")
        rows.append(row)
    return table(["FLOPs", *worlds], rows)


def gap_sentence(runs: pd.DataFrame) -> str:
    """How much simplifying is worth at each budget, size by size."""
    key = ["budget", "width", "seed"]
    two = [runs[runs["task"] == t].set_index(key)["bpb"] for t in ("ordinary_prose", "simple_prose")]
    gap = (two[1] / two[0]).dropna()
    if gap.empty:
        return ""
    by = np.log(gap).groupby("budget").agg(["mean", "count"])
    first, last = by.index.min(), by.index.max()
    rho, p = spearmanr(np.log(gap.reset_index()["budget"]), gap)
    return (
        f"Of {len(gap)} pairs of runs alike but for the world, the simplified one's loss is "
        f"{1 - np.exp(by['mean'][first]):.1%} "
        f"lower at {flops(first)} FLOPs and {1 - np.exp(by['mean'][last]):.1%} lower at {flops(last)} "
        f"(rank correlation of "
        f"the ratio with compute {rho:+.2f}, p = {p:.2g}).\n"
    )


def skill_table(own: pd.DataFrame, worlds: Sequence[str]) -> str:
    rows = []
    for (task, skill), part in own.groupby(["task", "skill"]):
        part = part.sort_values("params")
        there = [above(r.correct, r.items, r.chance) >= 0.9 for r in part.itertuples()]
        best = part.loc[part["loss"].idxmin()]
        worst = part.loc[part["loss"].idxmax()]
        rows.append(
            [
                skill,
                task,
                int(best["items"]),
                f"{best['chance']:.2f}",
                f"{worst['correct'] / worst['items']:.2f}",
                f"{best['correct'] / best['items']:.2f}",
                f"{above(best['correct'], best['items'], best['chance']):.2f}",
                f"{part['params'][there].min():,.0f}" if any(there) else "none yet",
            ]
        )
    head = [
        "skill",
        "world",
        "items",
        "chance",
        "at the highest loss",
        "at the lowest",
        "p",
        "there from, params",
    ]
    return table(head, sorted(rows, key=lambda row: (row[0], worlds.index(str(row[1])))))


def across(skills: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Models of both worlds on the same questions."""
    both = skills[
        (skills["test"] == "simple_prose") & skills["task"].isin(["ordinary_prose", "simple_prose"])
    ]
    both = both.merge(runs[["run_id", "budget", "width", "seed"]], on="run_id")
    rows = []
    for skill, part in both.groupby("skill"):
        wide = part.assign(accuracy=part["correct"] / part["items"]).pivot_table(
            index=["budget", "width", "seed"], columns="task", values="accuracy"
        )
        if wide.shape[1] < 2 or len(wide := wide.dropna()) < 3:
            continue
        difference = wide["simple_prose"] - wide["ordinary_prose"]
        rows.append(
            [
                skill,
                len(wide),
                f"{wide['ordinary_prose'].mean():.3f}",
                f"{wide['simple_prose'].mean():.3f}",
                f"{difference.mean():+.3f}",
                f"{(difference > 0).sum()} of {(difference != 0).sum()}",
            ]
        )
    if not rows:
        return ""
    head = [
        "skill",
        "pairs of runs",
        "trained on ordinary prose",
        "trained on simplified",
        "difference",
        "higher in",
    ]
    return (
        "### The same questions for both\n\nModels of equal size and compute on the simplified corpus's "
        "items, mean accuracy. "
        "The items are the same for all, so pairs of runs are no independent draws of questions.\n\n"
        + table(head, rows)
    )


def figure_losses(runs: pd.DataFrame, worlds: Sequence[str]) -> None:
    with style.styled():
        figure = Figure(figsize=(style.WIDE, 3.4), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for world, colour in zip(worlds, style.SERIES, strict=False):
            part = runs[runs["task"] == world]
            for axis, x in zip(axes, ("flops", "params"), strict=True):
                axis.plot(part[x], part["bpb"], "o", ms=3, color=colour, alpha=0.7, mew=0, label=world)
            best = part.loc[part.groupby("budget")["bpb"].idxmin()].sort_values("flops")
            axes[0].plot(best["flops"], best["bpb"], "-", lw=1, color=colour)
        for axis, label in zip(axes, ("training FLOPs", "parameters"), strict=True):
            axis.set(xscale="log", yscale="log", xlabel=label)
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: flops(value)))
            axis.minorticks_off()
        axes[0].set_ylabel("held-out loss, bits per byte")
        low, high = runs["bpb"].min() * 0.97, runs["bpb"].max() * 1.03
        ticks = [t for t in np.arange(0.5, 8.0, 0.25 if high < 2 * low else 0.5) if low <= t <= high]
        axes[0].set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes[0].set_ylim(low, high)
        axes[1].legend()
        figure.savefig(HERE / "small-worlds-loss.png", dpi=150)


def figure_skills(own: pd.DataFrame, worlds: Sequence[str]) -> None:
    names = sorted(own["skill"].unique())
    with style.styled():
        figure = Figure(figsize=(style.WIDE, 2.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
        for axis, skill in zip(axes, names, strict=True):
            for world, colour in zip(worlds, style.SERIES, strict=False):
                part = own[(own["skill"] == skill) & (own["task"] == world)].sort_values("bpb")
                if part.empty:
                    continue
                accuracy = part["correct"] / part["items"]
                error = np.sqrt(accuracy * (1 - accuracy) / part["items"])
                axis.errorbar(
                    part["bpb"],
                    accuracy,
                    error,
                    fmt="o",
                    ms=2.5,
                    lw=0.6,
                    color=colour,
                    alpha=0.7,
                    label=world,
                )
                axis.axhline(part["chance"].iloc[0], color=style.GREY, lw=0.8, ls=":")
            axis.set_title(skill.replace("_", " "))
            axis.invert_xaxis()
        figure.supxlabel("held-out loss, bits per byte (lower to the right)", fontsize=9)
        axes[0].set_ylabel("accuracy")
        handles = {
            label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
        figure.savefig(HERE / "small-worlds-skills.png", dpi=150)


# --- after training ---------------------------------------------------------------------------------------------


def ensembles() -> str | None:
    runs = read("ensembles")
    if runs is None:
        return None
    runs = runs.assign(family=runs["task"] + runs["budget"].map("{:.6g}".format) + runs["width"].astype(str))
    many = runs.groupby("family")["ensemble"].transform("max") >= 8
    rows, won = [], []
    for (task, budget), part in runs[many].groupby(["task", "budget"]):
        spread = part.loc[part["ensemble"] == 1, "loss"].std(ddof=1)
        member = part.iloc[0]
        for size in (1, 2, 4, 8):
            mean = part.loc[part["ensemble"] == size, "loss"].mean()
            count = (part["ensemble"] == size).sum()
            others = runs[
                (runs["task"] == task)
                & (runs["ensemble"] == 1)
                & np.isclose(runs["budget"], size * budget, rtol=0.05)
            ]
            same = (
                others.iloc[(np.log(others["tokens"] / member["tokens"])).abs().argsort()[:1]]
                if len(others)
                else others
            )
            best = others["loss"].min() if len(others) else np.nan
            if size > 1 and len(others):
                # The one model is one seed's, and the ensemble the mean of a few; seeds scatter as the members do.
                error = spread * np.sqrt(1 + 1 / (size * count))
                p = float(norm.cdf((best - mean) / error))
                won.append((task, budget, size, p))
            else:
                p = np.nan
            rows.append(
                [
                    task,
                    flops(budget),
                    size,
                    f"{mean:.4f}",
                    f"{same['loss'].iloc[0]:.4f} ({same['params'].iloc[0]:,.0f})"
                    if size > 1 and len(same)
                    else "",
                    f"{best:.4f}" if size > 1 and len(others) else "",
                    "" if np.isnan(p) else percent(p),
                ]
            )
    head = [
        "task",
        "FLOPs of a member",
        "members",
        "loss",
        "one model of as many tokens (params)",
        "best single of equal FLOPs",
        "P(ensemble below it)",
    ]
    good = [w for w in won if w[3] > 0.5]
    sentence = (
        f"Of {len(won)} comparisons at equal training FLOPs, the ensemble is the better buy with "
        f"probability above one half "
        f"in {len(good)}"
        + (f"; the best case has {percent(max(won, key=lambda w: w[3])[3])}" if won else "")
        + ". The probability takes seeds to scatter about either as the members do; held-out text is "
        "the same for both.\n"
    )
    return "\n".join(
        [
            "## Ensembles\n",
            "Mean of probabilities of models that differ in their seed, against one model that takes as "
            "much to train "
            "([data card](../runs/ensembles/README.md)). A model of the members' tokens and so many "
            "times their parameters "
            "also takes as much to run. On your own sweep, with several `seeds`: `bayescale measure "
            "ensembles SWEEP.toml`.\n",
            figures.ensembles(runs),
            table(head, rows),
            sentence,
        ]
    )


def compression() -> str | None:
    runs = read("compression")
    if runs is None:
        return None
    rows = []
    for name, part in runs[runs["compression"] != "none"].groupby("compression", sort=False):
        per = part["tokens"] / part["params"]
        rho, p = spearmanr(per, part["loss_change"])
        size_rho, size_p = spearmanr(part["params"], part["loss_change"])
        change = part["loss_change"]
        rows.append(
            [
                name,
                len(part),
                f"{part['weight_bytes'].div(4 * part['params']).median():.2f}",
                f"{change.median():+.4f}",
                f"{change.min():+.4f} to {change.max():+.4f}",
                f"{rho:+.2f} ({p:.1g})",
                f"{size_rho:+.2f} ({size_p:.1g})",
            ]
        )
    head = [
        "scheme",
        "models",
        "bytes over 32-bit",
        "median change of loss",
        "range",
        "rank correlation with tokens a parameter (p)",
        "with parameters (p)",
    ]
    return "\n".join(
        [
            "## Compression\n",
            "Weights rounded to the nearest, or the smallest of them set to zero, nothing trained "
            "again; change of the "
            "held-out loss in nats per token ([data card](../runs/compression/README.md)). On your own "
            "sweep: "
            "`bayescale measure compression SWEEP.toml --scheme int4 --scheme prune50`.\n",
            figures.compression(runs),
            table(head, rows),
            memory(runs),
        ]
    )


def memory(runs: pd.DataFrame) -> str:
    """Is a large model compressed better than a small one as it is, at equal bytes and training FLOPs?"""
    tried = won = 0
    for _, part in runs.groupby(["task", "budget"]):
        plain = part[part["compression"] == "none"]
        for _, small in plain.iterrows():
            rivals = part[
                (part["compression"] != "none")
                & (part["params"] > small["params"])
                & (part["weight_bytes"] <= small["weight_bytes"])
            ]
            if len(rivals):
                tried += 1
                won += rivals["loss"].min() < small["loss"]
    if not tried:
        return ""
    share = beta(won + 0.5, tried - won + 0.5)
    return (
        f"At equal training FLOPs and no more bytes, a larger model compressed beats a smaller one as "
        f"it is in {won} of "
        f"{tried} cases (a share of {share.mean():.2f}, 90 % interval {share.ppf(0.05):.2f} to "
        f"{share.ppf(0.95):.2f}).\n"
    )


def retrieval() -> str | None:
    runs = read("retrieval")
    if runs is None:
        return None
    rows = []
    stores = sorted(runs.loc[runs["datastore_tokens"] > 0, "datastore_tokens"].unique())
    for (task, params), part in runs.groupby(["task", "params"]):
        at = part.groupby("datastore_tokens")[["loss", "loss_change", "loss_change_se"]].mean()
        rows.append(
            [
                task,
                f"{params:,.0f}",
                f"{at['loss'].get(0.0, np.nan):.3f}",
                *(
                    f"{at['loss_change'][s]:+.4f} ± {at['loss_change_se'][s]:.4f}" if s in at.index else ""
                    for s in stores
                ),
            ]
        )
    last = runs[runs["datastore_tokens"] == runs.groupby("task")["datastore_tokens"].transform("max")]
    good = norm.cdf(-last["loss_change"] / last["loss_change_se"].replace(0, np.nan))
    sentence = (
        f"With the largest datastore the loss falls in {int((last['loss_change'] < 0).sum())} of "
        f"{len(last)} models; the median "
        f"probability that it falls on other documents too is {percent(float(np.nanmedian(good)))}.\n"
    )
    return "\n".join(
        [
            "## Retrieval\n",
            "A kNN language model over the trained models: change of the held-out loss with datastores "
            "of several sizes, in "
            "nats per token, with its standard error over documents ([data "
            "card](../runs/retrieval/README.md)). How far to "
            "trust the neighbours is chosen on other held-out documents. On your own sweep, with "
            '`pip install "bayescale[retrieval]"`: `bayescale measure retrieval SWEEP.toml '
            "--datastore 65536`.\n",
            figures.retrieval(runs),
            table(["task", "params", "loss without", *(f"{s:,.0f} tokens" for s in stores)], rows),
            sentence,
        ]
    )


def groups() -> str | None:
    runs = read("small-worlds", "groups.parquet")
    if runs is None:
        return None
    rows = []
    for (task, grouping), part in runs[runs["grouping"] != "section"].groupby(["task", "grouping"]):
        wide = part.pivot_table(
            index=["run_id", "flops"], columns="group", values="loss", aggfunc="first"
        ).dropna()
        if len(wide) < 4 or wide.shape[1] < 2:
            continue
        ends = wide.mean().sort_values()
        gap = wide[ends.index[-1]] - wide[ends.index[0]]
        rho, p = spearmanr(wide.index.get_level_values("flops"), gap)
        rows.append(
            [task, grouping, ends.index[0], ends.index[-1], f"{gap.mean():.2f}", f"{rho:+.2f}", f"{p:.1g}"]
        )
    head = [
        "task",
        "grouping",
        "easiest group",
        "hardest",
        "mean gap, nats",
        "rank correlation of the gap with FLOPs",
        "p",
    ]
    return "\n".join(
        [
            "## Groups that an average hides\n",
            "Losses by how frequent the token is in training, how much context there was, and how long "
            "the document is "
            "(`runs/small-worlds/groups.parquet`). A positive correlation is a gap that grows with "
            "compute while both groups "
            "improve. On your own sweep: `bayescale measure groups SWEEP.toml`.\n",
            table(head, rows),
        ]
    )


def modalities() -> str | None:
    runs = read("modalities")
    if runs is None:
        return None
    rows = []
    for task, part in runs.groupby("task"):
        best = part.loc[part.groupby("budget")["loss"].idxmin()]
        rows.append(
            [
                task,
                len(part),
                int(part["vocab"].iloc[0]),
                f"{np.log(part['vocab'].iloc[0]):.2f}",
                ", ".join(
                    f"{r.loss:.3f} at {flops(r.budget)} (N = {r.params:,.0f})" for r in best.itertuples()
                ),
            ]
        )
    return "\n".join(
        [
            "## Beyond text\n",
            "Speech as mu-law samples, handwritten digits as pixels, through the same trainer "
            "([data card](../runs/modalities/README.md)); losses in nats a token, and a token is a "
            "sample or a pixel. They "
            "are tasks like any other: `bayescale fit runs/modalities/runs.parquet`.\n",
            table(["task", "runs", "levels", "ln levels", "best loss at each budget"], rows),
        ]
    )


def shape() -> str | None:
    runs = read("adaptive-shape")
    if runs is None:
        return None
    best = runs.groupby(["architecture", "budget", "width"])["loss"].agg(["mean", "count"]).reset_index()
    best = best.loc[best.groupby(["architecture", "budget"])["mean"].idxmin()]
    wide = best.pivot_table(index="budget", columns="architecture", values="mean")
    rows = [[flops(b), *(f"{wide.loc[b, a]:.4f}" for a in wide.columns)] for b in wide.index]
    # Seeds of one shape and budget scatter so much.
    spread = runs.groupby(["architecture", "budget", "width"])["loss"].var(ddof=1).mean() ** 0.5
    count = int(best["count"].min())
    text = []
    if {"grows", "fixed-256"} <= set(wide.columns) and len(wide) > 1:
        fixed, grows = np.log(wide["fixed-256"].to_numpy()), np.log(wide["grows"].to_numpy())
        cost = np.log(wide.index.to_numpy())
        # Where the line between two budgets of the one reaches the loss of the other.
        equal = [
            float(np.exp(cost[i] - np.interp(-loss, -grows, cost)))
            for i, loss in enumerate(fixed)
            if grows[-1] <= loss <= grows[0]
        ]
        p = norm.cdf((wide["fixed-256"] - wide["grows"]) / (spread * np.sqrt(2 / count)))
        text.append(
            "P(growing is below the fixed length), by the scatter of seeds: "
            + ", ".join(f"{percent(value)} at {flops(b)}" for b, value in zip(wide.index, p, strict=True))
            + ". "
            + against_short(wide, spread * np.sqrt(2 / count))
            + (
                f"To reach the loss of the fixed length, the growing one takes "
                f"{1 / np.median(equal):.2f} of its FLOPs (median "
                f"over {len(equal)} budgets, by a straight line between budgets)."
                if equal
                else "No loss was reached by both, so their FLOPs cannot be compared."
            )
            + "\n"
        )
    return "\n".join(
        [
            "## A shape that changes on schedule\n",
            "Sequences that grow from 32 to 256 tokens in training, against 256 throughout and 64 "
            "throughout; all measured on "
            "windows of 256, the best size of each budget, mean over seeds, nats per token "
            "([data card](../runs/adaptive-shape/README.md)). In a sweep file: "
            '`{ name = "grows", kind = "llama", contexts '
            "= [[32, 0.5], [256, 0.5]] }`.\n",
            figures.shape(best),
            table(["FLOPs", *wide.columns], rows),
            *text,
        ]
    )


def against_short(wide: pd.DataFrame, error: float) -> str:
    """The growing one against short sequences throughout, which no one who needs long ones would train."""
    if "fixed-64" not in wide:
        return ""
    p = norm.cdf((wide["fixed-64"] - wide["grows"]) / error)
    odds = ", ".join(f"{percent(value)} at {flops(b)}" for b, value in zip(wide.index, p, strict=True))
    return f"That it is below 64 throughout: {odds}. "


MEASURED: tuple[Callable[[], str | None], ...] = (
    ensembles,
    compression,
    retrieval,
    groups,
    modalities,
    shape,
)


def main() -> None:
    if page := small_worlds():
        write("small-worlds.md", page)
    sections = [text for section in MEASURED if (text := section())]
    if sections:
        head = f"# Measured after training, and beyond text\n\nMade by {COMMAND} from the tables under `runs/`.\n"
        write("measured.md", "\n".join([head, *sections]))


def write(name: str, page: str) -> None:
    """Write a page, with what `make_skills.py` put into it."""
    path = HERE / name
    path.write_text("\n\n".join(part for part in (page.rstrip(), kept(path)) if part) + "\n", "utf-8")


if __name__ == "__main__":
    main()
