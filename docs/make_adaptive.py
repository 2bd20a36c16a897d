"""Make the part of `docs/measured.md` on when to change shape: ``python docs/make_adaptive.py [FIT.nc]``.

Every figure there is what a command prints. Without a posterior `runs/adaptive-shape` is fitted first, which takes some
minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fitted.marked import put
from make_allocation import flowing, shown
from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app

HERE = Path(__file__).parent
FIGURE = HERE / "measured-adapt.png"
FIT = [
    "fit",
    "runs.parquet",
    "--model",
    "chinchilla",
    "--where",
    "architecture != 'grows'",
    "--chains",
    "2",
    "--warmup",
    "1500",
    "--draws",
    "2000",
    "--target-accept",
    "0.99",
    "--out",
    "fit.nc",
]
LENGTH = ["adapt", "fit.nc", "--by", "architecture", "--sizes", "26232", "--flops", "3e10"]
SIZE = ["adapt", "fit.nc", "--sizes", "5800,14160,26232", "--for", "architecture=fixed-64", "--flops", "3e10"]

TEXT = """
The rule of Anagnostidis et al. (2023), from the runs of the two fixed lengths alone (`runs/adaptive-shape` without
`grows`): at every loss follow the shape whose curve needs the least further compute for a further fall, in every draw
of the posterior. The fit is `bayescale fit runs.parquet --model chinchilla --where "architecture != 'grows'" --chains 2
--warmup 1500 --draws 2000 --target-accept 0.99 --out fit.nc`; `posterior.adapt` gives the same in Python.
"""
AGREES = """
Measured, the schedule that was set beforehand (`grows`) is above the short length at every budget (the table above).
"""
READ = """
**How to read it.** `saves` compares one plan, the order and the losses of least expected compute, with the one shape
that would be chosen by the same rule; the table below the sentence says where each draw would change if it were known
to be true, and is of other draws than the plan's where those disagree. The law is fitted to finished runs, whose
learning rate has come down, so that a curve here is one of runs of growing length and not of one run on its way; a run
that changes shape is taken to lose nothing by it. No such run was made here: these are savings as the curves have them,
to be checked by training one.
"""


def page(folder: Path) -> str:
    """The whole part; the folder holds `fit.nc`."""
    return "\n".join(
        [
            "## When to change shape",
            "",
            f"{flowing(TEXT)} Health gate of the fit: {bs.load(folder / 'fit.nc').health().verdict}.",
            "",
            "The length of the sequence:",
            "",
            *_block(folder, LENGTH),
            "",
            flowing(AGREES),
            "",
            "The size, at the short length:",
            "",
            *_block(folder, SIZE),
            "",
            f"![Loss against compute of three sizes and of a run that grows through them]({FIGURE.name})",
            "",
            flowing(READ),
        ]
    )


def _block(folder: Path, arguments: list[str]) -> list[str]:
    return ["```", f"$ bayescale {' '.join(arguments)}", shown(folder, arguments), "```"]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 1:
            (folder / "fit.nc").write_bytes(Path(sys.argv[1]).read_bytes())
        else:
            table = bs.bundled("runs") / "adaptive-shape" / "runs.parquet"
            (folder / "runs.parquet").write_bytes(table.read_bytes())
            names = [str(folder / a) if a in ("runs.parquet", "fit.nc") else a for a in FIT]
            CliRunner().invoke(app, names, catch_exceptions=False)
        put(HERE / "measured.md", "adaptive", "python docs/make_adaptive.py", page(folder))
        shown(folder, [*SIZE, "--figure", str(FIGURE)])


if __name__ == "__main__":
    main()
