"""A model in full, as text for a person."""

from __future__ import annotations

import math
from statistics import NormalDist

from bayescale.models.misfit import KNOTS
from bayescale.models.spec import LINKS, NOISE, Model


def described(model: Model) -> str:
    """Equation, formulas, every prior as a 90 % range with what it is of, and the noise."""
    definition = model.definition
    lines = [
        f"{model.name}: {model.description or definition.title}",
        f"  {definition.equation}",
        "",
        "  pooling",
    ]
    lines += [f"    {p} ~ {model.pooling.get(p, '1')}" for p in definition.parameter_names]
    lines += [f"    {name} ~ {model.pooling[name]}" for name in model.moved]
    lines += [f"    {NOISE} ~ {model.pooling[NOISE]}"] if NOISE in model.pooling else []
    lines += ["", "  priors: 90 % ranges, in natural units"]
    rows = []
    for p in definition.parameters:
        what = (
            f"{p.centring.symbol}: {p.centring.meaning} [{p.centring.unit}]"
            if p.centring
            else f"{p.meaning} [{p.unit}]"
        )
        rows.append((p.name, model.prior(p.name).interval(p.support, 0.9), what))
    for p in definition.parameters:
        scaled = f"{LINKS[p.support]} {p.name}".strip()
        for covariate in model.formula(p.name).covariates:
            prior = model.coefficient_prior(p.name, covariate).interval("real", 0.9)
            what = f"change of {scaled} per {covariate.unit} among the runs"
            rows.append((f"{p.name}.{covariate.name}", prior, what))
        for group in model.formula(p.name).groups:
            of = f"the slope of {scaled} in {group.covariate.name}" if group.covariate else scaled
            between = ":".join(group.factor)
            rows.append(
                (
                    f"{p.name}{group.name}_sd",
                    model.spread_prior(p.name, group.factor, group.covariate).interval("positive", 0.9),
                    f"standard deviation{f' of {of}' if of != p.name else ''} between levels of {between}",
                )
            )
    for name in model.moved:
        for covariate in model.formula(name).covariates:
            prior = model.coefficient_prior(name, covariate).interval("real", 0.9)
            what = f"change of log {name} that a run counts as, per {covariate.unit} among the runs"
            rows.append((f"{name}.{covariate.name}", prior, what))
    for tag, members in model.tagged.items():
        mean, sd = model.correlation_prior(tag)
        reach = sd * NormalDist().inv_cdf(0.95)
        partial = "" if len(members) == 2 else " (partial)"
        rows.append(
            (
                f"cor{tag}",
                (math.tanh(mean - reach), math.tanh(mean + reach)),
                f"correlation{partial} of the effects of {tag.split('|')[2]} on {', '.join(members)}",
            )
        )
    rows.append(("sigma", model.noise.sigma.interval("positive", 0.9), "scale of the noise of log loss"))
    rows += [
        (
            f"{NOISE}{group.name}_sd",
            model.spread_prior(NOISE, group.factor).interval("positive", 0.9),
            f"standard deviation of log {NOISE} between levels of {':'.join(group.factor)}",
        )
        for group in model.formula(NOISE).groups
    ]
    rows.append(("nu", model.noise.nu.interval("positive", 0.9), "degrees of freedom of the Student-t noise"))
    rows.append(
        (
            "sigma_decade",
            model.noise.sigma_decade.interval("positive", 0.9),
            "what sigma is multiplied by for every tenfold compute, where that is known",
        )
    )
    rows.append(
        (
            "sigma_run",
            model.noise.sigma_run.interval("positive", 0.9),
            "what the rows of one run share, where runs give several",
        )
    )
    rows += [
        (
            f"misfit_{axis}",
            getattr(model.misfit, axis).interval("positive", 0.9),
            f"deviation of log loss from the law a decade of {axis} below the top of the runs"
            + ", where they give losses on the way" * (axis == "tokens"),
        )
        for axis in KNOTS
        if model.misfit is not None
    ]
    rows += [
        (
            f"drift_{axis}",
            getattr(model.drift, axis).interval("positive", 0.9),
            f"drift of log loss per e-fold of {axis} beyond the fitted runs",
        )
        for axis in ("flops", "params")
    ]
    wide = max(len(name) for name, _, _ in rows)
    lines += [f"    {name:<{wide}}  {low:>7.3g} to {high:<7.3g}  {what}" for name, (low, high), what in rows]
    lines += [
        "",
        "  noise: log(measured loss) ~ Student-t(nu, log(expected loss), sqrt(s^2 + (loss_se / loss)^2)),",
        "         s = sigma * sigma_decade^log10(flops / typical flops)",
        f"  drift: with probability {model.drift.holds:g} the law holds beyond the runs, and the drift is a tenth",
    ]
    return "\n".join(lines)
