from __future__ import annotations

from pathlib import Path

import pytest

from bayescale.laws import Range
from bayescale.models import Model, ModelError


def test_the_shipped_model_says_everything() -> None:
    text = str(Model.load("chinchilla"))
    assert "L = E + A N^-alpha + B D^-beta" in text
    assert "alpha ~ 1 + (1|architecture) + (1|task)" in text
    for name in ("E", "A", "alpha", "B", "beta", "alpha|task_sd", "sigma", "nu"):
        assert f"    {name} " in text


def test_a_range_changes_a_prior(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nlaw = "chinchilla"\n[priors]\nalpha = { range = [0.2, 0.6], mass = 0.9 }\n'
    )
    model = Model.load(path)
    assert model.prior("alpha") == Range(0.2, 0.6, 0.9)
    assert model.sha256 != Model.load("chinchilla").sha256


def test_json_round_trip_keeps_the_hash() -> None:
    model = Model.load("chinchilla")
    again = Model.model_validate_json(model.model_dump_json())
    assert again == model
    assert again.sha256 == model.sha256


@pytest.mark.parametrize(
    "text, said",
    [
        ('name = "m"\nlaw = "chinchila"', "Did you mean 'chinchilla'"),
        ('name = "m"\nlaw = "chinchilla"\n[pooling]\nalfa = "1"', "did you mean 'alpha'"),
        ('name = "m"\nlaw = "chinchilla"\n[priors]\nalpha = [0.1, 0.2]', "range = [low, high]"),
        ('name = "m"\nlaw = "chinchilla"\n[priors]\nalpha = { range = [0.6, 0.2] }', "low < high"),
        ('name = "m"\nlaw = "chinchilla"\n[priors]\nalpha = { range = [-1, 0.2] }', "positive"),
        ('name = "m"\nlaw = "chinchilla"\n[pooling]\nalpha = "1 + (f(x)|task)"', "pooling formula"),
        ('name = "m"\nlaw = "chinchilla"\n[pooling]\nE = "1 + tokens"', "how loss depends on tokens is what"),
        (
            'name = "m"\nlaw = "chinchilla"\n[priors]\n"E.x" = { range = [0, 1] }',
            "the formula of E has no covariate",
        ),
        (
            'name = "m"\nlaw = "chinchilla"\n[pooling]\nE = "1 + x"\n[spread]\n"E.y" = { range = [1, 2] }',
            "the formula of E has the covariates x",
        ),
        ('name = "m"\nlaw = "chinchilla"\nnoize = 1', "noize: is not a key here"),
        ('name = "m"\nlaw = ', "mine.toml"),
    ],
)
def test_a_mistake_is_named_with_file_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        Model.load(path)
    assert said in str(error.value)
    assert "mine.toml" in str(error.value)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ModelError, match="chinchilla"):
        Model.load("nothing")
