"""The page of the docs: every figure from the kept worlds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from bayescale.decide.refusal import RefusalReason
from bayescale.revisions import outdated_text
from benchmarks.verdicts.believed import AS_FAR, AT_LEAST
from benchmarks.verdicts.figure import figure
from benchmarks.verdicts.questions import EDGES as GO_EDGES
from benchmarks.verdicts.results import ROOT, Record
from benchmarks.verdicts.run import SETTINGS
from benchmarks.verdicts.summary import (
    ANSWERED,
    DISTANCES,
    EDGES,
    MOST_NEEDLESS,
    NINETY,
    REFUSED,
    RIGHT_AT_90,
    answerable,
    beyond_belief,
    by_utility,
    each_family,
    for_a_target,
    frame,
    refused,
    right_share,
    share,
    stated_mean,
    worst,
)
from benchmarks.verdicts.truth import PUBLISHED_DRIFT
from benchmarks.verdicts.worlds import HELD_OUT, OFF, PER_TABLE

PAGE = ROOT / "docs" / "verdicts.md"
PICTURE = ROOT / "docs" / "verdicts.png"

_DRIFT = " to ".join(f"{100 * x:.1f}" for x in PUBLISHED_DRIFT)
_OFF = " to ".join(f"{100 * x:.0f}" for x in OFF)

INTRO = f"""# Are verdicts right?

`python benchmarks/verdicts.py` makes this page. Each world has a law, a noise, a table of runs and held-out runs that
are drawn at random, so the truth about every question is known exactly. The default model is fitted to the table, and
nine decisions are put to `decide`. Nothing in the package was tuned on these worlds.

**Tables.** A table has 16 runs of one group from 1e17 to 1e19 FLOPs: IsoFLOP curves at four budgets, of four sizes
each. Laws have a floor, a size term and a data term drawn around the published ones. Noise between seeds is .1 to .8 %.
A family has {min(PER_TABLE.values())} to {max(PER_TABLE.values())} worlds on each table, which differ in held-out
runs and in questions: fewer where a fit is fast.

| family | what differs |
|---|---|
| law right | nothing: the law goes on beyond the runs |
| law drifts | beyond the runs the loss leaves the law, and the table shows nothing of it |
| contaminated | one to four of the runs are 5 to 20 % worse |
| one budget | all runs have the same compute |
| one ratio | all runs have 20 tokens per param |
| correlated | 12 runs, each measured twice on its way; the two rows share most of their noise |

A law that drifts does so by {_DRIFT} % of the loss an e-fold of compute, and again of size, of either sign: by as much
as laws fitted to published tables were off. This family shares its tables with the first.

**Held-out runs.** Half of the worlds have {HELD_OUT[0]} to {HELD_OUT[-1]} runs that the fit has not seen, .2 to 1
decade of compute beyond it. One in three of those is wrong on purpose: {_OFF} % in log loss, either way. Half of
the wrong ones are mismeasured; in the other half the law itself breaks at the end of the runs, for the actions too.

**Questions.** A world has five actions: one inside the runs, and four from 0 to 4 decades of compute beyond. For each,
the question is a loss that the forecast itself promises with a probability of 3 to 97 %; for two of them also a loss
drawn about the truth. GO is said at {100 * GO_EDGES["go"]:.0f} % or more, NO-GO at {100 * GO_EDGES["no_go"]:.0f} % or
less. Two more questions choose among two runs and nothing by expected utility. Runs to make first are not priced.

**Right.** A GO for a target is right when the new run reaches it, a NO-GO when the run misses it. The page averages the
true probability of that, so the luck of single runs adds no noise. A choice by utility is right when no other action
has a higher expected utility in truth; its stated probability is that of being the best action.

**Fits** use {SETTINGS.chains} chains of {SETTINGS.draws} draws in place of four: the same sampler, health gate and
folds at a larger Monte Carlo error. Standard errors count the verdicts of one table together.

![Stated probability against the true one, and answers by distance](verdicts.png)
"""


def write(records: list[Record]) -> None:
    """Write the page and its picture."""
    if not records:
        print("no page: no world was asked yet")
        return
    PAGE.write_text(markdown(records), encoding="utf-8")
    PICTURE.write_bytes(figure(frame(records)))
    print(f"wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}")


def markdown(records: list[Record]) -> str:
    """Return the whole page."""
    verdicts = frame(records)
    tables = len({r["seed"] for r in records})
    cpu = sum(r["cpu_s"] for r in records)
    lines = [
        INTRO,
        "## What was found\n",
        f"{len(records)} worlds on {tables} fitted tables, {len(verdicts)} verdicts, "
        f"{cpu / len(records):.1f} CPU-seconds a world.\n",
        *headline(verdicts),
        *_families(verdicts),
        *_stated(verdicts),
        *_distance(verdicts),
        *_refusals(verdicts),
        *_held_out(verdicts),
        *_utility(verdicts),
        *_fits(records),
        *_worst(verdicts),
    ]
    old = {said for r in records if (said := outdated_text(r["revisions"]))}
    if old:
        lines.append(
            f"Some of these worlds were asked at earlier revisions ({'; '.join(sorted(old))}); "
            "`--fresh` asks them anew.\n"
        )
    return "\n".join(lines)


def headline(verdicts: pd.DataFrame) -> list[str]:
    """Return the three thresholds and what was measured, as a table."""
    at_90 = {
        k: s
        for k, s in each_family(for_a_target(verdicts), lambda its: right_share(its, *NINETY)).items()
        if s.count
    }
    low = min(at_90, key=lambda name: at_90[name].value) if at_90 else ""
    go = beyond_belief(verdicts, "go")
    none = refused(answerable(verdicts))
    rows: list[tuple[str, str, str, str]] = [
        (
            "verdicts on a target stated at 85 to 95 %: share right in the family where it is lowest",
            f"at least {100 * RIGHT_AT_90:.0f} %",
            f"{at_90[low]} ({low})" if low else "-",
            _met(bool(at_90) and at_90[low].value >= RIGHT_AT_90),
        ),
        (
            "GO for a run further out than forecasts were checked",
            "none",
            f"{len(go)} of {int((verdicts['answer'] == 'go').sum())}",
            _met(not len(go)),
        ),
        (
            "refusals where the law is right and every run is within a decade",
            f"at most {100 * MOST_NEEDLESS:.0f} %",
            str(none),
            _met(none.count > 0 and none.value <= MOST_NEEDLESS),
        ),
    ]
    return [
        *_table(("figure", "threshold", "measured", "holds"), rows),
        f"Forecasts count as checked to {AS_FAR:.0f} times the distance over which the fit forecast runs of its own, "
        "or held-out runs that are not wrong, along compute, params and tokens, and to "
        f"{AT_LEAST:g} decade at least. The distance is worked out here from the table and not by the package's guard. "
        f"{len(beyond_belief(verdicts, 'no-go'))} NO-GO hang on runs further out.\n",
    ]


def _families(verdicts: pd.DataFrame) -> list[str]:
    rows = []
    for family, its in verdicts.groupby("family", sort=False):
        asked = for_a_target(its)
        go, no = (asked[asked["answer"] == answer] for answer in ANSWERED)
        count = its["answer"].value_counts()
        rows.append(
            (
                str(family),
                str(its["index"].nunique()),
                str(its["table"].nunique()),
                *(str(count.get(answer, 0)) for answer in (*ANSWERED, "run first", REFUSED)),
                str(right_share(asked, *NINETY)),
                str(right_share(go, *NINETY)),
                str(right_share(no, *NINETY)),
                str(refused(answerable(its))) if family != "law drifts" else "-",
                str(len(beyond_belief(its, "go"))),
            )
        )
    header = (
        "family", "worlds", "tables", "GO", "NO-GO", "RUN FIRST", "NOT FROM THESE DATA", "right at 90 %",
        "GO right at 90 %", "NO-GO right at 90 %", "needless refusals", "GO beyond what was checked",
    )  # fmt: skip
    return [
        "## By family\n",
        "Shares are on questions for a target stated at 85 to 95 %, with their standard error and how many they are.\n",
        *_table(header, rows),
    ]


def _stated(verdicts: pd.DataFrame) -> list[str]:
    header = ("stated", *(str(name) for name in verdicts["family"].unique()), "all")
    rows = []
    for low, high in pairwise(EDGES):
        asked = for_a_target(verdicts)
        found = [right_share(its, low, high) for _, its in asked.groupby("family", sort=False)]
        every = right_share(asked, low, high)
        if every.count:
            mean = stated_mean(asked, low, high)
            rows.append(
                (
                    f"{100 * low:.0f} to {100 * high:.0f} % (mean {100 * mean:.1f} %)",
                    *map(str, found),
                    str(every),
                )
            )
    return ["## By stated probability\n", "Share right of GO and NO-GO on a target.\n", *_table(header, rows)]


def _distance(verdicts: pd.DataFrame) -> list[str]:
    rows = []
    asked = for_a_target(verdicts)
    for low, high in DISTANCES:
        its = asked[(asked["decades"] > low) & (asked["decades"] <= high)]
        fair = its[its["held_out"] != "wrong"]
        rows.append(
            (
                "inside" if high <= 0 else f"{low:g} to {high:g}",
                *(str(right_share(part, *NINETY)) for part in (its, fair[fair["family"] != "law drifts"])),
                str(right_share(its[its["family"] == "law drifts"], *NINETY)),
                str(refused(fair)),
            )
        )
    header = (
        "decades of compute beyond the runs", "right at 90 %", "where the law and the held-out runs are right",
        "where the law drifts", "refused, held-out runs not wrong",
    )  # fmt: skip
    return ["## By distance\n", *_table(header, rows)]


def _refusals(verdicts: pd.DataFrame) -> list[str]:
    reasons = [reason.value for reason in RefusalReason if (verdicts["why"] == reason.value).any()]
    rows = [
        (str(family), str(refused(its)), *(str(refused(its, reason)) for reason in reasons))
        for family, its in answerable(verdicts).groupby("family", sort=False)
    ]
    return [
        "## Needless refusals\n",
        "Questions that had an answer: the law is right, every run is within a decade of compute, and no held-out run "
        "is wrong on purpose. By the package's reason for the refusal.\n",
        *_table(("family", "refused", *(reason.replace("_", " ") for reason in reasons)), rows),
    ]


def _held_out(verdicts: pd.DataFrame) -> list[str]:
    rows = []
    for kind in ("none", "right", "wrong"):
        its = verdicts[verdicts["held_out"] == kind]
        rows.append(
            (
                kind,
                str(its[["family", "index"]].drop_duplicates().shape[0]),
                str(refused(its)),
                str(refused(its, RefusalReason.HELD_OUT_BROKEN.value)),
                str(right_share(for_a_target(its), *NINETY)),
            )
        )
    header = ("held-out runs", "worlds", "refused", "refused for the held-out runs", "right at 90 %")
    return ["## Held-out runs\n", *_table(header, rows)]


def _utility(verdicts: pd.DataFrame) -> list[str]:
    rows = []
    for low, high in pairwise(EDGES):
        its = by_utility(verdicts)
        found = right_share(its, low, high)
        if found.count:
            mean = stated_mean(its, low, high)
            rows.append((f"{100 * low:.0f} to {100 * high:.0f} %", f"{100 * mean:.0f} %", str(found)))
    lines = [
        "## Choices by expected utility\n",
        "The stated probability is that of being the best of the three actions. Costs are set close to what the "
        "forecast says runs are worth, so that choices are hard.\n",
        *_table(("stated", "mean", "best in truth"), rows),
    ]
    said = by_utility(verdicts)
    for ask, unit in (("worth", "of the target's worth"), ("nats", "nats")):
        its = said[(said["ask"] == ask) & said["regret"].notna()]
        if len(its):
            true, stated = share(its["regret"], its), share(its["stated_regret"], its)
            lines.append(
                f"- Regret, {unit}: {true.value:.4f} ± {true.error:.4f} in truth, {stated.value:.4f} as stated."
            )
    return [*lines, ""]


def _fits(records: list[Record]) -> list[str]:
    fits = {(r["family"], r["table"]): r for r in records}
    rows = []
    for family in dict.fromkeys(r["family"] for r in records):
        its = [r for (name, _), r in fits.items() if name == family]
        count = {v: sum(r["health"] == v for r in its) for v in ("PASS", "REVIEW", "FAIL")}
        missed: dict[str, int] = {}
        for name in (name for r in its for name in r["missed"]):
            missed[name] = missed.get(name, 0) + 1
        said = ", ".join(f"{name} {n}" for name, n in sorted(missed.items(), key=lambda x: -x[1]))
        rows.append((family, *(str(n) for n in count.values()), said or "none"))
    return ["## Fits\n", *_table(("family", "PASS", "REVIEW", "FAIL", "checks missed"), rows)]


def _worst(verdicts: pd.DataFrame) -> list[str]:
    rows = [
        (
            f"{row['family']} {row['index']}",
            f"{row['decades']:.1f}",
            f"{row['held_out']} ({row['held_out_runs']})",
            str(row["answer"]).upper(),
            f"{100 * row['stated']:.1f} %",
            f"{100 * row['right']:.1f} %",
        )
        for row in worst(verdicts).to_dict("records")
    ]
    header = ("world", "decades beyond", "held-out runs", "verdict", "stated", "right in truth")
    return ["## Worst cases\n", *_table(header, rows)]


def _met(holds: bool) -> str:
    return "yes" if holds else "**no**"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]
