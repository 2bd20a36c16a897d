"""One run: it learns, it resumes bit for bit, and it says when it diverged."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bayescale.trainer import architectures, checkpoint, evaluate, noise, optimizer
from bayescale.trainer.architectures._common import Shape
from bayescale.trainer.dataset import Dataset, Order
from bayescale.trainer.learner import Learner
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.train import train

Variant = Callable[..., RunConfig]


def unigram_entropy(tokens: np.ndarray) -> float:
    share = np.bincount(tokens) / len(tokens)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


@pytest.mark.parametrize("architecture", architectures.names())
def test_it_learns(architecture: str, chain: Dataset, variant: Variant) -> None:
    config = variant(architecture=architecture, steps=200, width=32, warmup_steps=20, learning_rate=5e-3)
    result = train(config, chain)
    entropy = unigram_entropy(chain.held_out)
    assert result["loss"] < 0.55 * entropy
    # The chain has three equally likely successors to a word, which nothing beats.
    words = chain.manifest["held_out"]["documents"] * 400
    assert result["loss"] * result["held_out_tokens"] > 0.9 * words * np.log(3)
    assert result["status"] == "finished"
    assert result["curve"][-1][0] == result["tokens"] == 200 * 256
    assert result["curve"][-1][1] < result["curve"][0][1]
    assert result["unique_tokens"] == min(200 * 8, (len(chain.train) - 1) // 32) * 32


class Killed(Exception):
    pass


@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize("at", [1, 37])
def test_a_resumed_run_is_the_uninterrupted_one(
    architecture: str, at: int, chain: Dataset, variant: Variant, tmp_path: Path
) -> None:
    config = variant(architecture=architecture, noise_points=20)
    whole = train(config, chain)
    state = tmp_path / "run.safetensors"

    def killed(step: int, loss: float) -> None:
        if step == at + 1:
            raise Killed

    with pytest.raises(Killed):
        train(config, chain, state, every=0.0, tick=killed)
    torch.rand(7)  # what happens in between does not count
    steps: list[int] = []
    resumed = train(config, chain, state, tick=lambda step, loss: steps.append(step))
    assert steps == list(range(at + 1, config.steps + 1))
    for key in ("loss", "loss_se", "curve", "noise", "noise_scale"):
        assert resumed[key] == whole[key]


def test_a_run_leaves_torchs_random_state_alone(chain: Dataset, variant: Variant) -> None:
    before = torch.get_rng_state()
    train(variant(steps=2), chain)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_differ(chain: Dataset, variant: Variant) -> None:
    assert train(variant(), chain)["loss"] != train(variant(seed=1), chain)["loss"]


def test_a_checkpoint_of_another_run_or_none_is_refused(
    chain: Dataset, variant: Variant, tmp_path: Path
) -> None:
    state = tmp_path / "run.safetensors"
    train(variant(), chain, state, every=0.0)
    with pytest.raises(ValueError, match="belongs to run"):
        train(variant(seed=1), chain, state)
    state.write_bytes(b"torn")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        train(variant(), chain, state)


def test_a_checkpoint_holds_weights_moments_and_random_state(
    chain: Dataset, variant: Variant, tmp_path: Path
) -> None:
    from safetensors import safe_open

    config, state = variant(), tmp_path / "run.safetensors"
    train(config, chain, state, every=0.0)
    with safe_open(state, framework="pt") as file:
        names, metadata = set(file.keys()), file.metadata()
    model = architectures.build("gpt", Shape(300, 32, 16, 1, 2))
    for name, _ in model.named_parameters():
        assert {f"weight.{name}", f"moment.exp_avg.{name}", f"moment.exp_avg_sq.{name}"} <= names
    assert "rng" in names
    assert json.loads(metadata["progress"])["step"] == config.steps - 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_run_that_diverges_is_recorded(chain: Dataset, variant: Variant) -> None:
    worse = train(variant(learning_rate=30.0, embedding_learning_rate=30.0), chain)
    assert worse["status"] == "diverged"
    infinite = train(variant(learning_rate=1e38, embedding_learning_rate=1e38), chain)
    assert infinite["status"] == "diverged" and infinite["loss"] is None
    json.dumps(infinite, allow_nan=False)
    assert infinite["tokens"] == infinite["steps"] * 256 < 60 * 256


def test_other_tokens_are_refused(chain: Dataset, variant: Variant) -> None:
    with pytest.raises(ValueError, match="was planned on other tokens of chain"):
        train(variant(corpus_sha256="0" * 64), chain)


def test_the_rate_warms_up_and_decays_to_the_runs_own_end(variant: Variant) -> None:
    for steps in (50, 400):
        config = variant(steps=steps, warmup_steps=10)
        rates = [optimizer.schedule(step, config) for step in range(steps)]
        assert rates[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
        assert max(rates) == 1.0
        assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
        assert rates[-1] == pytest.approx(config.final, abs=0.01)


def test_a_trunks_rate_is_constant_and_the_same_for_every_horizon(variant: Variant) -> None:
    short = variant(schedule="wsd", steps=50, decay_steps=10, warmup_steps=5)
    long = replace(short, steps=100, decay_steps=20)
    for step in range(40):
        assert optimizer.schedule(step, short) == optimizer.schedule(step, long) == min(1, (step + 1) / 5)
    down = [optimizer.schedule(step, short) for step in range(40, 50)]
    assert down[0] == 1.0 and down[-1] < 0.2 and all(a > b for a, b in itertools.pairwise(down))
    assert optimizer.schedule(50, short) == pytest.approx(short.final)


def test_one_trunk_serves_many_horizons(chain: Dataset, variant: Variant, tmp_path: Path) -> None:
    short = variant(schedule="wsd", steps=50, decay_steps=10, noise_points=1)
    long = replace(short, steps=100, decay_steps=20)
    assert short.trunk_id == long.trunk_id != replace(long, seed=1).trunk_id
    work = tmp_path / "checkpoints"
    alone = train(long, chain)
    train(short, chain, work / "short.safetensors")
    steps: list[int] = []
    shared = train(long, chain, work / "long.safetensors", tick=lambda step, loss: steps.append(step))
    assert steps[0] == 41, "the long run did not go on from where the short one's rate fell"
    for key in ("loss", "curve", "noise", "flops"):
        assert shared[key] == alone[key]
    assert shared["schedule"] == "wsd"
    assert alone["loss"] < train(short, chain)["loss"]


def test_a_subset_is_trained_on_over_and_over(chain: Dataset, variant: Variant) -> None:
    config = variant(unique_tokens=1024, steps=200, learning_rate=2e-2)
    few, all_of_it = train(config, chain), train(replace(config, unique_tokens=0), chain)
    assert (few["unique_tokens"], few["tokens"]) == (1024, 200 * 256)
    # 50 epochs: what it has learnt by heart does not help on what it has not seen.
    assert few["curve"][-1][1] < all_of_it["curve"][-1][1]
    assert few["loss"] > all_of_it["loss"] + 0.1


def test_the_noise_scale_is_the_gradients(chain: Dataset, variant: Variant) -> None:
    """Signal and noise from halves, against the gradients of single sequences."""
    config = variant(steps=1)
    model = architectures.build("gpt", config.shape())
    model.initialise(0)
    order = Order(chain.train, 32, 0)

    def gradient(first: int, count: int) -> torch.Tensor:
        model.zero_grad()
        ids = torch.from_numpy(order.batch(first, count))
        loss = torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]).double()

    single = torch.stack([gradient(n, 1) for n in range(512)])
    variance = single.var(dim=0).sum().item()  # of a sequence's gradient
    signal = single.mean(dim=0).square().sum().item() - variance / 512
    found = []
    learner = Learner(model, torch.optim.SGD(model.parameters(), lr=0.0), model)
    for n in range(0, 512, 16):
        _, measured = learner.step(order, n, 16, measure_noise=True)
        assert measured is not None
        found.append(measured)
    means = np.mean(found, axis=0)
    assert means[0] == pytest.approx(signal, rel=0.15)
    assert means[1] == pytest.approx(variance * 32, rel=0.15)
    assert noise.scale([(n, g, s) for n, (g, s) in enumerate(found)], 0) == pytest.approx(means[1] / means[0])
    assert noise.scale([(1, -1.0, 2.0)], 1) is None and noise.scale([], 10) is None


def test_measuring_the_noise_is_recorded_and_hardly_changes_the_run(chain: Dataset, variant: Variant) -> None:
    plain, measured = train(variant(), chain), train(variant(noise_points=20), chain)
    assert plain["noise"] == [] and plain["noise_scale"] is None
    assert len(measured["noise"]) == 20 and measured["noise_scale"] > 0
    # The same batches, in halves: sums are rounded otherwise, and no more.
    assert measured["loss"] == pytest.approx(plain["loss"], abs=1e-3)


def test_matrices_have_their_own_rate_and_gains_do_not_decay(variant: Variant) -> None:
    config = variant()
    model = architectures.build("gpt", Shape(300, 32, 16, 1, 2))
    adam = optimizer.make(model, config)
    optimizer.set_rates(adam, 0, config)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {
        names[id(p)]: (group["lr"] * config.warmup_steps, group["weight_decay"])
        for group in adam.param_groups
        for p in group["params"]
    }
    assert found.keys() == set(names.values())
    for name, (rate, decay) in found.items():
        kind = (
            "gain"
            if "norm" in name
            else "embedding"
            if name.startswith(("tokens", "positions"))
            else "matrix"
        )
        assert rate == pytest.approx(1e-2 if kind == "matrix" else 3e-2)
        assert decay == (0.0 if kind == "gain" else 0.1)


def test_the_standard_error_is_clustered_by_document() -> None:
    generator = np.random.default_rng(0)
    owners = np.repeat(np.arange(50), 100)
    # Documents that differ by 1 and tokens that hardly do: 5000 tokens know no more than 50 documents.
    losses = generator.normal(size=50)[owners] + 0.01 * generator.normal(size=5000)
    by_document = losses.reshape(50, 100).mean(axis=1)
    found = evaluate.summary(losses, owners)
    assert found.loss == pytest.approx(losses.mean())
    assert found.loss_se == pytest.approx(by_document.std(ddof=1) / np.sqrt(50), rel=1e-6)
    one = evaluate.summary(losses, np.zeros(5000, dtype=int))
    assert one.loss_se == pytest.approx(losses.std(ddof=1) / np.sqrt(5000))


def test_held_out_windows_cover_the_split(chain: Dataset) -> None:
    every = evaluate.windows(chain, 32, 10**9)
    assert len(every) == (len(chain.held_out) - 1) // 32
    some = evaluate.windows(chain, 32, 32 * 10)
    assert len(some) == 10 and set(some) <= set(every)
    assert some[-1] > 0.8 * every[-1]


def test_the_measured_loss_is_the_mean_over_tokens(chain: Dataset, variant: Variant) -> None:
    model = architectures.build("gpt", Shape(300, 32, 16, 1, 2))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    found = evaluate.measure(model, chain, 10**9)
    assert found.loss == pytest.approx(np.log(300))
    assert found.tokens == (len(chain.held_out) - 1) // 32 * 32


def test_a_missing_checkpoint_is_no_error(chain: Dataset, variant: Variant, tmp_path: Path) -> None:
    model = architectures.build("gpt", Shape(300, 32, 16, 1, 2))
    config = replace(variant(), steps=3)
    assert checkpoint.load(tmp_path / "none", config.run_id, model, optimizer.make(model, config)) is None
