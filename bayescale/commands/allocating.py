"""How to spend a budget, and the cheapest way to a loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import cells_of, fit_of
from bayescale.commands.options import AsJson, FitFile, For, NewGroups
from bayescale.commands.parsing import assignments, labels_of, numbers
from bayescale.errors import UserError

if TYPE_CHECKING:
    from bayescale.decide import Allocation, Constraints


def allocate(
    fit: FitFile,
    flops: Annotated[
        str, typer.Option("--flops", help="Budgets in FLOPs, separated by commas; of training and service.")
    ] = "",
    loss: Annotated[
        float | None, typer.Option("--loss", help="Instead of a budget: the cheapest way to this loss.")
    ] = None,
    only: For = "",
    new_groups: NewGroups = False,
    at: Annotated[
        str,
        typer.Option("--at", help="Where the law takes more than params and tokens: granularity=8,experts=8"),
    ] = "",
    constraints: Annotated[
        Path | None, typer.Option("--constraints", metavar="FILE.toml", help="Constraints, as below.")
    ] = None,
    unique_tokens: Annotated[
        float | None, typer.Option("--unique-tokens", help="Distinct tokens there are; repeats count less.")
    ] = None,
    max_epochs: Annotated[
        float | None, typer.Option("--max-epochs", help="Passes over them at most.")
    ] = None,
    lifetime_tokens: Annotated[
        float | None, typer.Option("--lifetime-tokens", help="Tokens to be served, paid from the budget.")
    ] = None,
    menu: Annotated[
        str, typer.Option("--menu", help="The only sizes there are, in params, separated by commas.")
    ] = "",
    max_params: Annotated[float | None, typer.Option("--max-params", help="Largest size allowed.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="V100, A100, L40S, H100, H200 or B200: memory and hours.")
    ] = None,
    devices: Annotated[int | None, typer.Option("--devices", help="How many.")] = None,
    mfu: Annotated[
        float | None, typer.Option("--mfu", help="Share of the device's peak that training reaches.")
    ] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Hours at most, on all devices.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="Batch size in tokens, or: critical.")] = None,
    cost: Annotated[
        str | None, typer.Option("--cost", help="A column of the runs, such as wall_s: learn and tell costs.")
    ] = None,
    cost_at_most: Annotated[
        float | None, typer.Option("--cost-at-most", help="A limit on it, in its own unit.")
    ] = None,
    retriever: Annotated[
        str | None,
        typer.Option(
            "--retriever", help="Params of what makes a datastore's keys, or: self, the model itself."
        ),
    ] = None,
    max_datastore_tokens: Annotated[
        float | None,
        typer.Option("--max-datastore-tokens", help="Tokens of the corpus that a datastore is made of."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Best params, tokens and loss for a budget, from every draw: with bands, and under constraints.

    Also printed: the valley, sizes within 0.5 and 1 % of the best loss; and one plan for all draws, with its regret,
    beside the best fit's and 20 tokens per parameter.

    A law with a datastore (--model datastore-log) splits the budget three ways, C = k N D + r S: what a datastore token
    takes is learned from the runs' column datastore_flops, or follows from --retriever, 2 FLOPs a param. With --at
    datastore_tokens=VALUE that datastore is there already.

    A file of constraints holds any of these, each alone or with the others:

    \b
        unique_tokens = 2e11         # repeated tokens count less and less (Muennighoff)
        max_epochs = 4
        lifetime_tokens = 1e13       # served over the model's life, a forward pass each
        menu = [1e9, 3e9, 7e9]       # or [[menu]] tables with name and params
        min_params = 1e8             # or max_params
        device = "H100"              # or a table: peak_flops, memory_gb, kw
        devices = 64
        mfu = 0.4
        hours = 720                  # also kwh, with pue
        serving_device = "L40S"      # one of these must hold the model
        batch = "critical"           # or tokens; then also max_steps
        money = 1e6
        price = { device_hour = 2.5, token = 1e-9, kwh = 0.2 }   # or flop
        measured = { column = "wall_s", at_most = 86400 }
        retriever = 1.77e8           # or "self"; then also max_datastore_tokens

    With --loss the cheapest way there is sought: fewest FLOPs of training and service, or least money where priced.
    """
    from bayescale.decide import NoIsoFlopError

    if not flops and loss is None and constraints is None and hours is None and cost_at_most is None:
        raise UserError(
            "say what to spend or reach: --flops, --loss, --hours, or limits in --constraints FILE"
        )
    if flops and loss is not None:
        raise UserError(
            "--flops asks for the best loss of a budget, --loss for the cheapest way to one: give one"
        )
    chosen = _constraints(
        constraints,
        cost,
        cost_at_most,
        {
            "unique_tokens": unique_tokens,
            "max_epochs": max_epochs,
            "lifetime_tokens": lifetime_tokens,
            "menu": numbers(menu, "--menu") if menu else None,
            "max_params": max_params,
            "device": device,
            "devices": devices,
            "mfu": mfu,
            "hours": hours,
            "batch": _number_or(batch, "critical", "--batch"),
            "retriever": _number_or(retriever, "self", "--retriever"),
            "max_datastore_tokens": max_datastore_tokens,
        },
    )
    with fit_of(fit, as_json) as posterior:
        fixed = assignments(at, "--at")
        groups = cells_of(posterior, labels_of(only, "--for"), new_groups)
        if loss is not None:
            found = posterior.cheapest(loss, groups, fixed, chosen, new_groups)
            if as_json:
                say_json({"loss": loss, "cheapest": found.table.to_dict("records")})
            else:
                say(str(found))
            return
        budgets = numbers(flops, "--flops") if flops else None
        allocation = posterior.allocate(budgets, groups, fixed, chosen, new_groups)
        check: dict[str, Any] | None
        try:
            isoflop = posterior.isoflop_check()
            check, line = isoflop.to_dict(), isoflop.sentence
        except NoIsoFlopError as why:
            check, line = None, str(why)
        if as_json:
            say_json(
                {
                    "flops_per_param_token": allocation.flops_per_param_token,
                    "flop_rule": str(allocation.rule),
                    "allocation": allocation.table.assign(known=allocation.known).to_dict("records"),
                    "valley": allocation.valley().to_dict("records"),
                    "plans": allocation.plans().to_dict("records"),
                    "batches": allocation.batches().to_dict("records"),
                    "notes": list(allocation.notes),
                    "isoflop": check,
                }
            )
            return
        _say_allocation(allocation)
        if chosen is None and "datastore_tokens" not in allocation.draws:
            # It is about the frontier of params and tokens alone.
            say(f"\n{line}")


def _say_allocation(allocation: Allocation) -> None:
    from bayescale.decide.readable import readable

    say(str(allocation))
    say(
        "\nSizes within a share of the best loss, and those that are inside with a probability of 90 % (safe):"
    )
    say(readable(allocation.valley()).to_string(index=False))
    say("\nOne plan for all draws; regret is its loss above that of each draw's own best:")
    say(readable(allocation.plans()).drop(columns="regret_se").to_string(index=False))
    if len(allocation.batches()):
        say("\nThe same loss faster or cheaper, by the batch:")
        say(readable(allocation.batches()).to_string(index=False))


def _number_or(text: str | None, word: str, option: str) -> float | str | None:
    if not text or text == word:
        return text
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UserError(f"{option} is a positive number, or {word}: got {text!r}")
    return found


def _constraints(
    path: Path | None, cost: str | None, cost_at_most: float | None, given: dict[str, Any]
) -> Constraints | None:
    """The file's constraints with those of the options in their place; None where there are none at all."""
    from bayescale.decide import Constraints

    if cost_at_most is not None and cost is None:
        raise UserError("--cost-at-most limits a measured cost: say which column with --cost")
    if cost is not None:
        given["measured"] = {"column": cost, "at_most": cost_at_most}
    options = {name: x for name, x in given.items() if x is not None}
    if path is None and not options:
        return None
    if path is not None and not options:
        return Constraints.from_toml(path)
    overruled = Constraints.from_toml(path) if path else Constraints()
    both = sorted(set(options) & overruled.model_fields_set)
    if both:
        note(f"the options overrule {path}: {', '.join(both)}")
    return overruled.updated(**options)
