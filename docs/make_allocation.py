"""Make `docs/allocation.md`: ``python docs/make_allocation.py [FIT.nc]``.

Every figure on the page is what a command prints. Without a posterior the bundled runs are fitted first, which takes
some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app

HERE = Path(__file__).parent
FIT = ["fit", "runs.parquet", "--model", "chinchilla", "--chains", "2", "--draws", "2000", "--out", "fit.nc"]
GROUP = "architecture=llama,task=python_code"

CONSTRAINTS = """unique_tokens = 2e6          # 2 million distinct tokens
max_epochs = 16
lifetime_tokens = 1e8        # to be served
menu = [1e5, 2e5, 4e5, 8e5]  # sizes that there are
batch = 4096                 # tokens a step
"""

PARTS: list[tuple[str, str, list[str]]] = [
    (
        "A budget",
        "Params, tokens and loss that are best for a budget, from every draw. Below them the valley: sizes "
        "whose loss is "
        "within 0.5 and 1 % of the best, which is what people really choose from, and the part of it that is "
        "inside with "
        "a probability of 90 %. Then one plan for all draws: the size of least expected loss, the best fit's, and 20 "
        "tokens per parameter, each with its regret, the loss above that of the best plan of each draw.",
        ["allocate", "fit.nc", "--flops", "1e14", "--for", GROUP],
    ),
    (
        "Little data",
        "Repeated tokens are worth less and less (Muennighoff et al. 2023). A law that knows of repetition "
        "(`--model muennighoff`) has it from the runs; any other is told, with R_D* from that law's prior, unless "
        "`repetitions_worth` says it.",
        [
            "allocate",
            "fit.nc",
            "--flops",
            "1e14",
            "--for",
            GROUP,
            "--unique-tokens",
            "2e6",
            "--max-epochs",
            "16",
        ],
    ),
    (
        "A model that will be used",
        "A token in service costs a third of one in training, and is paid from the same budget; so smaller models "
        "trained longer win (Sardana et al. 2024). Asked for a loss instead of a budget, the cheapest way there; "
        "`flops_ratio` is its cost over that of the plan that is cheapest to train.",
        ["allocate", "fit.nc", "--loss", "3.2", "--for", GROUP, "--lifetime-tokens", "1e9"],
    ),
    (
        "A cost that was measured",
        "Where the runs table has a column of what runs cost, in any unit, a cost law is learned from it: "
        "arithmetic, "
        "what a step costs whatever the model, and what a run costs. Here seconds of one thread of a shared machine, "
        "which tell little: the bundled models are so small that most of their time is overhead.",
        ["allocate", "fit.nc", "--for", GROUP, "--cost", "wall_s", "--cost-at-most", "3600"],
    ),
    (
        "Everything at once",
        "",
        ["allocate", "fit.nc", "--flops", "1e14", "--for", GROUP, "--constraints", "constraints.toml"],
    ),
    (
        "Groups against each other",
        "The difference between groups at a budget, each at its own optimum; the probability that each is "
        "best, there "
        "(`p_best`) and with the same params and tokens (`equal_p_best`); what a lead is worth in compute; "
        "and whether "
        "the curves cross between the cheapest run and ten times the dearest run or budget. Draws are paired, "
        "so that "
        "what groups share cancels; a group with few runs borrows from the others. A difference counts where it is "
        "larger than the noise of one run, or than `--equivalence` in nats or as a share of the loss. A group is "
        "called best, or two equivalent, at a probability of 90 %; otherwise there is no difference that these runs "
        "can show. `--json` has the probability that one is better, that both are equivalent, and that the other is "
        "better (`p_a_better`, `p_equivalent`, `p_b_better`).",
        ["versus", "fit.nc", "--by", "architecture", "--flops", "1e13,1e14", "--for", "task=python_code"],
    ),
]


FIGURES = f"""
The figures are of the bundled runs (`runs/small-lm`) by `bayescale {" ".join(FIT)}`: tiny models. Each block is what
the command above it prints; `--json` gives the same as figures, and `posterior.allocate`, `cheapest`, `versus` and
`cost_law` the same in Python.
"""

WORKED_OUT = (
    """The loss falls with tokens, and every limit allows fewer the larger the model. So for each size the plan is as
    many tokens as all limits allow, and what is left is a search over sizes: 181 of them at once for every
    draw, then finer
    about each draw's best. Where a law has its optimum in closed form and a budget of FLOPs is the only limit, the
    closed form is used; tests hold both to each other and to a grid of 20,000 sizes.""",
    """A plan has to beat 20 tokens per parameter, both ends of the allowed sizes, and half its tokens, in every draw;
    otherwise there is an error and no plan.""",
    """Limits that can be set, alone or together: `bayescale allocate --help` lists them. Hours and energy follow from
    FLOPs by the device's peak and the share of it that training reaches (`mfu`); memory takes 16 bytes a parameter for
    training with Adam (Rajbhandari et al. 2020), without activations.""",
    """At a batch of B tokens, 1 + B/B_crit times the tokens lead to the same loss, with Kaplan's critical batch (2020,
    eqs. 5.1 to 5.4) of the loss that is reached. Its constants are those of his text and tokenizer.""",
    """A law with a datastore (`bayescale fit RUNS --model datastore-log`) splits a budget three ways, C = k N D + r
    S (Shao et al. 2024): at every size, and in every draw, the share that the datastore takes is searched too. r,
    the FLOPs of a datastore token, is learned from the runs' column `datastore_flops`, or follows from
    `--retriever`: 2 FLOPs a param of the retriever, or `self`. `--max-datastore-tokens` is the corpus there is,
    `--at datastore_tokens=VALUE` a datastore that is there already. One plan for all draws buys one datastore. An
    example with figures stands on the page of [what was measured](measured.md#what-a-datastore-is-worth-at-equal-
    compute).""",
    """The gain in compute moves along the law from the budget, with the drift beyond the runs held as it is there.""",
    """One run that changes its shape on the way, sizes or groups in turn: `bayescale adapt`
    ([measured](measured.md#when-to-change-shape)).""",
)


def flowing(text: str) -> str:
    """A paragraph in one line."""
    return " ".join(text.split())


def shown(folder: Path, arguments: list[str]) -> str:
    """What a command prints, with the files of a folder."""
    names = {path.name: str(path) for path in folder.iterdir()}
    done = CliRunner().invoke(app, [names.get(a, a) for a in arguments], catch_exceptions=False)
    return done.stdout.strip()


def page(folder: Path) -> str:
    """The whole page; the folder holds `fit.nc`."""
    (folder / "constraints.toml").write_text(CONSTRAINTS)
    lines = [
        "# How to spend a budget",
        "",
        "<!-- made by docs/make_allocation.py -->",
        flowing(FIGURES),
    ]
    for title, text, arguments in PARTS:
        lines += ["", f"## {title}", *([text, ""] if text else [])]
        if "constraints.toml" in arguments:
            lines += ["```toml", CONSTRAINTS.strip(), "```", ""]
        lines += ["```", f"$ bayescale {' '.join(arguments)}", shown(folder, arguments), "```"]
    lines += ["", "## How it is worked out", *(f"- {flowing(point)}" for point in WORKED_OUT), ""]
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if len(sys.argv) > 1:
            (folder / "fit.nc").write_bytes(Path(sys.argv[1]).read_bytes())
        else:
            (folder / "runs.parquet").write_bytes(
                (bs.bundled("runs") / "small-lm" / "runs.parquet").read_bytes()
            )
            names = [str(folder / a) if a in ("runs.parquet", "fit.nc") else a for a in FIT]
            CliRunner().invoke(app, names, catch_exceptions=False)
        (HERE / "allocation.md").write_text(page(folder), encoding="utf-8")


if __name__ == "__main__":
    main()
