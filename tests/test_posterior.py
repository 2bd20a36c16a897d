from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayescale as bs
from bayescale.posterior import PosteriorFileError


@pytest.fixture(scope="module")
def saved(posterior: bs.Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "fit.nc"
    posterior.save(path)
    return path


def test_round_trip(posterior: bs.Posterior, saved: Path) -> None:
    again = bs.load(saved)
    assert again.sha256 == posterior.sha256
    assert again.model == posterior.model
    assert again.provenance == posterior.provenance
    assert again.health() == posterior.health()
    assert str(again) == str(posterior)
    pd.testing.assert_frame_equal(again.runs, posterior.runs)
    assert again.runs.attrs == posterior.runs.attrs
    assert np.array_equal(again.z, posterior.z)
    points = pd.DataFrame({"params": [1e6], "tokens": [1e8], "architecture": ["lstm"], "task": ["code"]})
    pd.testing.assert_frame_equal(
        again.predict(points, new_groups=True), posterior.predict(points, new_groups=True)
    )


def test_saves_arvizs_groups_and_names(saved: Path) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as tree:
        for group in (
            "posterior",
            "sample_stats",
            "log_likelihood",
            "log_prior",
            "prior",
            "observed_data",
            "constant_data",
        ):
            assert group in tree.children
        for name in ("diverging", "energy", "n_steps", "tree_depth", "step_size", "acceptance_rate"):
            assert tree["sample_stats"][name].dims == ("chain", "draw")
        assert tree["posterior"]["alpha"].dims == ("chain", "draw", "cell")
        assert list(tree["posterior"]["alpha|task"]["task"].to_numpy()) == ["code", "docs"]
        assert tree["log_likelihood"]["log_loss"].dims == ("chain", "draw", "run")


@pytest.mark.filterwarnings(
    "ignore:Estimated shape parameter"
)  # says one odd run is influential, which is so
def test_leave_one_out_works_on_the_tree(posterior: bs.Posterior) -> None:
    from arviz_stats import loo

    result = loo(posterior.tree, pointwise=True)
    assert result.n_data_points == 80
    # Noise of a four-thousandth on log loss: about log(1 / (0.004 sqrt(2 pi e))) a run.
    assert 3.0 < result.elpd / 80 < 4.5


def test_an_altered_file_is_refused(saved: Path, tmp_path: Path) -> None:
    import h5netcdf

    path = tmp_path / "altered.nc"
    path.write_bytes(saved.read_bytes())
    with h5netcdf.File(path, "a") as file:
        file["posterior"]["alpha_mean"][0, 0] = 9.0
    with pytest.raises(PosteriorFileError, match="does not match its hash"):
        bs.load(path)


@pytest.mark.parametrize("content", [b"", b"not netcdf", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_what_is_no_posterior_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.nc"
    path.write_bytes(content)
    with pytest.raises(PosteriorFileError, match=r"x\.nc"):
        bs.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PosteriorFileError, match="no such file"):
        bs.load(tmp_path / "none.nc")


def test_a_failed_save_leaves_the_old_file(
    posterior: bs.Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.nc"
    path.write_bytes(b"old")

    def fails(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails)
    with pytest.raises(OSError, match="disk full"):
        posterior.save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_prints_what_a_person_wants_to_read(posterior: bs.Posterior) -> None:
    text = str(posterior)
    assert "L = E + A N^-alpha + B D^-beta" in text
    assert "alpha[llama:docs]" in text and "health PASS" in text


def test_an_unknown_quantity_lists_what_there_is(posterior: bs.Posterior) -> None:
    with pytest.raises(KeyError, match="alpha_mean"):
        posterior.draws("gamma")


def test_flops_past_what_int64_holds(runs: pd.DataFrame, tmp_path: Path) -> None:
    # As pandas reads them from a CSV file that writes them out.
    table = runs.assign(flops=[10**20 + i for i in range(len(runs))])
    assert table["flops"].dtype == object
    settings = bs.Settings(chains=1, warmup=200, draws=50, again=False, folds=False)
    posterior = bs.fit(table, "kaplan", settings=settings)
    posterior.save(tmp_path / "fit.nc")
    assert bs.load(tmp_path / "fit.nc").runs["flops"].dtype == float
