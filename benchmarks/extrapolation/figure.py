"""The figure of the page: by table, how often losses fell below each predictive quantile."""

from __future__ import annotations

from collections.abc import Mapping

from bayescale.forecast.baselines import USUAL
from bayescale.forecast.scores import GRID
from bayescale.report.figures import style
from benchmarks.extrapolation.problems import PROBLEMS
from benchmarks.extrapolation.results import Result


def figure(found: Mapping[str, tuple[Result, Result]], model: str) -> bytes:
    """A panel a table; on the diagonal, bands mean what they say."""
    problems = [p for p in PROBLEMS if p.name in found]
    with style.styled():
        drawn, axes = style.panels(style.WIDE, len(problems), 4, 2.5, extra=0.5, sharey=True)
        for axis, problem in zip(axes, problems, strict=True):
            ours, usual = found[problem.name]
            axis.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8)
            for result, method, colour, text in (
                (usual, USUAL, style.VERMILLION, "usual practice: Huber fit, resampled"),
                (ours, model, style.BLUE, f"bayescale: {model}"),
            ):
                axis.plot(GRID, result.below[method], color=colour, linewidth=1.8, label=text)
            low, mid = (r.scores[m]["crps"] for r, m in ((ours, model), (usual, USUAL)))
            axis.set(
                xlim=(0, 1),
                ylim=(0, 1),
                xticks=(0, 0.5, 1),
                yticks=(0, 0.5, 1),
                title=f"{problem.name}\nCRPS {low:.3f}, usual {mid:.3f}",
                xlabel="predictive quantile",
            )
        axes[0].set_ylabel("share of losses below it")
        drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return style.save(drawn, "png", dpi=110)
