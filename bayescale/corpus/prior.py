"""A prior for the data exponent of a scaling law, from the corpus itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bayescale.corpus.correlation import Correlation, correlation
from bayescale.corpus.entropy import Entropies, entropies
from bayescale.corpus.errors import CorpusError
from bayescale.corpus.evidence import BACKGROUND, MASS, Evidence
from bayescale.corpus.power_law import beta_draws, gamma_draws
from bayescale.corpus.text import Text, of_tokens, read_text

Array = np.ndarray
Progress = Callable[[str, float], None]
"""``(what, share done)``."""

DRAWS = 2000
DISTANCES = np.unique(np.round(np.geomspace(1, 128, 22)).astype(int))
"""Up to 128 tokens: the longer context of the bundled runs."""

MODEL_ERROR = 0.4
"""Of either route, as the standard deviation of a log: a factor of 1.5.

Cagnetta et al. 2026 show the theory on two corpora, for models that learn every context they can resolve; other
vocabularies, the Frobenius norm and small models are steps beyond that. That a neural model's loss falls with data as
an n-gram model's does is an analogy.
"""

ROUTES = ("learning-curve", "theory")


@dataclass(frozen=True, eq=False)
class CorpusPrior:
    """What a corpus says about the data exponent; prints as a table.

    Attributes
    ----------
    source : str
    vocab, tokens, held_out_tokens, seed : int
        What was measured: train tokens counted, held-out ones scored.
    entropies : Entropies
    correlation : Correlation
    gamma, beta : ndarray, shape (draws,)
        H_n - H_inf ~ n^-gamma; |C(n)| ~ n^-beta. Not the law's beta.
    routes : dict of Evidence
        ``theory``: gamma / (2 beta) (Cagnetta et al. 2026, arXiv:2602.07488); ``learning-curve``: the exponent at which
        an n-gram model's excess loss falls with text.
    notes : tuple of str
        What to keep in mind.
    """

    source: str
    vocab: int
    tokens: int
    held_out_tokens: int
    seed: int
    entropies: Entropies = field(repr=False)
    correlation: Correlation = field(repr=False)
    gamma: Array = field(repr=False)
    beta: Array = field(repr=False)
    routes: dict[str, Evidence] = field(repr=False)
    notes: tuple[str, ...] = ()

    def range(
        self, route: str = ROUTES[0], background: tuple[float, float] = BACKGROUND
    ) -> tuple[float, float]:
        """The 90 % range of the prior: the background updated by a route's evidence, its model error included.

        Raises
        ------
        CorpusError
            No such route.
        """
        if route not in self.routes:
            raise CorpusError(f"no route {route!r}: there are {', '.join(self.routes)}")
        return self.routes[route].prior(background)

    def to_toml(
        self,
        parameter: str = "beta",
        route: str = ROUTES[0],
        background: tuple[float, float] = BACKGROUND,
    ) -> str:
        """The prior as lines of a model file.

        Parameters
        ----------
        parameter : str
            What the law calls its data exponent.
        route : str
            One of `routes`.
        background : (low, high)
            90 % range of the law's default prior, that the corpus updates.
        """
        low, high = self.range(route, background)
        return (
            f"# Data exponent from {self.source}, vocabulary {self.vocab}, by its {route}; "
            f"before it, {background[0]:g} to {background[1]:g}.\n"
            f"[priors]\n{parameter} = {{ range = [{low:.3g}, {high:.3g}], mass = {MASS:g} }}\n"
        )

    def to_dict(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return {
            "source": self.source,
            "vocab": self.vocab,
            "tokens": self.tokens,
            "held_out_tokens": self.held_out_tokens,
            "seed": self.seed,
            "mass": MASS,
            "gamma": _named(self.gamma),
            "beta": _named(self.beta),
            "routes": {
                name: {"exponent": _named(route.draws), "prior": route.prior()}
                for name, route in self.routes.items()
            },
            "entropies": {
                "contexts": self.entropies.contexts.tolist(),
                "held_out_loss": self.entropies.loss[-1].tolist(),
                "median": np.median(self.entropies.draws, axis=0).tolist(),
            },
            "correlation": {
                "distances": self.correlation.distances.tolist(),
                "size": self.correlation.size.tolist(),
                "noise_floor": np.sqrt(np.maximum(self.correlation.floor, 0)).tolist(),
            },
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {self.tokens:,} tokens of a vocabulary of {self.vocab}, "
            f"{self.held_out_tokens:,} held out",
            "",
            f"  {'':<14}  median   90 % interval",
        ]
        rows = [
            ("gamma", self.gamma, "entropy of the next token given n: H_n - H_inf ~ n^-gamma"),
            ("beta", self.beta, "correlation of tokens n apart: |C(n)| ~ n^-beta"),
            *((name, route.draws, route.meaning) for name, route in self.routes.items()),
        ]
        for name, values, meaning in rows:
            low, mid, high = _interval(values)
            lines.append(f"  {name:<14}  {mid:<7.3g}  {f'{low:.3g} to {high:.3g}':<16}  {meaning}")
        lines += [
            "",
            f"  priors for the data exponent: {BACKGROUND[0]:g} to {BACKGROUND[1]:g} before, "
            f"a factor of {np.exp(MODEL_ERROR):.2g} of model error included",
        ]
        for name in self.routes:
            low, high = self.range(name)
            lines.append(f"  {name:<14}  {low:.3g} to {high:.3g} with probability {MASS:g}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, "", self.to_toml().rstrip()])


def corpus_prior(
    source: str | Path | Array,
    vocab: int = 1024,
    seed: int = 0,
    pattern: str = "**/*.txt",
    progress: Progress | None = None,
) -> CorpusPrior:
    """A prior for the data exponent from the corpus.

    Parameters
    ----------
    source : str, path or ndarray of int
        A bundled corpus by name, a folder, a text file, a ``.npy`` file of token ids, or the ids themselves.
    vocab : int
        Entries of the byte-level BPE that text is read with; take what your models use.
    seed : int
        The same seed and text give the same figures.
    pattern : str
        Which files of a folder are read.
    progress : callable, optional
        Told of ``(what, share done)``.

    Returns
    -------
    CorpusPrior
        Print it, or paste its `to_toml()` into a model file.

    Raises
    ------
    CorpusError
        Nothing to read, or too little of it.
    NoPowerLaw
        There are no correlations to fit, or they do not fall with distance.
    """
    tell = progress or (lambda what, share: None)
    tell("reading", 0.0)
    if isinstance(source, np.ndarray):
        text = of_tokens(source, "token ids", np.random.default_rng([seed, 0]))
    else:
        text = read_text(source, vocab, seed, pattern)
    return _measure(text, seed, tell)


def _measure(text: Text, seed: int, tell: Progress) -> CorpusPrior:
    rng = np.random.default_rng([seed, 1])
    # Correlations first: they are the quicker, and where there are none there is nothing to go on with.
    between = correlation(text.train, text.piece, DISTANCES, lambda share: tell("correlations", share))
    beta = beta_draws(between, DRAWS, rng)
    entropy = entropies(
        text.train, text.held_out, text.vocab, rng, DRAWS, lambda share: tell("entropies", share)
    )
    gamma = gamma_draws(entropy.contexts, entropy.draws, rng)
    learning = Evidence(
        ROUTES[0], "how an n-gram model's excess loss falls with text", entropy.learning, MODEL_ERROR
    )
    theory = Evidence(ROUTES[1], "gamma / (2 beta), Cagnetta et al. 2026", gamma / (2 * beta), MODEL_ERROR)
    return CorpusPrior(
        source=text.name,
        vocab=text.vocab,
        tokens=len(text.train),
        held_out_tokens=len(text.held_out),
        seed=seed,
        entropies=entropy,
        correlation=between,
        gamma=gamma,
        beta=beta,
        routes={route.route: route for route in (learning, theory)},
        notes=tuple(_notes(beta, gamma)),
    )


def _notes(beta: Array, gamma: Array) -> list[str]:
    notes = []
    for name, values in (("beta", beta), ("gamma", gamma)):
        low, _, high = _interval(values)
        if high > 3 * low:
            notes.append(
                f"{name} is uncertain by a factor of {high / low:.1f}: it depends on where it is read and on what "
                "more text would show, so the theory says little here"
            )
    return notes


def _named(values: Array) -> dict[str, float]:
    return dict(zip(("low", "median", "high"), _interval(values), strict=True))


def _interval(values: Array) -> tuple[float, float, float]:
    low, mid, high = np.quantile(values, (0.05, 0.5, 0.95))
    return float(low), float(mid), float(high)
