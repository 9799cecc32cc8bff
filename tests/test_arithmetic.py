"""Arithmetic: what parses, to which exact value, and what is refused, at which place."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prmlab.arithmetic import (
    ArithmeticSyntaxError,
    Bin,
    DivisionByZero,
    Neg,
    Node,
    Num,
    TooBig,
    Var,
    evaluate,
    linear,
    parse,
    render,
    tokens,
)

numbers = st.fractions(-99, 99, max_denominator=12).map(Num)
nodes = st.recursive(
    numbers | st.just(Var("x")),
    lambda inner: st.builds(Neg, inner) | st.builds(Bin, st.sampled_from("+-*/"), inner, inner)
    | st.builds(Bin, st.just("^"), inner, st.integers(-2, 3).map(lambda n: Num(Fraction(n)))),
    max_leaves=12,
)


@pytest.mark.parametrize(("text", "value"), [
    ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 - -7 * 4", 35), ("8 - 3 - 2", 3),
    ("8 / 4 / 2", 1),
    ("-2^2", -4), ("(-2)^2", 4), ("2^-1", "1/2"), ("2^3^2", 512), ("2**3", 8), ("-2^-2",
    "-1/4"),
    ("6/2(3)", 9), ("(2)(3)", 6), ("2(3 + 4)", 14), ("[1 + {2 * (3)}]", 7),
    ("3½", "7/2"), ("2 ½ + ¼", "11/4"), ("⅔ × 9", 6), ("½²", "1/4"), ("10²³ / 10^22", 10),
    ("20% * 50", 10), ("12.5 %", "1/8"), ("1,234.5", "2469/2"), ("1,234,567", 1234567),
    ("−3 – 4", -7), ("8 ÷ 4 × 2", 4), ("3 · 4 ⋅ 2", 24), ("3 x 4", 12), ("1⁄2", "1/2"),
    ("--5", 5), ("+5", 5), (".5", "1/2"), ("0^0", 1), ("  7  ", 7), ("0.1 + 0.2", "3/10"),
])
def test_value(text, value):
    assert evaluate(parse(text)) == Fraction(value)


@pytest.mark.parametrize(("text", "at", "says"), [
    ("", 0, "must follow"), ("2 +", 3, "must follow"), ("* 3", 0, "must stand here"),
    ("(1", 2, "'(' is never closed"), ("(1]", 2, "']' closes nothing"), ("1)", 1,
    "closes nothing"),
    ("1 2", 2, "an operator must stand between"), ("(3)4", 3, "an operator must stand between"),
    ("2 + a", 4, "'a' is no part"), ("1,23", 1, "',' is no part"), ("5 = 5", 2,
    "'=' is no part"),
    ("__import__", 0, "'_' is no part"), ("2x", 2, "must follow"),
])
def test_syntax_error_says_what_and_where(text, at, says):
    with pytest.raises(ArithmeticSyntaxError, match=r"at character \d+ \(near") as caught:
        parse(text)
    assert caught.value.position == at
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "error"), [
    ("9**9**9", TooBig), ("9999^9999", TooBig), ("1" * 10**6, TooBig), ("0.5^99999", TooBig),
    ("(" * 10_000 + "1" + ")" * 10_000, ArithmeticSyntaxError),
    ("-" * 10**5, ArithmeticSyntaxError),
    ("1+" * 10**5 + "1", ArithmeticSyntaxError), ("2^" * 10**5 + "1", ArithmeticSyntaxError),
    ("1 / 0", DivisionByZero), ("0^-1", DivisionByZero), ("2^.5", ValueError),
    ("*".join(["9" * 900] * 9), TooBig), (" " * 10**5, ArithmeticSyntaxError),
])
def test_hostile_input_is_refused_at_once(text, error):
    started = time.process_time()
    with pytest.raises(error):
        evaluate(parse(text))
    assert time.process_time() - started < 0.5


def test_variables_make_products():
    node = parse("2x(y - 1)", variables="xy")
    assert evaluate(node, {"x": Fraction(3), "y": Fraction(5)}) == 24
    with pytest.raises(ValueError, match="got none for 'y'"):
        evaluate(node, {"x": Fraction(3)})


def test_a_minus_sign_belongs_to_its_literal():
    assert parse("3 - -4") == Bin("-", Num(Fraction(3)), Num(Fraction(-4)))
    assert parse("-(2 + 1)") == Neg(Bin("+", Num(Fraction(2)), Num(Fraction(1))))


@pytest.mark.parametrize(("text", "a", "b"), [
    ("2x + 5", 2, 5), ("3(x - 2) - x/2", "5/2", -6), ("7", 0, 7), ("-x", -1, 0), ("x", 1, 0),
    ("-(2 - x)", 1, -2), ("(x + 1)^1", 1, 1), ("2^3 * x", 8, 0), ("½x", "1/2", 0),
])
def test_linear(text, a, b):
    assert linear(parse(text, variables="x")) == (Fraction(a), Fraction(b))


@pytest.mark.parametrize("text", ["x * x", "1 / x", "2^x", "x^2", "(x + 1)(x - 1)"])
def test_not_linear(text):
    with pytest.raises(ValueError, match=r"must be linear in 'x'|whole number"):
        linear(parse(text, variables="x"))


def test_tokens_cover_the_text_in_order():
    text = "3½ × (1,200 − x)²"
    found = list(tokens(text, variables="x"))
    assert [text[t.start:t.end] for t in found] == [
        "3½", "×", "(", "1,200", "−", "x", ")", "", "²"]


def _value(node: Node) -> Fraction | type:
    try:
        return evaluate(node, {"x": Fraction(2, 7)})
    except (DivisionByZero, TooBig) as error:
        return type(error)


@settings(deadline=None)
@given(nodes)
def test_parse_of_render_has_the_same_value(node):
    assert _value(parse(render(node), variables="x")) == _value(node)


@settings(deadline=None)
@given(nodes)
def test_render_is_stable(node):
    text = render(parse(render(node), variables="x"))
    assert render(parse(text, variables="x")) == text


@settings(deadline=None)
@given(nodes)
def test_linear_agrees_with_evaluate(node):
    try:
        a, b = linear(node)
    except ValueError:
        return
    assert a * Fraction(2, 7) + b == evaluate(node, {"x": Fraction(2, 7)})


@settings(deadline=None)
@given(st.text(alphabet="0123456789+-*/^().,x½²%[] ", max_size=40))
def test_any_text_parses_or_is_refused_with_a_value_error(text):
    try:
        evaluate(parse(text))
    except ValueError:
        pass
