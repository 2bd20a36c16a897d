"""Context, sparsity, transfer, the acoustic form and Farseer."""

from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.laws import acoustic, farseer, frantar, hernandez, kaplan, xiong
from bayescale.laws.chinchilla import loss as hoffmann
from bayescale.laws.rules import kaplan as kaplan_rules


def test_context_halves_its_term_as_published() -> None:
    for published in xiong.LAW.published:
        v = published.values
        near, far = (float(xiong.loss(v, {"context": c})) - v["gamma"] for c in (4096, 8192))
        assert far / near == pytest.approx(2 ** -v["beta"])
        assert xiong.loss(v, {"context": v["alpha"]}) == pytest.approx(v["gamma"] + 1)


def test_acoustic_form_reduces_to_kaplans_joint_law() -> None:
    joint = dict(kaplan_rules.JOINT)
    same = {"L_inf": 0.0, "alpha": joint["a_D"], "alpha_N": joint["a_N"], "alpha_D": joint["a_D"]}
    same |= {"N_C": joint["N_c"], "D_C": joint["D_c"]}
    inputs = {"params": np.geomspace(1e6, 1e10, 5), "tokens": np.geomspace(1e8, 1e11, 5)}
    ours = np.asarray(acoustic.loss(same, inputs))
    assert ours == pytest.approx(np.asarray(kaplan.loss_joint(joint, inputs)), rel=1e-12)
    assert acoustic.optimum(same, 1e20)[0] == pytest.approx(kaplan.optimum_joint(joint, 1e20)[0])


def test_acoustic_form_reduces_to_hoffmanns_sum() -> None:
    v = dict(bs.law("chinchilla").published[1].values)
    same = {"L_inf": v["E"], "alpha": 1.0, "alpha_N": v["alpha"], "alpha_D": v["beta"]}
    same |= {"N_C": v["A"] ** (1 / v["alpha"]), "D_C": v["B"] ** (1 / v["beta"])}
    inputs = {"params": np.geomspace(1e6, 1e10, 5), "tokens": np.geomspace(1e8, 1e11, 5)}
    assert np.asarray(acoustic.loss(same, inputs)) == pytest.approx(
        np.asarray(hoffmann(v, inputs)), rel=1e-12
    )
    assert float(acoustic.optimum(same, 1e20)[0]) == pytest.approx(bs.law("chinchilla").optimum(v, 1e20)[0])


def test_acoustic_form_has_its_floor() -> None:
    v = {"L_inf": 1.5, "alpha": 0.3, "alpha_N": 0.2, "alpha_D": 0.2, "N_C": 1e8, "D_C": 1e10}
    assert float(acoustic.loss(v, {"params": 1e60, "tokens": 1e60})) == pytest.approx(1.5)


def test_data_transferred() -> None:
    text, mixed = (dict(p.values) for p in hernandez.LAW.published)
    inputs = {"params": np.array([1e8, 1e9]), "tokens": np.array([1e6, 1e6])}
    transferred = np.asarray(hernandez.data_transferred(text, inputs))
    assert transferred[0] == pytest.approx(1.9e4 * 1e6**0.18 * 1e8**0.38)
    assert np.log10(transferred[1] / transferred[0]) == pytest.approx(0.38)
    scarce = {"params": 1e8, "tokens": 1e5}
    assert hernandez.data_transferred(mixed, scarce) > hernandez.data_transferred(text, scarce)


def test_transfer_is_kaplans_law_at_the_effective_data() -> None:
    values = dict(kaplan_rules.JOINT) | dict(hernandez.LAW.published[0].values)
    inputs = {"params": 1e8, "tokens": 1e6}
    effective = 1e6 + hernandez.data_transferred(values, inputs)
    assert float(hernandez.loss(values, inputs)) == pytest.approx(
        float(kaplan.loss_joint(values, {"params": 1e8, "tokens": effective})), rel=1e-12
    )
    from_scratch = float(kaplan.loss_joint(values, inputs))
    assert float(hernandez.loss({**values, "k": 0.0}, inputs)) == pytest.approx(from_scratch, rel=1e-12)


def test_sparsity() -> None:
    t5, vit = (dict(p.values) for p in frantar.LAW.published)
    dense = {"params": 1e8, "density": 1.0, "tokens": 1e10}
    written = (16.8 + 45.0) * 1e8**-0.245 + (6.90e8 / 1e10) ** 0.203 + 0.651
    assert frantar.loss(t5, dense) == pytest.approx(written, rel=1e-12)
    sparse = frantar.loss(t5, {**dense, "density": 0.25})
    assert sparse < written
    # As many non-zero params are worth what `size_multiplier` times as many dense ones are.
    larger = {**dense, "params": 1e8 * frantar.size_multiplier(t5, 0.25)}
    assert frantar.loss(t5, larger) == pytest.approx(sparse, rel=1e-12)
    assert frantar.size_multiplier(vit, 1.0) == 1


def test_farseer_reduces_to_hoffmanns_sum_without_its_interactions() -> None:
    v = {"s": 0.0, "q": 0.1, "S": np.log(1.8), "B": 0.0, "b": -0.1, "Q": np.log(400.0)}
    v |= {"A": 0.0, "a": 0.1, "E": np.log(0.3)}
    inputs = {"params": np.array([1e8, 1e10]), "tokens": np.array([1e10, 1e11])}
    assert np.asarray(farseer.loss(v, inputs)) == pytest.approx(
        1.8 + 400 * inputs["tokens"] ** -0.3, rel=1e-12
    )


def test_farseer_wants_more_tokens_per_param_for_larger_budgets() -> None:
    # The paper's finding: about 20 tokens per parameter hold between 1e20 and 1e21 FLOPs only, and more beyond.
    law = bs.law("farseer")
    ratio, best = np.geomspace(1, 1e4, 2001), []
    for flops in np.array([1e20, 1e21, 1e22, 1e23, 1e24]):
        params = np.sqrt(flops / 6 / ratio)
        losses = np.asarray(law.loss(law.published[0].values, {"params": params, "tokens": ratio * params}))
        best.append(ratio[losses.argmin()])
    assert best[:2] == pytest.approx([20, 20], rel=0.4)
    assert (np.diff(best) > 0).all()
