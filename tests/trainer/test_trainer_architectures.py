"""Counts against torch's own, causality, and an architecture that is added by a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bayescale.trainer import architectures
from bayescale.trainer.architectures import _common, hawk, moe
from bayescale.trainer.architectures._common import Decoder, Shape

SHAPES = [Shape(vocab=300, context=16, width=24, depth=2, heads=2), Shape(512, 32, 48, 3, 4)]
OPTIONS = {"moe": {"experts": 6, "granularity": 2}}
every_model = pytest.mark.parametrize("name", architectures.names())
every_shape = pytest.mark.parametrize("shape", SHAPES)


def build(name: str, shape: Shape) -> Decoder:
    return architectures.build(name, replace(shape, **OPTIONS.get(name, {})))


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """Count what torch multiplies.

    Its counter does not know the CPU's fused attention and LSTM; the plain ones are the same products.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration on top of oneDNN")  # of GPUs that are not here
        with (
            sdpa_kernel(SDPBackend.MATH),
            torch.backends.mkldnn.flags(enabled=False),
            FlopCounterMode(display=False) as counter,
        ):
            yield counter


def test_names_are_the_files() -> None:
    assert architectures.names() == ["gpt", "hawk", "llama", "lstm", "moe"]


@every_model
@every_shape
def test_forward_flops_are_those_torch_counts(name: str, shape: Shape) -> None:
    model = build(name, shape)
    ids = torch.zeros((3, shape.context), dtype=torch.int64)
    with torch.no_grad(), counted() as counter:
        model(ids)
    assert model.forward_flops_per_token() * ids.numel() == counter.get_total_flops()


@every_model
def test_training_is_three_forward_passes(name: str) -> None:
    shape = SHAPES[1]
    model = build(name, shape)
    model.initialise(0)
    ids = torch.zeros((2, shape.context), dtype=torch.int64)
    with counted() as counter:
        model(ids).sum().backward()
    # Nobody asks for the gradient of the state that a sequence starts from, so torch leaves that product out.
    start = shape.depth * len(ids) * 8 * shape.width**2 if name == "lstm" else 0
    assert 3 * model.forward_flops_per_token() * ids.numel() - start == counter.get_total_flops()


@every_model
@every_shape
def test_params_are_those_of_unique_storages(name: str, shape: Shape) -> None:
    model = build(name, shape)
    storages = {p.untyped_storage().data_ptr(): p.numel() for p in model.parameters()}
    assert model.params_total() == sum(storages.values())


def test_params_by_hand() -> None:
    shape = Shape(vocab=1024, context=128, width=32, depth=2, heads=2)
    gpt, llama = architectures.build("gpt", shape), architectures.build("llama", shape)
    norms = (2 * 2 + 1) * 32
    assert gpt.params_embedding() == (1024 + 128) * 32
    assert gpt.params_total() == gpt.params_embedding() + 2 * (4 + 8) * 32**2 + norms
    assert llama.params_embedding() == 1024 * 32
    assert llama.params_total() == llama.params_embedding() + 2 * (4 * 32**2 + 3 * 32 * 88) + norms


@every_model
def test_the_future_changes_nothing_before_it(name: str) -> None:
    shape = SHAPES[0]
    model = build(name, shape)
    model.initialise(0)
    ids = torch.randint(shape.vocab, (1, shape.context), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[0, 9] = (changed[0, 9] + 1) % shape.vocab
    with torch.no_grad():
        before, after = model(ids), model(changed)
    # An expert that is sent another number of tokens multiplies them in another order, hence rounds otherwise.
    torch.testing.assert_close(before[0, :9], after[0, :9], rtol=0, atol=1e-5 if name == "moe" else 0)
    assert not torch.allclose(before[0, 9:], after[0, 9:])


@pytest.mark.parametrize("name", ["gpt", "llama", "moe"])
def test_shared_keys_and_values_are_fewer(name: str) -> None:
    shape = SHAPES[1]
    full, grouped = build(name, shape), build(name, replace(shape, kv_heads=2))
    assert full.params_total() - grouped.params_total() == 3 * 48 * 2 * 2 * 12
    ids = torch.zeros((2, shape.context), dtype=torch.int64)
    grouped.initialise(0)
    with counted() as counter:
        grouped(ids).sum().backward()
    assert 3 * grouped.forward_flops_per_token() * ids.numel() == counter.get_total_flops()


def test_shared_keys_and_values_are_those_of_the_group() -> None:
    """Four heads on two of keys and values are four whose keys and values are pairwise equal."""
    shape = replace(SHAPES[1], kv_heads=2)
    grouped, full = _common.Attention(shape, bias=False), _common.Attention(SHAPES[1], bias=False)
    with torch.no_grad():
        q, k, v = grouped.qkv.weight.view(8, 12, 48).split((4, 2, 2))
        k, v = k.repeat_interleave(2, dim=0), v.repeat_interleave(2, dim=0)
        full.qkv.weight.copy_(torch.cat((q, k, v)).reshape(144, 48))
        full.out.weight.copy_(grouped.out.weight)
        x = torch.randn(2, 32, 48, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(grouped(x), full(x))


def test_a_mixture_computes_what_its_experts_say() -> None:
    """The sorted products are the sum over each token's chosen experts, one token and expert at a time."""
    shape = Shape(vocab=300, context=16, width=24, depth=1, heads=2, experts=6, granularity=2)
    layer = moe.Experts(shape)
    layer.draw(torch.Generator().manual_seed(0), 1)
    x = torch.randn(2, 16, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = layer(x)
        share = torch.softmax(layer.router(x), dim=-1)
        for b, t in ((0, 0), (0, 7), (1, 3), (1, 15)):
            weight, chosen = share[b, t].topk(2)
            expected = torch.zeros(24)
            for w, e in zip(weight / weight.sum(), chosen, strict=True):
                gate, up = (x[b, t] @ layer.enter[e]).chunk(2)
                expected += w * ((torch.nn.functional.silu(gate) * up) @ layer.leave[e])
            torch.testing.assert_close(found[b, t], expected, rtol=1e-4, atol=1e-5)


def test_a_mixtures_load_balancing_loss_is_least_at_even_loads() -> None:
    shape = Shape(vocab=300, context=16, width=24, depth=1, heads=2, experts=4, granularity=1)
    layer = moe.Experts(shape)
    layer.draw(torch.Generator().manual_seed(0), 1)
    x = torch.randn(8, 16, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        layer.router.weight.zero_()
        layer(x)
        assert layer.auxiliary_loss() == pytest.approx(moe.BALANCE)  # a router that prefers none
        layer.router.weight[0] = 100 * x[0, 0]
        layer(x[:1, :1])
        assert layer.auxiliary_loss() == pytest.approx(4 * moe.BALANCE)  # all to one
    # It reaches the router, and it is the sum over layers.
    model = build("moe", replace(shape, depth=3))
    model.initialise(0)
    model(torch.zeros((2, 16), dtype=torch.int64))
    loss = model.auxiliary_loss()
    assert loss is not None and loss.item() >= 3 * moe.BALANCE - 1e-6
    loss.backward()
    assert all(b.feed_forward.router.weight.grad.abs().sum() > 0 for b in model.blocks)
    assert build("gpt", SHAPES[0]).auxiliary_loss() is None


def test_a_mixtures_active_parameters_are_the_dense_models_and_the_router() -> None:
    shape = SHAPES[1]
    dense = build("llama", shape)
    for experts, granularity in ((6, 1), (8, 2), (16, 4)):
        model = architectures.build("moe", replace(shape, experts=experts, granularity=granularity))
        router = shape.depth * shape.width * experts
        assert model.params_active() == dense.params_total() + router
        ffn = 3 * 48 * 128
        assert (
            model.params_total()
            == model.params_active() + shape.depth * ffn * (experts - granularity) // granularity
        )
        assert model.forward_flops_per_token() == dense.forward_flops_per_token() + 2 * router
    assert dense.params_active() == dense.params_total()


def test_the_scan_is_the_recurrence() -> None:
    generator = torch.Generator().manual_seed(0)
    for time in (1, 2, 5, 32, 33):
        decay = torch.rand(2, time, 3, generator=generator, dtype=torch.float64)
        x = torch.randn(2, time, 3, generator=generator, dtype=torch.float64)
        h, expected = torch.zeros(2, 3, dtype=torch.float64), []
        for t in range(time):
            h = decay[:, t] * h + x[:, t]
            expected.append(h)
        torch.testing.assert_close(hawk.scan(decay, x), torch.stack(expected, 1))


def test_decays_start_slow() -> None:
    """At a gate of one the state keeps 0.9 to 0.999 of itself, so it remembers ten to a thousand tokens."""
    layer = hawk.GatedRecurrence(64)
    layer.draw(torch.Generator().manual_seed(0), 1)
    kept = torch.sigmoid(layer.decay) ** hawk.SHARPNESS
    assert 0.9 <= kept.min() < 0.93 and 0.97 < kept.max() <= 0.999


@pytest.mark.parametrize("name", architectures.names())
def test_mup_changes_nothing_at_the_base_width_and_scales_the_head_elsewhere(name: str) -> None:
    ids = torch.arange(16)[None]
    shape = SHAPES[0]
    plain, base, wide = (build(name, shape) for _ in range(3))
    plain.initialise(0)
    base.initialise(0, base_width=24)
    wide.initialise(0, base_width=6)
    with torch.no_grad():
        assert torch.equal(plain(ids), base(ids))
    assert wide.logit_scale == 0.25
    assert wide.tokens.weight.detach().std() == pytest.approx(6**-0.5, rel=0.1)


@every_model
def test_order_matters(name: str) -> None:
    """Attention alone does not see order; the positions make it."""
    shape = Shape(vocab=300, context=16, width=24, depth=1, heads=2)
    model = build(name, shape)
    model.initialise(0)
    ids = torch.arange(16)[None]
    swapped = ids.clone()
    swapped[0, 2], swapped[0, 5] = ids[0, 5], ids[0, 2]
    with torch.no_grad():
        assert not torch.allclose(model(ids)[0, -1], model(swapped)[0, -1], atol=1e-5)


def test_rotary_scores_depend_on_distance_alone() -> None:
    from bayescale.trainer.architectures.llama import RotaryAttention

    attention = RotaryAttention(Shape(vocab=300, context=64, width=16, depth=1, heads=1))
    one = torch.randn(16, generator=torch.Generator().manual_seed(0))
    q = one.expand(1, 1, 64, 16)
    q, k = attention.place(q, q)
    scores = (q @ k.transpose(-1, -2))[0, 0]
    for distance in (0, 1, 7, 40):
        diagonal = scores.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-4, atol=1e-4)
    assert (scores[0, 0] - scores[40, 0]).abs() > 1e-2


@every_model
def test_initial_weights_follow_from_the_seed(name: str) -> None:
    models = [build(name, SHAPES[0]) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        torch.rand(1)  # what the process draws in between does not count
        model.initialise(seed)
    first, same, other = (dict(m.named_parameters()) for m in models)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["tokens.weight"], other["tokens.weight"])


def test_an_architecture_is_added_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide_gpt.py").write_text("from bayescale.trainer.architectures.gpt import build\n", "utf-8")
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    assert architectures.names() == ["gpt", "hawk", "llama", "lstm", "moe", "wide_gpt"]
    assert architectures.build("wide_gpt", SHAPES[0]).params_total() > 0


def test_unknown_names_and_impossible_shapes_say_what_to_do() -> None:
    with pytest.raises(
        ValueError, match="no 'gtp' in architectures; choose from gpt, hawk, llama, lstm, moe"
    ):
        architectures.build("gtp", SHAPES[0])
    with pytest.raises(ValueError, match="width 10 is not divisible by heads 3"):
        Shape(vocab=300, context=16, width=10, depth=1, heads=3)
    with pytest.raises(ValueError, match="rotary positions turn pairs"):
        architectures.build("llama", Shape(vocab=300, context=16, width=15, depth=1, heads=3))
    with pytest.raises(ValueError, match="heads 4 is not divisible by kv_heads 3"):
        replace(SHAPES[1], kv_heads=3)
    with pytest.raises(ValueError, match="architecture 'lstm' takes no experts; leave it out"):
        architectures.build("lstm", replace(SHAPES[1], experts=8))
    with pytest.raises(ValueError, match="a mixture needs experts; in the sweep file say"):
        architectures.build("moe", SHAPES[1])
    with pytest.raises(ValueError, match="granularity 3 does not divide the feed-forward width 128"):
        architectures.build("moe", replace(SHAPES[1], experts=8, granularity=3))
    with pytest.raises(ValueError, match=r"but there are 4; raise experts"):
        architectures.build("moe", replace(SHAPES[1], experts=4, granularity=8))
