"""What rounding the weights of trained models costs, by the law of Kumar et al. 2024."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import bayescale as bs
from bayescale.forecast.held_out import held_out
from bayescale.numerals import percent
from bayescale.runs import read_runs
from fitted.common import COMMAND, DOCS, WORLDS, fitted, gate, table
from fitted.marked import put

LAW, PUBLISHED = "kumar-rounded", "kumar-post"
WHERE = 'status == "finished" and sparsity == 0 and group == 0'
MEANINGS = {
    "gamma_D": "exponent of tokens",
    "gamma_N": "exponent of params",
    "gamma_post": "bits for each factor e",
}


def compression(work: Path) -> None:
    runs = read_runs(WORLDS.parent / "compression" / "runs.parquet", where=WHERE)
    held = (runs["split"] == "holdout").to_numpy()
    posterior = fitted(work, "compression", runs[~held].reset_index(drop=True), LAW)
    checked = held_out(posterior, runs[held].reset_index(drop=True))
    tasks = [str(task) for task in posterior.design.cells["task"]]
    published = bs.law(PUBLISHED).published[0].values
    draws = {name: posterior.draws(name) for name in MEANINGS}
    steeper = (draws["gamma_D"] > draws["gamma_N"]).all(axis=1).mean()

    def middle(x: np.ndarray) -> str:
        low, mid, high = np.quantile(x, (0.05, 0.5, 0.95))
        return f"{mid:.2f} ({low:.2f} to {high:.2f})"

    put(
        DOCS / "measured.md",
        "compression",
        COMMAND,
        "\n\n".join(
            [
                "## Rounding, by Kumar's law",
                f"The law {LAW} (Kumar et al. 2024: what rounding adds grows as tokens^gamma_D, falls as "
                "params^gamma_N and by a factor e every gamma_post bits), fitted to "
                f"{len(posterior.runs)} losses of {posterior.runs['run_id'].nunique()} models, as they are and "
                f"rounded to 8, 6, 4 and 3 bits (`bayescale fit runs/compression/runs.parquet --model {LAW} "
                f'--where "sparsity == 0 and group == 0"`); the {len(checked.measured)} losses of '
                f"{runs[held]['run_id'].nunique()} dearer "
                f"models are held out. {gate('the law', posterior.health())} Of the held-out losses "
                f"{percent(checked.inside(0.5).mean())} are inside the 50 % band, "
                f"{percent(checked.inside(0.9).mean())} inside the 90 % band, which is too wide: rows of one model "
                "that rounding hardly moves agree to a part in ten thousand and the others do not, one factor "
                "stretches all of a model's noise, and so it has tails far heavier than its prior "
                f"(nu {middle(posterior.draws('nu'))}).",
                table(
                    ["", *tasks, "published"],
                    [
                        [
                            f"{name}, {meaning}",
                            *(middle(draws[name][:, i]) for i in range(len(tasks))),
                            f"{published[name]:.2f}",
                        ]
                        for name, meaning in MEANINGS.items()
                    ],
                ),
                "That models trained on more tokens a parameter lose more by rounding holds in all four worlds with "
                f"probability {percent(float(steeper))}.",
            ]
        ),
    )
