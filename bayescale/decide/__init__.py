"""Allocation, the verdict, and what to run next."""

from bayescale.decide.adaptive import Adaptive, adapt
from bayescale.decide.allocation import Allocation, AllocationError, allocate
from bayescale.decide.cheapest import Cheapest, cheapest
from bayescale.decide.constraints import Constraints, Price, Shape
from bayescale.decide.cost import CostError, CostLaw, cost_law
from bayescale.decide.decision import Action, Decision, DecisionError, Effect, Run
from bayescale.decide.errors import ConstraintError
from bayescale.decide.isoflop import IsoFlopCheck, NoIsoFlopError, isoflop_check
from bayescale.decide.next_runs import next_runs
from bayescale.decide.plan import Plan, plan_for_decision, plan_for_knowledge
from bayescale.decide.refusal import Refusal, RefusalReason
from bayescale.decide.shapes import AdaptError
from bayescale.decide.utility import Costs, Utility
from bayescale.decide.verdict import Verdict, decide
from bayescale.decide.versus import Versus, VersusError, versus

__all__ = [
    "Action",
    "AdaptError",
    "Adaptive",
    "Allocation",
    "AllocationError",
    "Cheapest",
    "ConstraintError",
    "Constraints",
    "CostError",
    "CostLaw",
    "Costs",
    "Decision",
    "DecisionError",
    "Effect",
    "IsoFlopCheck",
    "NoIsoFlopError",
    "Plan",
    "Price",
    "Refusal",
    "RefusalReason",
    "Run",
    "Shape",
    "Utility",
    "Verdict",
    "Versus",
    "VersusError",
    "adapt",
    "allocate",
    "cheapest",
    "cost_law",
    "decide",
    "isoflop_check",
    "next_runs",
    "plan_for_decision",
    "plan_for_knowledge",
    "versus",
]
