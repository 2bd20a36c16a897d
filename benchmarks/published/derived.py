"""Published figures that follow from published constants: no data, no fit."""

from __future__ import annotations

import numpy as np

import bayescale as bs
from bayescale.laws import pearce_song
from bayescale.laws.rules import kaplan as rules
from benchmarks.published.row import Row, Section, number_row

NEEDS: tuple[str, ...] = ()


def section() -> Section:
    kaplan, song = "Kaplan 2020", "Pearce & Song 2024"
    bound = rules.tokens_to_avoid_overfitting
    exponents, compared = rules.allocation_exponents(), rules.efficient_against(0.02)
    hoffmann, besiroglu = (dict(p.values) for p in bs.law("chinchilla").published[:2])
    rows = [
        number_row(
            "a_C^min, eq. 6.4", 0.052, rules.compute_exponent(), 5e-4, f"{kaplan}, B.7; eq. 6.4 prints 0.054"
        ),
        Row(
            "exponent of N in C_min",
            f"0.71 ({kaplan})",
            f"{exponents.params:.4f}",
            f"the paper divides 0.054, which eq. 6.4 does not give, by 0.076: {0.054 / 0.076:.2f}",
            None,
        ),
        number_row(
            "2 % overfitting: tokens at N = 1",
            5.5e3,
            float(bound(1.0, 0.02)),
            60,
            f"{kaplan} prints 5e3 N^0.74",
        ),
        number_row(
            "2 % overfitting: exponent", 0.74, float(np.log10(bound(10.0) / bound(1.0))), 5e-3, kaplan
        ),
        number_row("critical batch: loss drop that doubles it", 0.13, 1 - 2**-0.21, 6e-3, kaplan),
        number_row("efficient stopping, above converged", 0.10, rules.efficient_excess(), 2e-3, kaplan),
        number_row("efficient against 2 %: params", 2.7, compared.params, 0.05, kaplan),
        number_row("efficient against 2 %: fewer steps", 7.7, 1 / compared.steps, 0.06, kaplan),
        number_row("efficient against 2 %: compute saved", 0.65, 1 - compared.compute, 6e-3, kaplan),
        number_row(
            "2.2 times too large: compute", 1.20, float(rules.suboptimal_size(2.2).compute), 5e-3, kaplan
        ),
        number_row(
            "2.2 times too large: steps saved",
            0.45,
            1 - float(rules.suboptimal_size(2.2).steps),
            5e-3,
            kaplan,
        ),
        number_row("1 % of loss in compute", 0.22, float(rules.compute_for_loss(1 / 1.01)) - 1, 5e-3, kaplan),
        number_row(
            "Kaplan's exponent from Besiroglu's values",
            0.785,
            pearce_song.fitted_exponent(besiroglu),
            1e-3,
            song,
        ),
        number_row(
            "Kaplan's exponent from Hoffmann's values",
            0.747,
            pearce_song.fitted_exponent(hoffmann),
            1e-3,
            song,
        ),
    ]
    law = bs.law("bnsl1")
    at = np.array([800.0, 864.0, 928.0])
    predicted = np.asarray(law.loss(dict(law.published[0].values), {"tokens": at}))
    for x, ours, measured in zip(at, predicted, (0.759, 0.648, 0.557), strict=True):
        off = ours / measured - 1
        rows.append(
            Row(
                f"four-digit addition at {x:.0f} examples",
                f"{measured} measured (Caballero 2022)",
                f"{ours:.3f}",
                f"{off:+.1%}, from the first 14 points",
                abs(off) < 0.02,
            )
        )
    notes = (
        "Not here: Gadre 2024 and Guo 2024. Their values in `bayescale laws` are refits of tables that are not among "
        "those this benchmark reads, so nothing is shown beside them.",
    )
    return Section("Figures that follow from published constants", "No data and no fit.", tuple(rows), notes)
