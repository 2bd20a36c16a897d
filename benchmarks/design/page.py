"""The page of the docs: who buys best, and whether stated odds hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.design.policies import POLICIES
from benchmarks.design.summary import (
    ALL,
    SHARES,
    against_best,
    by_policy,
    choices,
    reliability,
)

INTRO = """# Which runs to buy, and whether the odds hold

Made by `python benchmarks/design.py` from published tables (sources: [published.md](published.md)), the bundled runs
and made-up worlds. Every policy starts from the eight cheapest runs of a table and buys others from it, up to 1, 3,
10 and 30 % of what all of them cost, with a new fit at each. What is scored lies beyond what is for sale: the loss of
the dearest runs, and a choice between six of them and doing nothing, priced so that it is close.

- **ours**: information on the expected losses that the choice is about, the law linearised at 64 posterior draws, with
  noise and drift in (`Posterior.plan`); **V-optimal**: their mean variance by the law linearised at the best fit;
  **D-optimal**: the law's parameters, the same way. These three keep the better of two greedy baskets, by worth and by
  worth per FLOP.
- **cheapest first**, **random** (three seeds), and **everything**, whose score is the unit.

Every policy is fitted alike: Hoffmann's law with the library's priors and drift, by adaptive importance sampling of
the library's own density (`benchmarks/design/inference.py`), since NUTS hundreds of times is a week; the
effective number of draws is in the tables. Every row counts as a run of its own. It is the
buying that is compared here, not the law.

![CRPS by share of the cost and policy; and stated against realised odds](design.png)
"""


def markdown(found: pd.DataFrame | None, worlds: list[dict[str, Any]], missing: Sequence[str]) -> str:
    """The whole page, of what has been run."""
    lines = [INTRO]
    if found is not None:
        lines += _races(found)
    if worlds:
        lines += _odds(worlds)
    if missing:
        lines.append(f"**Not on this page**, not run or no table there: {', '.join(missing)}.\n")
    return "\n".join(lines)


def _races(found: pd.DataFrame) -> list[str]:
    count = found["world"].nunique()
    names = list(POLICIES)
    lines = [
        f"## Buying, over {count} tables\n",
        "CRPS of the dear runs' losses over that of buying everything, geometric mean:\n",
    ]
    lines += _by_share(found, names, "relative", "{:.2f}")
    lines += ["Mean absolute relative error of the median:\n"]
    lines += _by_share(found, names, "error", "{:.2%}")
    lines += ["Regret of the choice, as a share of what is between the best and the worst action:\n"]
    lines += _by_share(found, names, "lost", "{:.2%}")
    lines += [
        "Ours against the best other policy at each share, paired over tables (negative: ours is better):\n"
    ]
    rows = []
    for column, what, form in (
        ("relative", "log CRPS", "{:+.3f} ± {:.3f}"),
        ("lost", "regret", "{:+.4f} ± {:.4f}"),
    ):
        for share in SHARES:
            one = against_best(found, share, column)
            apart = abs(one["difference"]) > one["error"]
            which = "no difference" if not apart else "**worse**" if one["difference"] > 0 else "better"
            less = form.format(one["difference"], one["error"])
            rows.append((what, f"{share:.0%}", str(one["best"]), less, which))
    lines += _table(("figure", "share", "best other", "ours less that", "beyond its standard error"), rows)
    lines.append(
        "With eight runs to begin with the posterior is wide and far from Gaussian, which is where a law made linear, "
        "at draws or at the best fit alone, says least.\n"
    )
    lines += ["Every table, CRPS in nats (effective draws behind the fits: median, least):\n"]
    rows = []
    for world, mine in found.groupby("world", sort=False):
        for share in SHARES:
            there = mine[mine["share"] == share].set_index("policy")["crps"]
            if len(there):
                rows.append((str(world), f"{share:.0%}", *(_cell(there, name) for name in names), ""))
        everything = mine[mine["policy"] == ALL]["crps"]
        ess = mine["ess"]
        rows.append(
            (
                str(world),
                "everything",
                *[""] * len(names),
                f"{everything.iloc[0]:.4f} ({ess.median():.0f}, {ess.min():.0f})",
            )
        )
    return lines + _table(("table", "share", *names, "everything (draws)"), rows)


def _cell(values: pd.Series, name: str) -> str:
    return f"{values[name]:.4f}" if name in values else ""


def _by_share(found: pd.DataFrame, names: list[str], column: str, form: str) -> list[str]:
    rows = []
    for share in SHARES:
        values = by_policy(found, share, column)
        rows.append(
            (f"{share:.0%}", *(form.format(values[name]) if name in values else "" for name in names))
        )
    return _table(("share of the cost", *names), rows)


def _odds(worlds: list[dict[str, Any]]) -> list[str]:
    curve, said = reliability(worlds), choices(worlds)
    lines = [f"## Odds, in {said['worlds']} worlds whose truth is known\n"]
    lines.append(
        "Laws, noise and drift drawn from the model's own prior; 25 cheap runs fitted; four actions three to a hundred "
        "times dearer than any of them and doing nothing; a target drawn from the forecast so that all odds come up. "
        "One action a world, by what was stated:\n"
    )
    rows = [
        (
            f"{row['stated']:.3f}",
            str(row["worlds"]),
            f"{row['reached']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}",
            "yes" if row["within"] else "**no**",
        )
        for row in curve.to_dict("records")
    ]
    lines += _table(("stated", "worlds", "reached", "95 % of right forecasts", "within"), rows)
    inside = int(curve["within"].sum())
    lines.append(
        f"{inside} of {len(curve)} bins are within binomial error. The median fit has {said['ess']:.0f} effective "
        f"draws; {said['poor']:.1%} of fits have fewer than 200.\n"
    )
    sure = abs(said["gain"]) / said["error"]
    lines.append(
        f"Reaching the target is worth 1, the actions cost 0.05 to 0.4. Choosing by expected utility leaves a realised "
        f"regret of {said['ours']:.3f}; by the best fit's point forecast, the usual rule, {said['usual']:.3f}: "
        f"{said['gain']:+.3f} ± {said['error']:.3f} for ours ({sure:.1f} standard errors; the two choose differently "
        f"in {said['apart']:.0%} of worlds). Expected utility as stated: {said['stated']:.3f}, as realised: "
        f"{said['realised']:.3f} ± {said['realised_error']:.3f}.\n"
    )
    return lines


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]
