"""Make `docs/laws.md` and its figures from the laws themselves: ``python docs/make_laws.py``.

The page is text from `bayescale.laws`, a section a law. The figures show what the default priors expect before any run
is seen, and the published fits on top. A test makes the page again and compares.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayescale.laws import Law, Parameter, law_from_expression
from bayescale.laws.registry import shipped
from bayescale.laws.syntax import FUNCTIONS
from bayescale.laws.usual import ranges, reference
from bayescale.models.density import unlink
from bayescale.numerals import scientific
from bayescale.report.figures import style

HERE = Path(__file__).parent
FIGURES = "laws"
DRAWS, POINTS = 4000, 60
LOSSES = (0.1, 40.0)
"""Every figure's axis of the loss."""
IN_BITS = ("farseer", "guo", "guo-free")

TOPICS: dict[str, tuple[str, ...]] = {
    "Size and data": (
        "chinchilla",
        "kaplan",
        "gadre",
        "generalised",
        "skaling",
        "multiplicative",
        "bounded",
        "acoustic",
        "farseer",
    ),
    "One input": (
        "kaplan-n",
        "kaplan-d",
        "kaplan-c",
        "kaplan-cmin",
        "henighan-n",
        "henighan-c",
        "m1",
        "m2",
        "m3",
        "m4",
        "zhai",
    ),
    "Broken power laws": ("bnsl0", "bnsl1", "bnsl2"),
    "Regimes": (
        "bahri-variance-tokens",
        "bahri-variance-width",
        "bahri-resolution-tokens",
        "bahri-resolution-params",
    ),
    "Compute alone, in bits per character": ("guo", "guo-free"),
    "Repeated data": ("muennighoff", "bounded-repeated"),
    "Experts and sparsity": ("clark", "krajewski", "ludziejewski", "frantar"),
    "Precision": ("kumar", "kumar-post", "kumar-rounded"),
    "Mixtures of domains": ("mixture-1-2", "mixture-joint-1-2", "mixing-1-2"),
    "Training: steps and schedules": ("kaplan-steps", "tissue", "multi-power", "multi-power-cosine"),
    "A world with a known truth": ("plrf",),
    "Context, transfer, retrieval, ensembles": (
        "kaplan-position",
        "xiong",
        "hernandez",
        "datastore-log",
        "datastore-power",
        "ensemble",
    ),
}
"""Where a law stands; one that is not listed stands under the last heading."""
REST = "More laws"

MAIN = {
    "bounded-repeated": "unique_tokens",
    "clark": "experts",
    "datastore-log": "datastore_tokens",
    "datastore-power": "datastore_tokens",
    "ensemble": "ensemble",
    "frantar": "density",
    "hernandez": "tokens",
    "kaplan-steps": "steps",
    "krajewski": "granularity",
    "kumar": "precision_weights",
    "kumar-post": "precision_post",
    "kumar-rounded": "precision_post",
    "ludziejewski": "experts",
    "mixing-1-2": "share_1",
    "mixture-1-2": "share_1",
    "mixture-joint-1-2": "share_1",
    "muennighoff": "tokens",
}
"""The input that a law is drawn against, its first one otherwise."""

RULES = {
    "rules.kaplan": "What follows from Kaplan's laws",
    "rules.isoflop": "The frontier without a law: Hoffmann's approaches 1 and 2",
    "deepseek": "DeepSeek's allocation in FLOPs per token",
    "pearce_song": "Counting embeddings or not",
    "mixed_modal": "Hoffmann's law over six modalities",
}
"""Modules without a law to fit, and what they have."""


INTRODUCTION = """
`bayescale laws` lists them, `bayescale laws NAME` prints one, `--model NAME` fits it and `bs.law(NAME)` returns it.
A law of your own is an expression, `bs.law_of("E + A * params**-alpha")`, or a file in `bayescale/laws/`.

A prior is the range that holds 90 % of it, on what is sampled: an amplitude is sampled as the size of its term at
the runs' geometric means, written params0, tokens0 and so on. The spread is the standard deviation between groups,
of the log of a positive parameter. Why the shared priors are what they are is said in `bayescale/laws/terms.py`, and
beside each parameter that has its own.

The figures show the expected loss under the default priors alone, before any run is seen: median, 50 % and 90 %
bands, against one input, the others at the middle of a usual set of runs. Published fits are drawn over the same
inputs, whatever their own runs were; they are not what the priors were made from, but should not surprise them.
"""


def topics() -> dict[str, list[Law]]:
    """The laws by heading; one that `TOPICS` does not know comes last."""
    laws = shipped()
    grouped = {heading: [laws[name] for name in names] for heading, names in TOPICS.items()}
    listed = {name for names in TOPICS.values() for name in names}
    rest = [law for name, law in sorted(laws.items()) if name not in listed]
    return grouped | ({REST: rest} if rest else {})


def slug(heading: str) -> str:
    """The anchor that a heading gets, and the name of its figure."""
    return re.sub(r"[^a-z0-9-]", "", heading.lower().replace(" ", "-"))


def page() -> str:
    """The whole page."""
    grouped = topics()
    lines = [
        "# The laws",
        "",
        "<!-- Made by `python docs/make_laws.py` from bayescale/laws; edit those. -->",
        "",
        INTRODUCTION.strip(),
        "",
    ]
    for heading, laws in grouped.items():
        lines.append(
            f"- [{heading}](#{slug(heading)}): " + ", ".join(f"[{law.name}](#{law.name})" for law in laws)
        )
    lines.append("- [A law of your own](#a-law-of-your-own)")
    lines += ["- [Rules and conversions](#rules-and-conversions)", ""]
    for heading, laws in grouped.items():
        lines += [f"## {heading}", "", f"![Prior predictive: {heading}]({FIGURES}/{slug(heading)}.png)", ""]
        for law in laws:
            lines += [*section(law), ""]
    lines += ["## A law of your own", "", *own(), "", "## Rules and conversions", "", *rules()]
    return "\n".join(lines).rstrip() + "\n"


def section(law: Law) -> list[str]:
    """One law."""
    lines = [f"### {law.name}", "", f"**{cell(law.title)}**", "", "$$", law.latex, "$$", ""]
    takes = ", ".join(f"`{name}`" for name in law.inputs)
    lines.append(f"- Source: {cell(law.citation)}")
    lines.append(f"- Needs: {takes}")
    if law.may_be_zero:
        lines.append(
            f"- May be zero: {', '.join(f'`{name}`' for name in law.inputs if name in law.may_be_zero)}"
        )
    if {"params", "tokens"} <= set(law.inputs):
        others = [f"`{name}`" for name in law.inputs if name not in ("params", "tokens")]
        at = f" at fixed {', '.join(others)}" if others else ""
        lines.append(
            f"- Compute-optimal size: {'in closed form' if law.optimum else 'found numerically'}{at}"
        )
    lines += [f"- Limits: {cell(law.validity)}", ""]
    lines += table(
        ("parameter", "meaning", "unit", "sampled as", "prior", "spread between groups"),
        [_row(p) for p in law.parameters],
    )
    if law.published:
        lines += ["", "Published:", ""]
        noted = any(p.note or p.runs for p in law.published)
        names = [f"`{name}`" for name in law.parameter_names]
        rows = []
        for p in law.published:
            cells = [
                cell(p.label),
                *(_value(p.values, p.sd, name) for name in law.parameter_names),
                cell(p.citation),
            ]
            rows.append([*cells, cell(_note(p.note, p.runs))] if noted else cells)
        lines += table(["fit", *names, "source", *(["note"] if noted else [])], rows)
    return lines


def _row(p: Parameter) -> list[str]:
    c = p.centring
    sampled = f"`{c.symbol}`, {cell(c.meaning)} [{c.unit}]" if c else "as it is"
    return [f"`{p.name}`", cell(p.meaning), f"`{p.unit}`", sampled, _range(p, "prior"), _range(p, "spread")]


def _range(p: Parameter, which: str) -> str:
    prior = getattr(p, which)
    return f"{prior.low:g} to {prior.high:g}" + (f" ({prior.mass:.0%})" if prior.mass != 0.9 else "")


def _value(values: Mapping[str, float], sd: Mapping[str, float], name: str) -> str:
    if name not in values:
        return ""
    return f"{values[name]:.6g}" + (f" ± {sd[name]:g}" if name in sd else "")


def _note(note: str, runs: Mapping[str, tuple[float, float]]) -> str:
    ends = ", ".join(f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in runs.items())
    return " ".join(filter(None, [note, f"Runs: {ends}." if ends else ""]))


OWN = "E + A * params**-alpha - k * log1p(datastore_tokens / S0)"


def own() -> list[str]:
    """How an expression becomes a law, with one printed."""
    functions = ", ".join(f"`{name}`" for name in FUNCTIONS)
    lines = [
        f"`bs.law_of(EXPRESSION)` takes numbers, names, `+ - * / **` and {functions}; `log` is natural.",
        "Names that are columns of the runs table or inputs of a law above are inputs; columns of yours are given as",
        "`inputs=[...]`. Every other name is a parameter, and where it stands says what it is:",
        "",
    ]
    lines += table(
        ("where", "what", "default prior", "sampled as"), [_role(text, name) for text, name in ROLES]
    )
    given = (
        'parameters={"S0": {"prior": (1e-4, 3)}, "alpha": {"prior": (0.2, 0.6), "meaning": "my exponent"}}'
    )
    return [
        *lines,
        "",
        f"What is known of a parameter is given instead: `{given}`,",
        "with `support`, `spread`, `unit` and `latex` likewise. A prior is on what is sampled, which the law prints:",
        "",
        "```",
        f'>>> print(bs.law_of("{OWN}"))',
        str(law_from_expression(OWN)),
        "```",
    ]


ROLES = (
    ("E + A * params**-a", "E"),
    ("E + A * params**-a", "A"),
    ("E + A * params**-a", "a"),
    ("(x_c / flops)**a", "x_c"),
    ("E + A * (flops + s)**-a", "s"),
    ("E + K * (params**-a + R * tokens**-b)**k", "k"),
    ("E + K * (params**-a + R * tokens**-b)**k", "R"),
    ("E + A * params**-a * maximum(1, q)", "q"),
)
"""An expression, and the parameter in it that is shown."""


def _role(text: str, name: str) -> list[str]:
    p = law_from_expression(text).parameter(name)
    sampled = f"`{p.centring.symbol}`" if p.centring else "as it is"
    return [f"`{name}` in `{text}`", cell(p.meaning), _range(p, "prior"), sampled]


def rules() -> list[str]:
    """The public functions of the modules without a law, by the first line of their docstrings."""
    lines = []
    for module, heading in RULES.items():
        code = importlib.import_module(f"bayescale.laws.{module}")
        lines += [f"### {heading}", "", f"`bayescale.laws.{module}`. {_first_line(code)}", ""]
        functions = [
            (name, f)
            for name, f in vars(code).items()
            if inspect.isfunction(f) and f.__module__ == code.__name__ and not name.startswith("_")
        ]
        lines += [f"- `{name}`: {cell(_first_line(f).removeprefix('Return '))}" for name, f in functions]
        lines.append("")
    return lines


def _first_line(what: Any) -> str:
    return " ".join((inspect.getdoc(what) or "").split("\n\n")[0].split())


def cell(text: str) -> str:
    """Text that stands as it is in Markdown, in a table too; what it has in backticks stays code."""
    parts = re.split(r"`+([^`]+)`+", text)
    return "".join(
        f"`{part}`" if i % 2 else re.sub(r"([\\*_|<>$^])", r"\\\1", part) for i, part in enumerate(parts)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table of cells that are Markdown."""
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def curves(law: Law) -> tuple[str, np.ndarray, np.ndarray, list[np.ndarray]]:
    """The main input, its grid, the loss under draws from the default priors, and that of each published fit."""
    main, middle = MAIN.get(law.name, law.inputs[0]), reference(law)
    low, high = ranges(law)[main]
    # A share or a number of bits runs evenly, anything that is a scale by its log.
    grid = np.linspace(low, high, POINTS) if _even(main) else np.geomspace(low, high, POINTS)
    inputs: dict[str, Any] = {**middle, main: grid}
    shares = [name for name in law.inputs if name.startswith("share_") and name != main]
    if main.startswith("share_"):
        inputs |= {name: (1 - grid) / len(shares) for name in shares}
    rng = np.random.default_rng(0)
    normals = [p.prior.normal(p.support) for p in law.parameters]
    linked = [jnp.asarray(mean + sd * rng.standard_normal((DRAWS, 1))) for mean, sd in normals]
    losses = np.asarray(law.loss(unlink(law, linked, middle), inputs))
    complete = [p.values for p in law.published if set(law.parameter_names) <= set(p.values)]
    return main, grid, losses, [np.broadcast_to(law.loss(values, inputs), grid.shape) for values in complete]


def _even(name: str) -> bool:
    return name.startswith(("share_", "precision_"))


def figure(laws: Sequence[Law]) -> bytes:
    """Small multiples of a topic: bands of the prior predictive, and published fits, on one axis of the loss."""
    with style.styled():
        columns = 2 if len(laws) == 4 else min(3, len(laws))
        drawn, axes = style.panels(style.WIDE, len(laws), columns, 2.2, extra=0.35)
        for i, (law, axis) in enumerate(zip(laws, axes, strict=True)):
            main, grid, losses, published = curves(law)
            bands = np.maximum(np.nanquantile(losses, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0), LOSSES[0] / 10)
            axis.fill_between(
                grid, bands[0], bands[4], color=style.SKY, alpha=0.25, linewidth=0, label="90 % of the prior"
            )
            axis.fill_between(grid, bands[1], bands[3], color=style.SKY, alpha=0.5, linewidth=0, label="50 %")
            axis.plot(grid, bands[2], color=style.BLUE, linewidth=1.4, label="median")
            for k, line in enumerate(published):
                text = "published fit" if k == 0 else None
                axis.plot(grid, line, color=style.VERMILLION, linewidth=1.1, alpha=0.85, label=text)
            if _even(main):
                axis.set_xlim(grid[0], grid[-1])
            else:
                style.log_axis(
                    axis.xaxis, grid[0], grid[-1], _plain if grid[-1] < 1e4 else scientific, most=4
                )
            style.log_axis(axis.yaxis, *LOSSES, _plain)
            axis.set_title(law.name)
            axis.set_xlabel(main)
            if i % columns == 0 or law.name in IN_BITS:
                axis.set_ylabel("bits/character" if law.name in IN_BITS else "nats/token")
        entries = {
            text: line for axis in axes for line, text in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        drawn.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=4)
        return style.save(drawn, "png", dpi=130)


def _plain(x: float) -> str:
    return f"{x:g}"


def main() -> None:
    """Write the page and its figures."""
    (HERE / "laws.md").write_text(page(), encoding="utf-8")
    (HERE / FIGURES).mkdir(exist_ok=True)
    for heading, laws in topics().items():
        (HERE / FIGURES / f"{slug(heading)}.png").write_bytes(figure(laws))


if __name__ == "__main__":
    main()
