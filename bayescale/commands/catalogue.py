"""What laws and models there are, and what a corpus says before any run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import writable
from bayescale.commands.options import (
    AsJson,
    Seed,
)
from bayescale.errors import UserError


def laws(
    name: Annotated[str | None, typer.Argument(help="Print one in full.")] = None,
    runs: Annotated[
        Path | None, typer.Option("--for", help="List the laws that this runs table has the columns for.")
    ] = None,
) -> None:
    """List the scaling laws, all of them or those that a table can be fitted by.

    `bayescale fit RUNS --model NAME` fits one, pooled over the grouping columns that the table has.
    """
    from bayescale.laws import law, laws_for
    from bayescale.laws import laws as every

    if name is None:
        chosen = every()
        if runs is not None:
            from bayescale.runs import read_runs

            chosen = laws_for(set(map(str, read_runs(runs, check=False).columns)) - {"loss"})
            if not chosen:
                raise UserError(
                    f"{runs}: no law takes these columns alone; a law of your own will, such as "
                    "bayescale fit RUNS --model 'E + A * x**-alpha'"
                )
        for one in chosen.values():
            say(f"{one.name:<14} {one.equation:<40} {one.title}")
        return
    try:
        say(str(law(name)))
    except KeyError as error:
        raise UserError(error.args[0]) from None


def models(
    name: Annotated[
        str | None, typer.Argument(help="A model, by name or file, printed with all its priors.")
    ] = None,
) -> None:
    """The models there are: a law, its pooling, its priors and its noise."""
    import tomllib

    from bayescale.bundled import bundled

    if name is not None:
        from bayescale.models import Model

        say(str(Model.load(name)))
        return
    # Shipped files are valid, and reading their formulas takes a second.
    for path in sorted(bundled("models").glob("*.toml")):
        say(f"{path.stem:<14} {tomllib.loads(path.read_text('utf-8'))['description']}")


def priors(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="A folder, a text file, token ids (.npy), or a bundled corpus such as python_docs.",
        ),
    ],
    vocab: Annotated[
        int, typer.Option("--vocab", help="Entries of the tokenizer that text is read with: your models'.")
    ] = 1024,
    pattern: Annotated[str, typer.Option("--pattern", help="Which files of a folder.")] = "**/*.txt",
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw both curves with their fits, as a PNG, SVG or PDF.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """A prior for the data exponent from the corpus itself, before any run; ends with lines to paste in a model file.

    Measures how the entropy of the next token falls with context, how correlations fall with distance (alpha_D =
    gamma / (2 beta), Cagnetta et al. 2026), and how an n-gram model's own loss falls with text. Takes a minute a
    million tokens. Needs tokenizers for text: pip install "bayescale[train]"; token ids need nothing.
    """
    from bayescale.corpus import corpus_prior
    from bayescale.corpus.watch import bar

    if figure is not None:
        writable(figure)
    with bar() as told:
        found = corpus_prior(corpus, vocab, seed, pattern, progress=told)
    if as_json:
        say_json(found.to_dict())
    else:
        say(str(found))
    if figure is not None:
        from bayescale.corpus.figure import draw

        draw(found, figure)
        note(f"wrote {figure}")
