"""Many rows are evaluated a part at a time: the parts make the whole."""

from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
import bayescale.posterior as posteriors
from bayescale.inference import quantities as module


def test_quantities_do_not_depend_on_how_many_draws_are_evaluated_together(
    posterior: bs.Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = posterior.tree["unconstrained_posterior"]["z"].to_numpy()[:, :11]
    rows = len(posterior.runs)
    whole = module.quantities(posterior.design, z)
    # Three draws together, and a last part that is not full.
    monkeypatch.setattr(module, "ROWS", 3 * rows)
    parts = module.quantities(posterior.design, z)
    np.testing.assert_allclose(parts.log_likelihood, whole.log_likelihood, rtol=1e-10)
    for name, values in whole.posterior.items():
        np.testing.assert_allclose(parts.posterior[name], values, rtol=1e-10, err_msg=name)


def test_replicated_losses_scatter_about_the_fitted_ones_however_they_are_made(
    posterior: bs.Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = posterior.z[:200]
    monkeypatch.setattr(posteriors, "ROWS", 7 * len(posterior.runs))
    replicated = posteriors._replicated(posterior.design, z, np.random.default_rng(0))
    fitted = module.fitted_loss(posterior.design, z)
    noise = np.log(replicated / fitted)
    assert noise.shape == (200, len(posterior.runs))
    # A part with the noise of another's draws, or none, would show.
    assert (np.abs(noise) > 0).all()
    sigma = posterior.draws("sigma")[:200]
    assert np.median(np.abs(noise)) == pytest.approx(0.7 * np.median(sigma), rel=0.5)
