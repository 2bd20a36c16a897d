"""The page of the docs: what was simulated, how fits fared, and whether ranks are uniform."""

from __future__ import annotations

import numpy as np

from bayescale.inference.calibration import BEYOND, LEAST, QUICK, RANKED, SHORT, USABLE, Calibration
from benchmarks.calibration.figure import figure
from benchmarks.calibration.results import known
from benchmarks.calibration.worlds import World, worlds
from benchmarks.published.tables import ROOT

PAGE = ROOT / "docs" / "calibration.md"
FEWEST = 20
"""Simulations below which a world is not shown."""

INTRO = f"""# Are posteriors what they say?

Made by `python benchmarks/calibration.py`: simulation-based calibration of the whole path. Parameters are drawn from
the model's own prior, with the spreads between groups and the noise; losses from the parameters; the posterior from the
losses, by the sampler of any fit at its usual settings but {QUICK.chains} chains of {QUICK.draws} draws; and each true
value is ranked among {RANKED} nearly independent of these draws. If densities,
transformations, sampler and derived quantities
are all right, the ranks are uniform, whatever the prior ([Talts et al. 2018](https://arxiv.org/abs/1804.06788)). Ranked
are all parameters, population means and groups' own, spreads, noise, the likelihood of the whole table
([Modrák et al. 2023](https://arxiv.org/abs/2211.02383)), and what is derived: the expected loss at {BEYOND:g} times the
compute of the dearest run (`loss_far`) and the compute-optimal size there (`optimum_far`), in every group.

A table with a loss outside {USABLE[0]} to {USABLE[1]:g} nats is drawn again: a condition on the data alone, which
leaves the posterior, and with it the uniformity of ranks, as it is. No simulation is left out: a fit that misses its
health gate is ranked like the others, and counted. The gate is that of short fits: R-hat below {SHORT.r_hat[0]:g},
{SHORT.ess[0]:g} effective draws of everything, no divergence; it fails at {SHORT.r_hat[1]:g}, {SHORT.ess[1]:g}, and
five divergences in a thousand draws. A fit that failed is sampled once more with smaller steps and twice the draws, as
fits are.

The test is of the whole empirical distribution of a quantity's ranks (Säilynoja et al. 2022), and p is corrected for
the number of quantities (Holm): below {LEAST}, ranks are not uniform. In the figures, lines that stay inside the grey
band depart no more than uniform ranks do in 99 of 100 pictures.
"""


def write() -> None:
    """Write the page and its figures, of the simulations there are."""
    found = {w.name: (w, *known(w)) for w in worlds()}
    shown = {name: x for name, x in found.items() if len(x[1].ranked) >= FEWEST}
    if not shown:
        print(f"no page: no world has {FEWEST} simulations yet")
        return
    lines = [INTRO, *_summary([(w, c) for w, c, _ in shown.values()])]
    for world, calibration, stale in shown.values():
        lines += _one(world, calibration)
        (PAGE.parent / f"calibration-{world.name}.png").write_bytes(
            figure(calibration, drawn(world, calibration))
        )
        if stale:
            lines.append(
                f"An earlier revision of the sampler made {stale} of these simulations; `--fresh` makes them anew.\n"
            )
    absent = [w.title for w, c, _ in found.values() if len(c.ranked) < FEWEST]
    if absent:
        lines.append(f"**Not on this page**, with fewer than {FEWEST} simulations: {', '.join(absent)}.\n")
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)} and {len(shown)} figures")


def drawn(world: World, found: Calibration) -> list[str]:
    """What the figure shows: population means, one spread, the noise, the likelihood and what is derived."""
    names = found.names
    noise = [n for n in ("sigma", "nu", "sigma_decade", "log_likelihood") if n in names]
    spread = [n for n in names if n.endswith("_sd")][:2]
    far = [next(n for n in names if n.startswith(k)) for k in ("loss_far", "optimum_far") if _any(names, k)]
    # A parameter that is not pooled is ranked once, as that of the first cell.
    means = [
        next(n for n in (f"{p}_mean", *names) if n in names and n.startswith((f"{p}_mean", f"{p}[")))
        for p in world.model.definition.parameter_names
    ]
    return [*means, *spread, *noise, *far]


def _any(names: list[str], start: str) -> bool:
    return any(n.startswith(start) for n in names)


def _summary(shown: list[tuple[World, Calibration]]) -> list[str]:
    lines = [
        "| model | simulations | PASS | REVIEW | FAIL | quantities | least uniform | p | p among so many "
        "| the same without failed fits | CPU s each |",
        "|" + "---|" * 11,
    ]
    for _, found in shown:
        worst = found.table.iloc[0]
        kept = found.without_failed()
        without = f"{kept.table['p_all'].min():.2g}" if kept.ranked else "-"
        cpu = float(np.median([s.cpu_s for s in found.simulations]))
        counts = " | ".join(str(n) for n in found.verdicts.values())
        bold = "" if found.uniform else "**"
        lines.append(
            f"| {found.name} | {len(found.simulations)} | {counts} | {len(found.table)} | `{worst['quantity']}` "
            f"| {worst['p']:.2g} | {bold}{worst['p_all']:.2g}{bold} | {without} | {cpu:.1f} |"
        )
    return [*lines, ""]


def _one(world: World, found: Calibration) -> list[str]:
    cells = world.runs[[c for c in ("architecture", "task") if c in world.runs]].drop_duplicates()
    missed: dict[str, int] = {}
    for simulation in found.simulations:
        for check in simulation.missed:
            missed[check] = missed.get(check, 0) + 1
    said = ", ".join(f"{name} in {count}" for name, count in sorted(missed.items(), key=lambda x: -x[1]))
    compiled = sum(s.compiled > 0 for s in found.simulations)
    ess = np.quantile([s.ess for s in found.simulations], (0.05, 0.5))
    few = sum(s.ess < 2 * s.of for s in found.simulations)
    lines = [
        f"## {world.title}",
        "",
        f"`{world.model.definition.equation}`, {len(world.runs)} runs in {len(cells)} groups. Checks that were "
        f"missed: {said or 'none'}. Worst effective draws of a fit: median {ess[1]:.0f}, one in twenty below "
        f"{ess[0]:.0f}; {few} fits had fewer than {2 * RANKED}, of which {RANKED} are not independent. Sampled twice: "
        f"{sum(s.again for s in found.simulations)} fits. Drawn again "
        f"as not usable: {sum(s.redrawn for s in found.simulations)} tables. Not ranked, as draws were not numbers: "
        f"{len(found.simulations) - len(found.ranked)} fits, among the failed. Fits that compiled: {compiled} of "
        f"{len(found.simulations)}, the first of each sitting.",
        "",
        f"![Departure of ranks from uniform ones, {world.title}](calibration-{world.name}.png)",
        "",
        "The five least uniform:",
        "",
        "| quantity | mean of ranks (.5) | their variance over the uniform one (1) | p | p among so many |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row['quantity']}` | {row['mean']:.3f} | {row['spread']:.2f} | {row['p']:.2g} | {row['p_all']:.2g} |"
        for row in found.table.head(5).to_dict("records")
    ]
    return [*lines, ""]
