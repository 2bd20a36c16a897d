"""Runs whose sequences change length on schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayescale.trainer import architectures
from bayescale.trainer.config import read_sweep
from bayescale.trainer.dataset import Dataset, Order
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import RunConfig, phases
from bayescale.trainer.train import train, unique_tokens


class Killed(Exception):
    pass


def test_steps_are_shared_out() -> None:
    assert phases(10, ((8, 0.5), (16, 0.25), (32, 0.25))) == [(8, 5), (16, 8), (32, 10)]
    assert phases(3, ((8, 1 / 3), (16, 1 / 3), (32, 1 / 3)))[-1] == (32, 3)


def test_one_length_throughout_is_the_run_it_was(chain: Dataset, variant: Callable[..., RunConfig]) -> None:
    usual, same = variant(steps=8), variant(steps=8, contexts=((32, 1.0),))
    first, second = train(usual, chain), train(same, chain)
    assert first["loss"] == second["loss"] and first["flops"] == second["flops"]
    assert usual.run_id != same.run_id  # the identity is what was asked for, as always
    assert variant(contexts=()).run_id == variant().run_id


def test_flops_are_counted_by_phase(chain: Dataset, variant: Callable[..., RunConfig]) -> None:
    config = variant(steps=8, contexts=((8, 0.5), (32, 0.5)), kind="llama")
    result = train(config, chain)
    model = architectures.build("llama", config.shape())
    short, long = model.forward_flops_per_token(8), model.forward_flops_per_token(32)
    assert short < long == model.forward_flops_per_token()
    assert result["flops"] == 3 * 4 * 256 * (short + long)
    assert (result["tokens"], result["context"]) == (8 * 256, 32)


def test_unique_tokens_count_what_two_lengths_cover_once(
    chain: Dataset, variant: Callable[..., RunConfig]
) -> None:
    config = variant(steps=6, contexts=((8, 0.5), (32, 0.5)))
    orders = {c: Order(chain.train, c, config.seed) for c in (8, 32)}
    seen: set[int] = set()
    for context, first in ((8, 0), (32, 3)):
        count = 256 // context
        starts = orders[context].starts(first * count, 3 * count)
        seen |= {int(s) + k for s in starts for k in range(1, context + 1)}
    assert unique_tokens(config, orders, 6) == len(seen) < 6 * 256


def test_a_killed_run_goes_on_in_its_phase(
    chain: Dataset, variant: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = variant(steps=9, contexts=((8, 0.4), (16, 0.3), (32, 0.3)))
    straight = train(config, chain)

    def kill(step: int, loss: float) -> None:
        if step == 5:
            raise Killed

    state = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        train(config, chain, state, every=0.0, tick=kill)
    resumed = train(config, chain, state)
    assert resumed["loss"] == straight["loss"]
    assert resumed["curve"] == straight["curve"]


def test_shorter_sequences_first_are_part_of_an_architecture(sweep_file: Callable[..., Path]) -> None:
    path = sweep_file()
    text = path.read_text("utf-8")

    def read(entry: str, more: str = "") -> list[object]:
        path.write_text(
            text.replace('"llama"]', f"{entry}]").replace("[training]", f"[training]\n{more}"), "utf-8"
        )
        return list(read_sweep(path).architectures)

    (_, grows) = read('{ name = "grows", kind = "llama", contexts = [[8, 0.5], [32, 0.5]] }')
    assert grows.contexts == ((8, 0.5), (32, 0.5))  # type: ignore[attr-defined]
    with pytest.raises(TrainerError, match="shares of contexts do not sum to 1"):
        read('{ name = "grows", kind = "llama", contexts = [[8, 0.5], [32, 0.4]] }')
    with pytest.raises(
        TrainerError, match=r"trains on sequences of 64; give a length of at most data\.context, 32"
    ):
        read('{ name = "grows", kind = "llama", contexts = [[64, 1.0]] }')
    with pytest.raises(TrainerError, match='use schedule "cosine"'):
        read(
            '{ name = "grows", kind = "llama", contexts = [[8, 1.0]] }',
            'schedule = "wsd"\nwarmup_steps = 5\nbatch_max = 256',
        )


def test_every_window_of_a_batch_is_the_orders_own(chain: Dataset, tiny: RunConfig) -> None:
    order = Order(chain.train, 16, tiny.seed)
    starts = order.starts(40, 4)
    assert np.array_equal(order.batch(40, 4)[:, 0], chain.train[starts])
    assert replace(tiny).run_id == tiny.run_id
