"""Effects of groups on an exponent need runs that differ in what it is the exponent of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.laws import laws
from bayescale.models import make_design


def _runs(sizes: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"architecture": name, "params": n, "tokens": d, "loss": 2 + 400 * n**-0.34 + 410 * d**-0.28}
        for name, own in sizes.items()
        for n in own
        for d in np.geomspace(1e9, 1e11, 4)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ({"a": [1e8], "b": [2e8], "c": [4e8]}, False),
        # Of one architecture's exponent there is no spread.
        ({"a": [1e8, 4e8], "b": [2e8], "c": [4e8]}, False),
        ({"a": [1e8, 4e8], "b": [2e8, 8e8], "c": [4e8]}, True),
        # The same size counted in two ways is no range.
        ({"a": [1e8, 1.01e8], "b": [2e8, 2.02e8]}, False),
    ],
)
def test_an_exponent_of_size_by_architecture_needs_architectures_of_several_sizes(
    sizes: dict[str, list[float]], kept: bool
) -> None:
    design = make_design(bs.Model.load("generalised"), _runs(sizes))
    names = [effects.name for effects in design.effects]
    assert ("a|architecture" in names) is kept
    assert any("a|architecture" in note for note in design.notes) is not kept
    # All have the same range of tokens.
    assert {"b|architecture", "rho|architecture", "K|architecture"} <= set(names)


def test_what_an_exponent_is_along_counts_for_nothing_at_the_reference_point() -> None:
    """The declaration `Parameter.along`, held to what the law computes."""
    for name in laws():
        law = bs.law(name)
        for parameter in law.parameters:
            if not parameter.along:
                continue
            reference = dict.fromkeys(law.inputs, 3000000000.0)
            middle = {p.name: p.prior.interval(p.support, 0.0)[0] for p in law.parameters}
            moved = middle | {parameter.name: 1.3 * middle[parameter.name]}
            inputs = {key: np.array([1e8, 1e10]) for key in law.inputs} | {parameter.along: np.full(2, 3e9)}
            one, other = (np.asarray(law.loss(law.natural(x, reference), inputs)) for x in (middle, moved))
            np.testing.assert_allclose(one, other, rtol=1e-9, err_msg=f"{name}, {parameter.name}")
