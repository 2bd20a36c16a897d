"""A law by naming its expression: what is read, what is refused, and that it is a law like any other."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayescale as bs
from bayescale.errors import UserError
from bayescale.laws import Range, law_from_expression
from bayescale.laws.expression import COLUMNS, WIDE
from bayescale.laws.syntax import DEEPEST, LONGEST, latex_name
from bayescale.laws.terms import SIZE, SLOPE, WHOLE_LOSS
from bayescale.runs.schema import COLUMNS as SCHEMA
from tests.laws.law_checks import check_prior_predictive, check_round_trip

HOFFMANN = bs.law("chinchilla")
TEXT = "E + A * params**-alpha + B * tokens**-beta"
OWN = bs.law_of(TEXT)
BESIROGLU = dict(HOFFMANN.published[1].values)
REFERENCE = {"params": 6e8, "tokens": 2e10}
GRID = {"params": np.geomspace(1e6, 1e12, 7)[:, None], "tokens": np.geomspace(1e8, 1e14, 7)}


# The same law as one that ships


def test_an_expression_of_hoffmanns_law_is_hoffmanns_law() -> None:
    assert OWN.inputs == HOFFMANN.inputs and OWN.parameter_names == HOFFMANN.parameter_names
    assert np.array_equal(OWN.loss(BESIROGLU, GRID), HOFFMANN.loss(BESIROGLU, GRID))
    sampled = {name: jnp.asarray(x) for name, x in HOFFMANN.sampled(BESIROGLU, REFERENCE).items()}
    assert {k: float(x) for k, x in OWN.sampled(BESIROGLU, REFERENCE).items()} == sampled
    for name in sampled:
        assert OWN.parameter(name).support == "positive"
        for law_ in (OWN, HOFFMANN):
            assert (law_.parameter(name).centring is None) == (name not in "AB")

    def gradient(law_):
        return jax.grad(lambda s: law_.loss(law_.natural(s, REFERENCE), GRID).sum())(sampled)

    ours, theirs = gradient(OWN), gradient(HOFFMANN)
    assert all(np.array_equal(ours[name], theirs[name]) for name in sampled)


@pytest.mark.parametrize(
    "text, name, renamed",
    [
        ("E + A / params**alpha + B / tokens**beta", "chinchilla", {}),
        ("(N_c / params)**a_N + (S_c / steps)**a_S", "kaplan-steps", {}),
        ("((N_c / params)**(a_N / a_D) + D_c / tokens)**a_D", "kaplan", {}),
        ("E + A * (params**-alpha + R * tokens**-beta)**k", "skaling", None),
        ("c + (g * granularity**-gamma + a) * params**-alpha + b * tokens**-beta", "krajewski", {}),
        ("beta + alpha * log(params / 1e9 * (tokens / 1e12))", "guo", {}),
        ("a + b * tokens**-c0 * (1 + (tokens / d1)**(1 / f1))**(-c1 * f1)", "bnsl1", {}),
    ],
)
def test_other_laws_written_out(text: str, name: str, renamed: dict[str, str] | None) -> None:
    own, shipped = bs.law_of(text), bs.law(name)
    assert set(own.parameter_names) == set(shipped.parameter_names)
    values = (
        dict(shipped.published[0].values)
        if renamed is not None
        else {"E": 1.7, "A": 40.0, "alpha": 0.5, "R": 9.0, "beta": 0.55, "k": 0.6}
    )
    at = {column: np.geomspace(1e3, 1e10, 5) for column in shipped.inputs}
    assert np.asarray(own.loss(values, at)) == pytest.approx(np.asarray(shipped.loss(values, at)), rel=1e-12)
    reference = dict.fromkeys(own.inputs, 1e6)
    back = own.natural(own.sampled(values, reference), reference)
    assert {k: float(x) for k, x in back.items()} == pytest.approx(values, rel=1e-7)


# What parameters are


@pytest.mark.parametrize(
    "text, sampled_as",
    [
        (TEXT, {"E": "", "A": "A params0^-alpha", "alpha": "", "B": "B tokens0^-beta", "beta": ""}),
        ("A * params**-a + A * tokens**-b", {"A": "A params0^-a + A tokens0^-b", "a": "", "b": ""}),
        ("E - k * log1p(steps / S0)", {"k": "k log1p(steps0 / S0)", "S0": "S0 / steps0"}),
        ("E + -k * log1p(steps / S0)", {"k": "k log1p(steps0 / S0)", "S0": "S0 / steps0"}),
        ("(x_c / flops)**a", {"x_c": "(x_c/flops0)^a", "a": ""}),
        ("(x_c / flops)**0.5 + E", {"x_c": "(x_c / flops0)^0.5", "E": ""}),
        ("E + A * (flops + s)**-c", {"s": "s / flops0", "A": "A * (flops0 + s)^-c"}),
        ("E + A * exp(-tokens / T)", {"T": "T / tokens0", "A": "A exp(-tokens0 / T)"}),
        ("E + A * exp(-r * tokens)", {"r": "r tokens0"}),
        ("E + K * (params**-a + R * tokens**-b)**k", {"R": "R tokens0^-b / params0^-a", "k": ""}),
        ("E + tanh(a * params**-alpha + b * tokens**-beta)", {"a": "a params0^-alpha", "b": "b tokens0^-beta"}),
    ],
)  # fmt: skip
def test_what_a_parameter_is_sampled_as(text: str, sampled_as: dict[str, str]) -> None:
    law = bs.law_of(text)
    for name, symbol in sampled_as.items():
        centring = law.parameter(name).centring
        assert (centring.symbol if centring else "") == symbol
    reference = dict.fromkeys(law.inputs, 1e9)
    typical = {p.name: p.prior.interval(p.support, 1e-9)[0] for p in law.parameters}
    values = {name: float(x) for name, x in law.natural(typical, reference).items()}
    check_round_trip(law, values, reference)


def test_two_factors_of_which_one_is_elsewhere_too_are_no_circle() -> None:
    law = bs.law_of("E + A * B * params**-a + B * tokens**-b")
    check_round_trip(law, {"E": 1.0, "A": 3.0, "B": 5.0, "a": 0.3, "b": 0.4}, REFERENCE)


def test_meanings_by_role() -> None:
    law = bs.law_of("E + K * (params**-a + R * tokens**-b)**k + c * experts**-(g + h * log(params))")
    meanings = {p.name: p.meaning for p in law.parameters}
    assert meanings["E"].startswith("loss that no scale") and meanings["K"].startswith(
        "amplitude of the params"
    )
    assert meanings["a"] == "exponent of params" and meanings["k"].startswith("power of the bracket")
    assert meanings["g"] == "exponent of experts"
    unknown = bs.law_of("E + A * params**-a * maximum(1, q)")
    assert unknown.parameter("q").prior == WIDE and "prior of q is a wide default" in unknown.validity
    assert "prior of" not in OWN.validity


def test_priors_of_a_usual_law_are_sensible() -> None:
    check_prior_predictive(bs.law_of("E + K * (params**-a + R * tokens**-b)**k"), REFERENCE, 0.3, 9)


def test_a_lone_term_is_the_whole_loss() -> None:
    for text, name in (("(x_c / flops)**a", "x_c"), ("A * tokens**-a", "A")):
        law = bs.law_of(text)
        assert law.parameter(name).prior == WHOLE_LOSS and law.parameter("a").prior == SLOPE
    assert bs.law_of("E + A * tokens**-a").parameter("A").prior == SIZE


# Overrides


def test_overrides() -> None:
    law = law_from_expression(
        "E + A * params**-alpha - g * tanh(q * experts)",
        name="mine",
        parameters={
            "alpha": {
                "prior": {"range": [0.2, 0.6], "mass": 0.8},
                "spread": (0.01, 0.1),
                "meaning": "my exponent",
            },
            "q": {"support": "real", "prior": [-1, 2], "unit": "1/experts", "latex": r"\kappa"},
            "g": {"support": "real"},
            "E": {"prior": Range(1.0, 2.0)},
        },
        may_be_zero=["experts"],
    )
    alpha, q, g = (law.parameter(name) for name in ("alpha", "q", "g"))
    assert (
        alpha.prior == Range(0.2, 0.6, 0.8)
        and alpha.spread == Range(0.01, 0.1)
        and alpha.meaning == "my exponent"
    )
    assert (
        q.support == "real"
        and q.prior == Range(-1.0, 2.0)
        and q.latex == r"\kappa"
        and r"\kappa" in law.latex
    )
    assert g.support == "real" and g.prior == Range(-3.0, 3.0)
    assert law.parameter("E").prior == Range(1.0, 2.0) and law.name == "mine"
    assert law.may_be_zero == {"experts"} and law.validity == ""


def test_the_same_arguments_are_the_same_law() -> None:
    again = law_from_expression(TEXT, parameters={"E": {"prior": (1, 2)}})
    assert law_from_expression(TEXT, parameters={"E": {"prior": Range(1.0, 2.0)}}) is again
    assert bs.law_of(TEXT) is OWN and again is not OWN


@pytest.mark.parametrize(
    "given, message",
    [
        ({"gamma": {}}, "'gamma'.* does not occur"),
        ({"alhpa": {}}, "did you mean 'alpha'"),
        ({"tokens": {}}, "tokens is a column"),
        ({"alpha": {"range": [0, 1]}}, "parameter alpha, range: is not a key here; there are support, prior"),
        ({"alpha": {"prior": [0.5, 0.1]}}, "parameter alpha, prior: .*low < high"),
        ({"alpha": {"prior": 3}}, "parameter alpha, prior: .*two numbers"),
        ({"alpha": {"prior": {"low": 3}}}, r"parameter alpha, prior: .*range = \[low, high\]"),
        ({"alpha": {"prior": [-1, 1]}}, "parameter alpha: .*positive ends"),
        ({"alpha": {"spread": [-1, 1]}}, "parameter alpha: .*positive ends"),
        ({"alpha": {"support": "any"}}, "parameter alpha, support: one of positive, real, unit"),
        ({"alpha": {"meaning": 3}}, "parameter alpha, meaning: is a text"),
        ({"alpha": 0.3}, "parameter alpha: give a table"),
    ],
)
def test_overrides_that_do_not_fit(given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        law_from_expression(TEXT, parameters=given)


# Names


def test_columns_are_those_of_the_runs_table() -> None:
    numbers = {name for name, column in SCHEMA.items() if column.kind != "text"}
    assert numbers - {"loss", "loss_se", "seed"} == COLUMNS


def test_inputs_of_laws_that_ship_and_of_your_own() -> None:
    assert bs.law_of("E + A * lr_area**-a").inputs == ("lr_area",)
    assert bs.law_of("E + A * examples**-a", inputs=["examples"]).inputs == ("examples",)


def test_a_name_may_be_declared_a_parameter() -> None:
    law = law_from_expression("E + N * flops**-a", parameters={"N": {"meaning": "an amplitude"}})
    assert law.parameter_names == ("E", "N", "a")
    assert law.latex == r"L(C) = E + N \, C^{-a}"
    assert r"\mathrm{flops}" in bs.law_of("E + C * flops**-a").latex  # C is taken


# What is refused


@pytest.mark.parametrize(
    "text, column, message",
    [
        ("", None, "empty"),
        ("E + A * (params**-alpha", 9, "never closed"),
        ("E + * params", 5, "not an expression"),
        ("E + A params**-alpha", None, r"not an expression .*a product is written with \*"),
        ("L = E + A * params**-alpha", 3, "right-hand side alone"),
        ("E + A * params^-alpha", 15, r"\^ is not a power: write \*\*"),
        ("E + A * sin(params)", 9, "sin is no function of laws; there are .*exp, log, log1p"),
        ("E + A * log(params, 2)", 9, "log takes 1 argument: got 2"),
        ("E + A * minimum(params)", 9, "minimum takes 2 arguments: got 1"),
        ("E + A * log(x=params)", 9, "log takes 1 argument"),
        ("E + A * exp", 9, r"exp is a function: write exp\(...\)"),
        ("E + A * 1j * params", 9, "not a real number"),
        ("E + A * True * params", 9, "not a real number"),
        ("E + A * 'a' * params", 9, "not a real number"),
        ("E + A * 1e999 * params", 9, "too large"),
        ("E + A * (1 / 0) * params", 10, "1 / 0 is not a finite number"),
        ("E + A * log(-1) * params", 9, "not a finite number"),
        ("E + A * params // 2", 5, "an operator"),
        ("E + A * (params > 2)", 10, "a comparison is not part of a law"),
        ("E + A * α", 9, "plain ASCII"),
        ("E + A * token**-a", 9, "token is no column.*did you mean tokens"),
        ("E + A * N**-a", 9, "N is written params"),
        ("E + A * task**-a", 9, "column of labels"),
        ("loss + A * params**-a", 1, "loss is a column that no law can take"),
        ("E + sigma * params**-a", 5, "a parameter of the noise"),
        ("E + F + A * params**-a", 5, "E and F are both added alone"),
        ("E + A * B * params**-a", 9, "A and B occur only as a product"),
        ("E + (params**-a + A * B * tokens**-b)**k", 23, "A and B occur only as a product"),
        ("params + tokens", None, "no parameters"),
        ("E + A * x**-alpha", None, "no inputs"),
    ],
)
def test_a_mistake_is_named_with_its_column(text: str, column: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        bs.law_of(text)
    said = str(raised.value)
    if column is not None:
        assert said.startswith(f"law expression, column {column}: "), said
        caret = said.splitlines()[-1]
        assert len(caret) - 3 == column - 1 and caret.strip() == "^"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "E + A * __import__",
        "E + A * _secret * params",
        "E + A * params.real",
        "E + A * params.__class__.__mro__",
        "E + A * (lambda: params)()",
        "E + A * (lambda x: x)(params)",
        "[params for params in tokens]",
        "E + A * params[0]",
        "E + A * (x := params)",
        "E + A * f'{params}'",
        "E + exp(*params)",
        "E + getattr(params, A)",
        "eval('1')",
        "exp.__call__(params)",
        "E if params else A",
        "params and A",
        "{params: A}",
        "await params",
        "E + A * params\0",
        "9**9**9**9 * A * params",
        "A * params * 2**99999",
        "A * params * 10**10**10",
        "A * params * " + "9" * (LONGEST - 100),
        "E; import os",
        "E\nimport os",
        "(" * 10_000 + "params" + ")" * 10_000,
        "-" * 10_000 + "params",
        "(" * 150 + "params" + ")" * 150 + "*" * 5,
        "-" * (LONGEST - 10) + "params",
        "+".join(["exp("] * 60) + "params" + ")" * 60,
        "E + " + "exp(" * (DEEPEST + 1) + "A * params" + ")" * (DEEPEST + 1),
    ],
)
def test_hostile_expressions_are_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(UserError):
        bs.law_of(text)
    assert time.perf_counter() - start < 2


def test_a_name_of_a_law_is_plain() -> None:
    with pytest.raises(UserError, match="lower-case"):
        bs.law_of(TEXT, name="My Law")


# Printing


def test_prints_like_any_other() -> None:
    text = str(OWN)
    assert "L = E + A params^-alpha + B tokens^-beta" in text and "needs columns: params, tokens" in text
    assert "as A params0^-alpha 0.05 to 3" in text and "0.06 to 1" in text
    assert OWN.latex == r"L(N, D) = E + A \, N^{-\alpha} + B \, D^{-\beta}"


@pytest.mark.parametrize(
    "text, equation, latex",
    [
        ("E-A*(params-(tokens-q))", "E - A * (params - (tokens - q))", r"E - A \, \left(N - \left(D - q\right)\right)"),
        ("E/(A/params)", "E / (A / params)", r"\frac{E}{\frac{A}{N}}"),
        ("(params**a)**b", "(params^a)^b", r"\left(N^{a}\right)^{b}"),
        ("params**a**b", "params^a^b", r"N^{a^{b}}"),
        ("-(A*params)**-a", "-(A params)^-a", r"-\left(A \, N\right)^{-a}"),
        ("-A*-params", "A params", r"A \, N"),
        ("params**(-a*b)", "params^(-a b)", r"N^{-a \, b}"),
        ("-A*params/-q", "A params / q", r"\frac{A \, N}{q}"),
        ("(-A)**2*params", "(-A)^2 params", r"\left(-A\right)^{2} \, N"),
        ("A*2e9*params", "A * 2000000000 params", r"A \cdot 2000000000 \, N"),
        ("A*1e-30*params", "A * 1e-30 params", r"A \cdot 10^{-30} \, N"),
        ("A + -params", "A + (-params)", r"A + \left(-N\right)"),
        ("minimum(params, q_x1)", "minimum(params, q_x1)", r"\min\left(N, q_{\mathrm{x1}}\right)"),
        ("sqrt(log1p(params*a)/experts)", "sqrt(log1p(params a) / experts)",
         r"\sqrt{\frac{\ln\left(1 + N \, a\right)}{\mathrm{experts}}}"),
    ],
)  # fmt: skip
def test_brackets_are_kept(text: str, equation: str, latex: str) -> None:
    law = bs.law_of(text)
    assert law.equation == f"L = {equation}"
    assert law.latex.split(" = ", 1)[1] == latex


@pytest.mark.parametrize(
    "name, latex",
    [("a", "a"), ("alpha", r"\alpha"), ("a_N", "a_{N}"), ("alpha_D", r"\alpha_{D}"), ("d1", "d_{1}"),
     ("E_max", r"E_{\mathrm{max}}"), ("floor", r"\mathrm{floor}"), ("x_a_b", r"x_{\mathrm{a,b}}")],
)  # fmt: skip
def test_names_in_latex(name: str, latex: str) -> None:
    assert latex_name(name) == latex


def test_an_expression_spans_lines() -> None:
    law = bs.law_of("""
        E + A * params**-alpha
          + B * tokens**-beta
    """)
    assert np.array_equal(law.loss(BESIROGLU, GRID), OWN.loss(BESIROGLU, GRID))
