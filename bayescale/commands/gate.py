"""The gate in front of every answer: what a command does with a fit that failed, or passed with reservations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from bayescale.commands.console import note, say_json, with_health

if TYPE_CHECKING:
    from bayescale.inference import Health

NO_ANSWER = (
    "NO ANSWER: {fit} failed its health gate, so nothing is stated from it. Do what the failed checks above advise and "
    "fit again; `bayescale report FIT.nc` shows the failed fit in full."
)
CAUTION = "CAUTION: {fit} passed its health gate with reservations. Read the checks above before acting on the answer."


@contextmanager
def answering(
    health: Health, as_json: bool = False, despite: bool = False, fit: str = "the fit"
) -> Iterator[None]:
    """Answer from a fit of this health, the only way in which a command may.

    A fit that failed gets no answer and ends the command with status 1; a fit under review gets a caution. JSON that is
    printed inside carries the health.

    Parameters
    ----------
    health : Health
    as_json : bool
        Whether the refusal too is to be JSON.
    despite : bool
        Go on with a fit that failed, for what shows or refuses by itself; the command ends with status 1 all the same.
    fit : str
        What the messages call it.

    Raises
    ------
    typer.Exit
        The fit failed.
    """
    if health.verdict != "PASS":
        note(str(health))
    if health.verdict == "REVIEW":
        note(CAUTION.format(fit=fit))
    if health.verdict == "FAIL" and not despite:
        note(NO_ANSWER.format(fit=fit))
        if as_json:
            from bayescale.decide.refusal import RefusalReason

            say_json({"answer": None, "reason": RefusalReason.FAILED_FIT.value, "health": health.to_dict()})
        raise typer.Exit(1)
    with with_health(health.to_dict()):
        yield
    if health.verdict == "FAIL":
        raise typer.Exit(1)
