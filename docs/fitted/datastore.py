"""What a datastore is worth at equal compute, by the law with its size as a third axis."""

from __future__ import annotations

from pathlib import Path

from bayescale.forecast.held_out import held_out
from bayescale.numerals import count, percent, scientific, significant
from bayescale.runs import read_runs
from fitted.common import COMMAND, DOCS, WORLDS, fitted, gate, interval, table
from fitted.figures import draw_datastore
from fitted.marked import put

LAW = "datastore-log"
TENTH = 0.1
"""Share of the compute that counts as a sizeable datastore."""


def datastore(work: Path) -> None:
    runs = read_runs(WORLDS.parent / "retrieval" / "runs.parquet", where='status == "finished"')
    held = (runs["split"] == "holdout").to_numpy()
    posterior = fitted(work, "retrieval", runs[~held].reset_index(drop=True), LAW)
    checked = held_out(posterior, runs[held].reset_index(drop=True))
    dearest = posterior.dearest
    plan = posterior.allocate([dearest / 10, dearest, 10 * dearest])
    draw_datastore(posterior, DOCS / "measured-datastore.png")
    share, gain = (plan.draws[name][:, -1] for name in ("datastore_share", "gain"))
    put(
        DOCS / "measured.md",
        "datastore",
        COMMAND,
        "\n\n".join(
            [
                "## What a datastore is worth at equal compute",
                f"The law {LAW}, fitted to {len(posterior.runs)} rows of {posterior.runs['run_id'].nunique()} runs of "
                "[retrieval](../runs/retrieval/README.md), the same models with datastores of several sizes; "
                f"{len(checked.measured)} rows of {runs[held]['run_id'].nunique()} dearer runs are held out. "
                f"{gate('the law', posterior.health())} Of the held-out losses {percent(checked.inside(0.5).mean())} "
                f"are inside the 50 % band, {percent(checked.inside(0.9).mean())} inside the 90 % band.",
                "![Share of compute that is best spent on a datastore, and its gain](measured-datastore.png)",
                "By `bayescale allocate fit.nc --flops ...`: the best split of a budget among params, tokens and a "
                "datastore, C = k N D + r S (Shao et al. 2024), with its 90 % interval. `gain` is the loss that the "
                "best plan without a datastore has above it.",
                table(
                    ["FLOPs", "params", "tokens", "datastore", "of the compute", "loss", "gain"],
                    [
                        [
                            scientific(row["flops"]),
                            *(
                                interval(row, name, count)
                                for name in ("params", "tokens", "datastore_tokens")
                            ),
                            interval(row, "datastore_share", percent),
                            interval(row, "loss", lambda x: significant(x, 3)),
                            interval(row, "gain", lambda x: significant(x, 3)),
                        ]
                        for _, row in plan.table.iterrows()
                    ],
                ),
                f"At {scientific(plan.table['flops'].iloc[-1])} FLOPs, ten times the dearest fitted run, more than a "
                f"tenth of the compute is best spent on a datastore with probability "
                f"{percent(float((share > TENTH).mean()))}, and doing without costs more than a hundredth of a nat "
                f"with probability {percent(float((gain > 0.01).mean()))}.",
                "The law gives every model one S0, while large models gain less from a small datastore and more from "
                "each doubling of a large one (figure of [retrieval](#retrieval)): its gain beyond the measured "
                "datastores is a guess.",
                *(f"{note[:1].upper()}{note[1:]}." for note in plan.notes),
            ]
        ),
    )
