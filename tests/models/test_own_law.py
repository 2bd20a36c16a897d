"""A law of one's own, named by its expression, in a model file and from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import UserError
from bayescale.inference import Settings
from bayescale.models import Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import log_density
from bayescale.models.layout import layout_of

EXPRESSION = "E + A * params**-alpha + B * tokens**-beta"


def test_an_expression_is_the_law_it_spells(runs: pd.DataFrame) -> None:
    chinchilla = Model.load("chinchilla")
    own = Model.load(EXPRESSION).model_copy(
        update={"priors": dict(chinchilla.priors), "spread": dict(chinchilla.spread)}
    )
    designs = [make_design(model, runs) for model in (chinchilla, own)]
    for z in np.random.default_rng(0).normal(scale=0.5, size=(3, layout_of(designs[0]).size)):
        theirs, ours = (float(log_density(z, layout_of(d), data_of(d))) for d in designs)
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_a_model_file_with_an_expression_from_end_to_end(runs: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'name = "mine"\nlaw = "{EXPRESSION}"\n[parameters.alpha]\nmeaning = "how fast size helps"\n'
        'prior = { range = [0.2, 0.6], mass = 0.9 }\n[pooling]\nE = "1 + (1|task)"\n'
    )
    model = Model.load(path)
    assert "how fast size helps" in str(model) and model.prior("alpha").low == 0.2
    short = Settings(chains=2, warmup=300, draws=100)
    posterior = bs.fit(runs, model=path, seed=0, settings=short)
    posterior.save(tmp_path / "fit.nc")
    again = bs.load(tmp_path / "fit.nc")
    assert again.model.definition is model.definition
    assert again.allocate([1e13]).table["params"].notna().all()
    assert again.predict(pd.DataFrame({"params": [1e6], "tokens": [1e8], "task": ["code"]}))["q0.5"][0] > 0


@pytest.mark.parametrize(
    "text, said",
    [
        ('law = "E + A * prams**-a"', "did you mean params"),
        ('law = "E + open(params)"', "open is no function of laws"),
        (f'law = "{EXPRESSION}"\n[priors]\ngamma = {{ range = [0.1, 1.0] }}', "'gamma'"),
        ('law = "chinchilla"\n[parameters.E]\nmeaning = "x"', "a law by name"),
    ],
)
def test_mistakes_name_the_file_and_the_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name = "bad"\n' + text)
    with pytest.raises(UserError) as error:
        Model.load(path)
    assert "bad.toml" in str(error.value) and said in str(error.value)
