"""A hidden Markov language, whose entropy rate a long run of its exact forward filter gives.

A state that is not seen moves by a sparse chain and utters symbols by a Zipfian law of its own. A symbol's
surprise given all before it is computed exactly by the forward filter (Rabiner, 1989, section III.A); its mean
over a long text is the entropy rate (Shannon, McMillan and Breiman), with a standard error from independent
texts. What a model can gain from context never ends, as in a natural language, though it fades.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bayescale.trainer.corpora import _language
from bayescale.trainer.corpora._common import Corpus

SUCCESSORS = 4  # states that a state moves to
# Of the filter's run: independent texts, symbols before counting, windows of a text.
TEXTS, BURN_IN, WINDOWS = 4096, 256, 4


def collect(
    symbols: int = 64, states: int = 64, exponent: float = 2.0, documents: int = 1024, seed: int = 0
) -> Corpus:
    """Sample the language and run its filter.

    Parameters
    ----------
    symbols, states : int
        Sizes of the alphabet and of the hidden chain.
    exponent : float
        Zipf's, of the symbols of a state; larger is more predictable.
    documents : int
        Independent stretches of 8,192 symbols.
    seed : int
        Draws the language, its text and the filter's texts.

    Raises
    ------
    TrainerError
        If the sizes are out of range.
    """
    _language.check(symbols, documents)
    generator = np.random.default_rng(seed)
    moves, utters = _draw_language(symbols, states, exponent, generator)
    start = _stationary(moves)
    window = _language.CONTEXTS + 1
    said = _sample(start, moves, utters, TEXTS, BURN_IN + WINDOWS * window, generator)
    surprise = filter_surprise(said, start, moves, utters)[:, BURN_IN:]
    rates = surprise.mean(axis=1)
    # The same symbols, forgetting at each window's start what came before. What forgetting costs differs far
    # less from text to text than surprise does, so it is that which is averaged.
    forgetful = filter_surprise(said[:, BURN_IN:].reshape(-1, window), start, moves, utters)
    cost = (forgetful - surprise.reshape(-1, window))[:, 1:].reshape(TEXTS, WINDOWS, -1).mean(axis=1)
    # A window's predictions have 1, 2, ... T symbols to go by.
    floors = rates[:, None] + cost.cumsum(axis=1) / np.arange(1, window)

    def error(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))

    return _language.corpus(
        _sample(start, moves, utters, documents, _language.DOCUMENT, generator),
        symbols,
        source=f"hidden Markov language of {states} states, {symbols} symbols, Zipf exponent {exponent:g}, "
        f"seed {seed}",
        rate=(float(rates.mean()), float(error(rates))),
        floor=floors.mean(axis=0),
        floor_se=error(floors),
    )


def _draw_language(
    symbols: int, states: int, exponent: float, generator: np.random.Generator
) -> tuple[_language.Float, _language.Float]:
    """Draw transition (state, state) and emission (state, symbol) probabilities."""
    moves = np.zeros((states, states))
    count = min(SUCCESSORS, states)
    for state in range(states):
        to = generator.choice(states, size=count, replace=False)
        moves[state, to] = generator.dirichlet(np.ones(count))
    # A little of everything, so that every state is reached from every other and the chain is not periodic.
    moves = 0.99 * moves + 0.01 / states
    law = _language.zipf(symbols, exponent)
    utters = np.stack([law[generator.permutation(symbols)] for _ in range(states)])
    return moves, utters


def _stationary(moves: _language.Float) -> _language.Float:
    states = len(moves)
    equations = np.vstack([moves.T - np.eye(states), np.ones(states)])
    return np.linalg.lstsq(equations, np.append(np.zeros(states), 1.0), rcond=None)[0]


def _sample(
    start: _language.Float,
    moves: _language.Float,
    utters: _language.Float,
    texts: int,
    length: int,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Draw independent texts, (texts, length)."""
    move, utter = moves.cumsum(axis=1), utters.cumsum(axis=1)
    state = _language.draw(np.tile(start.cumsum(), (texts, 1)), generator.random(texts))
    said = np.empty((texts, length), dtype=np.int64)
    for t in range(length):
        said[:, t] = _language.draw(utter[state], generator.random(texts))
        state = _language.draw(move[state], generator.random(texts))
    return said


def filter_surprise(
    said: npt.NDArray[np.int64], start: _language.Float, moves: _language.Float, utters: _language.Float
) -> _language.Float:
    """Run the exact forward filter: -log p(symbol | all before it), nats, (texts, length)."""
    belief = np.tile(start, (len(said), 1))  # of the state, ahead of its symbol
    surprise = np.empty(said.shape)
    likelihood = utters.T  # (symbol, state)
    for t in range(said.shape[1]):
        joint = belief * likelihood[said[:, t]]
        probability = joint.sum(axis=1)
        surprise[:, t] = -np.log(probability)
        belief = (joint / probability[:, None]) @ moves
    return surprise
