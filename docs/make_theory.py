"""Make `docs/theory.md` and its figures: ``python docs/make_theory.py``; takes a few minutes, most for the optimisers.

All figures are computed here. A test makes the page again, but for the simulated table, and compares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bayescale.report.figures import style
from bayescale.theory import PHASES, budgets_for, exponents, frontier, scaling, to_bordelon, window
from bayescale.theory.compute_optimal import Window, envelope
from bayescale.theory.equivalent import largest_step
from bayescale.theory.figures import draw_map
from bayescale.theory.optimisers import RULES, slope, tuned_envelope
from bayescale.theory.phases import BOUNDARIES

HERE = Path(__file__).parent
FIGURES = "theory"
BEGIN, END = "<!-- simulated -->", "<!-- end of simulated -->"

# The reference's ten points: measured eta and xi with d from 100 to 1600 and gamma = 0.5 over the trace.
POINTS = {
    (0.7, 0.3): (0.414, 0.384),
    (1.0, 0.3): (0.532, 0.294),
    (0.4, 0.3): (0.184, 0.416),
    (0.2, 0.8): (0.140, 0.577),
    (1.0, 0.7): (0.660, 0.335),
    (0.7, 0.6): (0.559, 0.443),
    (0.7, 1.2): (0.640, 0.573),
    (1.0, 1.5): (0.719, 0.522),
    (0.4, 0.8): (0.364, 0.618),
    (0.27, 0.7): (0.208, 0.596),
}
DRAWN = {"Ia": (0.7, 0.3), "Ib": (0.4, 0.3), "Ic": (0.2, 0.8), "II": (0.8, 0.65), "III": (0.7, 1.2)}
DRAWN |= {"IVa": (0.4, 0.8), "IVb": (0.27, 0.7)}
OPTIMISED = {"Ia": (0.7, 0.3), "II": (0.8, 0.65), "III": (0.7, 1.2), "IVa": (0.4, 0.8)}
SIZES = (100.0, 1600.0)


def finite(
    alpha: float, beta: float, ratio: float | None = 5.0, sizes: tuple[float, float] = SIZES
) -> Window:
    """The exponents of the budgets whose best sizes are `sizes`."""
    budgets = budgets_for(alpha, beta, sizes, ratio=ratio)
    return window(frontier(alpha, beta, budgets, ratio=ratio, largest=100 * sizes[1]), alpha, beta)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def page(simulated: str) -> str:
    """The whole page, with the simulated table as it is given."""
    lines = [
        "# Theory that can be run",
        "",
        "<!-- Made by `python docs/make_theory.py`; edit that. -->",
        "",
        OPENING.strip(),
        "",
        "## Phases",
        "",
        "![The phase plane, with eta and xi over it](theory/phases.png)",
        "",
        "`bayescale theory map --out phases.png` draws it, `bayescale theory exponents --alpha A --beta B` says "
        "where a point is. Two terms of the risk trade off at the optimum: which two, decides the exponents.",
        "",
    ]
    lines += table(
        ["phase", "where", "terms in balance", "the paper's proof"],
        [
            [p.name, f"`{p.region}`", " and ".join(f"`{t}`" for t in p.terms), p.status]
            for p in PHASES.values()
        ],
    )
    lines += ["", TERMS.strip(), ""]
    lines += [f"- `{line}`: {what}" for line, what in BOUNDARIES.items()]
    lines += ["", "## Finite windows are not the asymptote", "", WINDOWS.strip(), ""]
    rows = []
    for (alpha, beta), (eta, xi) in POINTS.items():
        found = finite(alpha, beta)
        a = found.asymptotic
        off = f"{100 * found.off[1]:+.0f} %".replace("-", "−")
        rows.append([f"{alpha:g}, {beta:g}", a.phase, f"{a.eta:.3f}", f"{found.eta:.3f}", off, f"{eta:.3f}"])
        rows[-1] += [f"{a.xi:.3f}", f"{found.xi:.3f}", f"{xi:.3f}"]
    head = ["α, β", "phase", "η asymptotic", "η here", "off", "η noted elsewhere"]
    lines += table([*head, "ξ asymptotic", "ξ here", "ξ noted elsewhere"], rows)
    lines += ["", NOTED.strip(), "", "![Curves of seven phases](theory/curves.png)", "", CURVES.strip(), ""]
    lines += ["## When SGD diverges", "", STABILITY.strip(), ""]
    rows = []
    for alpha in (1.0, 0.7, 0.4, 0.2):
        steps = [largest_step(alpha, d, 5 * d, 1) for d in (100, 1000, 10_000)]
        power = np.log10(steps[2] / steps[1])
        rows.append([f"{alpha:g}", *(f"{x:.3g}" for x in steps), f"{power:+.2f}".replace("-", "−")])
        rows[-1].append(f"{min(0.0, 2 * alpha - 1):+.2f}".replace("-", "−") if alpha < 0.5 else "0")
    lines += table(["α", "d = 100", "d = 1,000", "d = 10,000", "power of d", "2α − 1, or 0"], rows)
    lines += ["", "## Other optimisers", "", BEGIN, simulated.strip(), END, ""]
    lines += ["## The sibling theory", "", SIBLING.strip(), ""]
    rows = []
    for alpha, beta in ((0.7, 0.3), (1.0, 0.3), (1.0, 0.7), (0.7, 1.2), (0.4, 0.8)):
        ab = to_bordelon(alpha, beta)
        s, mine = scaling(*ab), exponents(alpha, beta)
        compute = f"{s.compute:.3f}" if np.isfinite(s.compute) else "–"
        rows.append([f"{alpha:g}, {beta:g}", f"{ab.a:g}, {ab.b:g}", f"{s.time:.3f}", f"{s.size:.3f}"])
        rows[-1] += [f"{s.size_of_features:.3f}", "yes" if s.disagree else "no", compute, f"{mine.eta:.3f}"]
    lines += table(
        ["α, β", "a, b", "time", "size, as printed", "size of F_0", "disagree", "compute", "η of SGD"], rows
    )
    lines += ["", "## Inferring the world from its runs", "", INFERENCE.strip()]
    return "\n".join(lines) + "\n"


OPENING = """
Power-law random features trained by one-pass SGD are the one world in which the truth behind a scaling law is
known ([Paquette et al. 2024](https://arxiv.org/abs/2405.15074)): data whose variances fall as j^−2α, a target
whose coefficients fall as j^−β, d random features, a step of γ on the sum over each batch of B.
`bayescale.theory` computes it four ways, which agree: SGD itself (`simulate`), the expected risk for given
features (`Features.risk`, in closed form for any number of steps), the Volterra equation (`solve_volterra`),
and the deterministic equivalent (`risk`), which forms no matrix: d of 10,000, v of a million or infinite and
10⁸ steps are as quick as anything. Only `pip install bayescale` is needed, and the notebook
[phases](../notebooks/phases.ipynb) shows all of it.
"""

TERMS = """
`F_0` is what d features cannot represent, `F_pp` what gradient flow has not learned yet of the target's own
modes, `F_ac` what the features' spectrum spreads over small eigenvalues, `K_pp` the noise of SGD. The lines
between phases:
"""

WINDOWS = """
Least-squares slopes of log P* and log d* over the budgets whose best sizes go from 100 to 1,600 features, by
the deterministic equivalent minimised over a real d, with v = 5d, B = 1 and γ half the inverse trace. They are
a few per cent off in Ia, II and III, and up to 38 % below 2α = 1, where corrections fall as d^(2α−1). A fit
that is compared with the asymptotic exponent would be blamed for what is the window's. `bayescale theory
exponents --sizes 100,1600` has the row of any point.
"""

NOTED = """
"Noted elsewhere" are figures of an earlier computation for the same sizes whose window of budgets, envelope and
v were not written down; they are shown because they differ, by more for ξ, which a handful of sizes says little
about. What is checked here instead: the minimum over sizes against a fine grid, and both exponents at large
budgets against the asymptotic ones.
"""

CURVES = """
Each line is a size, black the best size, dashed the asymptotic slope through its end. `bayescale theory curve
--alpha .7 --beta 1.2 --out curve.png` draws one in full, with its local exponents.
"""

STABILITY = """
Each mode alone needs γ (B+1) l < 2, and all of them together a kernel norm Σ K(r) below one: what a unit of
risk causes again through SGD's noise. `stability(problem)` has the norm, the largest step size and the limit of
the risk, F_0 / (1 − norm); a larger step is refused with that figure, and `Features.growth` says how fast one
draw of the features diverges. The largest γ, with B = 1 and v = 5d, and its power of d over the last decade:
"""

SIBLING = """
[Bordelon et al. 2024](https://arxiv.org/abs/2402.01092) describe the same features by λ_k ~ k^−b and λ_k w_k² ~
k^−a, with b = 2α and a = 2α + 2β, under gradient flow on P samples that are used again and again. `scaling(a,
b)` has its exponents of time, size, data and compute, `gradient_flow` its curves for given features and
samples: the gap between test and training loss that reuse opens, and ensembles. Where a − 1 < b (phase Ia) both
theories have the same compute exponents. Where b < a − 1 they disagree on size: min(a − 1, 2b) is printed,
while the floor F_0 of random features falls with min(a − 1, b), which a test confirms. `Scaling.disagree` and
`Scaling.note` say so; nothing is smoothed over.
"""

INFERENCE = """
`bayescale theory runs --alpha .7 --beta 1.2 --out runs.csv` writes a runs table (params = d, tokens = samples,
flops = r d B, loss = risk; with `--seeds`, SGD's own noise), and `bayescale fit runs.csv --model plrf` infers α
and β from it by way of the deterministic equivalent, tabulated over the parameters once for each run.
`phase_probabilities(posterior.draws("alpha"), posterior.draws("beta"))` is then the probability of each phase.
[The study](theory-coverage.md) counts, phase by phase, how often this law and laws of the wrong form cover the
exact exponents of the window and of the decade beyond (`python benchmarks/theory.py`).
"""


DRAWS = 3


def optimisers() -> str:
    """The simulated table: eta of each optimiser with step sizes tuned, and its standard error over feature draws."""
    rows = []
    for name, (alpha, beta) in OPTIMISED.items():
        row = [name, f"{alpha:g}, {beta:g}"]
        for rule in RULES:
            eta = [
                slope(tuned_envelope(alpha, beta, rule, budgets=(4e3, 1e5), seeds=4, seed=s))[0]
                for s in range(DRAWS)
            ]
            row.append(f"{np.mean(eta):.2f} ± {np.std(eta, ddof=1) / np.sqrt(DRAWS):.2f}")
        rows.append(row)
        print(row, flush=True)
    text = """
By simulation: the best mean risk of four runs over sizes of 12 to 192 and three step sizes for each, at budgets of
4×10³ to 10⁵; the heavy ball has 0.9, the steps of Adam and sign descent shrink as 1/√t. Each figure is a mean over
three draws of the features with its standard error. So short and small a window is far from any asymptote: a row is to
be read along itself.
"""
    head = ["phase", "α, β", *(f"η, {rule}" for rule in RULES)]
    return text + "\n" + "\n".join(table(head, rows))


def curves() -> bytes:
    """Small multiples: loss against budget in each phase."""
    sizes = (50, 100, 200, 400, 800, 1600)
    with style.styled():
        figure, axes = style.panels(style.WIDE, len(DRAWN), 4, 2.3)
        from matplotlib import colormaps

        shades = colormaps["viridis"](np.linspace(0, 0.9, len(sizes)))
        for axis, (name, (alpha, beta)) in zip(axes, DRAWN.items(), strict=True):
            budgets = budgets_for(alpha, beta, (50, 1600), 25, ratio=5.0)
            best = frontier(alpha, beta, budgets, ratio=5.0, largest=1e5)
            flops = np.geomspace(budgets[0] / 5, budgets[-1] * 5, 60)
            losses = envelope(alpha, beta, sizes, flops, ratio=5.0)
            for line, colour in zip(losses, shades, strict=True):
                axis.plot(flops, line, color=colour, linewidth=0.9)
            axis.plot(best["flops"], best["loss"], color=style.BLACK, linewidth=1.6)
            slope_ = best["loss"].iloc[-1] * (flops / best["flops"].iloc[-1]) ** -exponents(alpha, beta).eta
            axis.plot(flops, slope_, "--", color=style.VERMILLION, linewidth=1)
            low, high = np.nanmin(losses), np.nanmax(losses)
            from bayescale.numerals import scientific

            style.log_axis(axis.xaxis, flops[0], flops[-1], scientific, most=4)
            style.log_axis(
                axis.yaxis, low / 1.2, high * 1.2, lambda x: f"{x:g}" if x >= 1e-3 else scientific(x), most=4
            )
            axis.set_title(f"{name}: α {alpha:g}, β {beta:g}")
        for axis in axes[3:]:
            axis.set_xlabel("FLOPs")
        for axis in axes[::4]:
            axis.set_ylabel("risk")
        return style.save(figure, "png", dpi=130)


def main() -> None:
    """Write the page and its figures."""
    (HERE / FIGURES).mkdir(exist_ok=True)
    draw_map(HERE / FIGURES / "phases.png")
    (HERE / FIGURES / "curves.png").write_bytes(curves())
    (HERE / "theory.md").write_text(page(optimisers()), encoding="utf-8")


if __name__ == "__main__":
    main()
