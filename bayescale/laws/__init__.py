"""Scaling laws, one file each."""

from bayescale.laws.base import Centring, Law, Parameter, Published, Range, amplitude
from bayescale.laws.expression import law_from_expression, law_of
from bayescale.laws.registry import law, laws, laws_for, register
from bayescale.laws.usual import counts_as

__all__ = [
    "Centring",
    "Law",
    "Parameter",
    "Published",
    "Range",
    "amplitude",
    "counts_as",
    "law",
    "law_from_expression",
    "law_of",
    "laws",
    "laws_for",
    "register",
]
