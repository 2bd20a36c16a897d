"""Whether the gaps between groups grow with scale."""

from __future__ import annotations

from pathlib import Path

from bayescale.runs import read_runs
from bayescale.skills.groups import gaps, group_model, renamed
from fitted.common import COMMAND, DOCS, WORLDS, fitted, gate
from fitted.figures import draw_gaps
from fitted.marked import put


def groups(work: Path) -> None:
    runs = read_runs(WORLDS / "groups.parquet", where='grouping == "frequency"', inputs=("params", "tokens"))
    runs = runs[runs["task"] == "ordinary_prose"].reset_index(drop=True)
    runs, by = renamed(runs)
    posterior = fitted(work, "groups", runs, group_model(by=by))
    found = gaps(posterior, by)
    draw_gaps(posterior, DOCS / "skills-groups.png", by)
    put(
        DOCS / "measured.md",
        "groups",
        COMMAND,
        "\n\n".join(
            [
                "## Do the gaps between groups grow with scale?",
                "Losses of the runs on ordinary prose, by how frequent the token is in training: a law partly pooled "
                "over the groups, with an effect that the rows of one run share (`bayescale skills groups`). "
                + gate("the law by group", posterior.health()),
                "![Loss by frequency of the token against compute](skills-groups.png)",
                "\n".join(f"- {sentence}" for sentence in found.sentences()),
            ]
        ),
    )
