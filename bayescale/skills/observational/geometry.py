"""How centred models and families are sampled: the better their scores tell them, the more."""

from __future__ import annotations

import numpy as np

from bayescale.skills.observational.priors import ObservationalPriors
from bayescale.skills.pooling import centredness


def centred(
    information: np.ndarray,
    model: np.ndarray,
    family: np.ndarray,
    decades: np.ndarray,
    priors: ObservationalPriors,
) -> dict[str, np.ndarray]:
    """Centredness of the capability of every model, and of every family's start and efficiency.

    Parameters
    ----------
    information : ndarray, shape (scores,)
        Of each score about the logit of its model, loadings taken to be one.
    model : ndarray of int, shape (scores,)
        Whose score it is.
    family : ndarray of int, shape (models,)
    decades : ndarray, shape (models,)
        Of compute, from the middle.
    priors : ObservationalPriors
        Spreads are taken at their medians.

    Returns
    -------
    dict
        ``centred_model``, ``centred_start``, ``centred_rate``.
    """
    own, between, differing, slope = (
        float(np.exp(priors.normal(name)[0]))
        for name in ("own_sd", "start_sd", "efficiency_sd", "efficiency")
    )
    count = int(family.max()) + 1
    known = np.bincount(model, information, len(family))
    # What a model says of its family's line: it scatters about it, and its own capability is not known exactly.
    of_line = known / (1 + own**2 * known)
    return {
        "centred_model": centredness(known, own),
        "centred_start": centredness(np.bincount(family, of_line, count), between),
        "centred_rate": centredness(np.bincount(family, of_line * (slope * decades) ** 2, count), differing),
    }
