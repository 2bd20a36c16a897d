"""Allocation, the verdict, and what to run next."""

from bayescale.decide.allocation import Allocation, AllocationError, allocate
from bayescale.decide.decision import Action, Decision, DecisionError
from bayescale.decide.isoflop import IsoFlopCheck, NoIsoFlopError, isoflop_check
from bayescale.decide.next_runs import next_runs
from bayescale.decide.verdict import Verdict, decide

__all__ = [
    "Action",
    "Allocation",
    "AllocationError",
    "Decision",
    "DecisionError",
    "IsoFlopCheck",
    "NoIsoFlopError",
    "Verdict",
    "allocate",
    "decide",
    "isoflop_check",
    "next_runs",
]
