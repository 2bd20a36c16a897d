"""The two scales of Kaplan's joint law, N_c and D_c, as they are sampled: the whole loss, and data's part over size's.

Each alone is the loss that would be left if the other vanished, which no run measures where the other matters: a table
knows their bracket. Sampled as the loss at the reference point and the ratio of the two parts, one is known well and
the other as well as the table has it, and the prior of the ratio says that neither part is out of sight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bayescale.laws.base import Centring, Parameter, Range, Values
from bayescale.laws.terms import BETWEEN_SIZES, FARTHEST, Factor, reference_loss
from bayescale.lazy_jax import jnp

BOTH = Range(0.005, 50.0)
"""Of data's part of the bracket over size's: at Kaplan's own runs on all of WebText2 it is about .01."""


def scales(
    loss: Factor, effective: Callable[[Values, Values], Any], written: str
) -> tuple[Parameter, Parameter]:
    """N_c and D_c of L = [(N_c/N)^(a_N/a_D) + D_c/D]^a_D.

    Parameters
    ----------
    loss : callable
        ``(values, inputs) -> expected loss``.
    effective : callable
        ``(values, inputs) -> D``, in tokens.
    written : str
        D at the reference point, in the law's letters.
    """
    ratio = f"D_c/{written} over (N_c/N0)^(a_N/a_D)"

    def size(values: Values, inputs: Values) -> Any:
        """Log of size's part of the bracket."""
        return values["a_N"] / values["a_D"] * jnp.log(values["N_c"] / inputs["params"])

    def params(whole: Any, values: Values, reference: Values) -> Any:
        e_folds = (jnp.log(whole) - values["a_D"] * jnp.log1p(values[ratio])) / values["a_N"]
        return reference["params"] * jnp.exp(jnp.clip(e_folds, -FARTHEST, FARTHEST))

    def tokens(each: Any, values: Values, reference: Values) -> Any:
        e_folds = jnp.clip(jnp.log(each) + size(values, reference), -FARTHEST, FARTHEST)
        return effective(values, reference) * jnp.exp(e_folds)

    return (
        reference_loss("N_c", "scale of size", "non-embedding params", loss, params),
        Parameter(
            name="D_c",
            meaning="scale of data",
            unit="tokens",
            support="positive",
            prior=BOTH,
            latex="D_c",
            spread=BETWEEN_SIZES,
            centring=Centring(
                symbol=ratio,
                meaning="data's part of L^(1/a_D) over size's at the reference point, a ratio",
                to_natural=tokens,
                from_natural=lambda natural, values, reference: jnp.exp(
                    jnp.log(natural / effective(values, reference)) - size(values, reference)
                ),
                unit="1",
            ),
        ),
    )
