"""Trying out what a reader wrote, comparing it, and naming the mistake.

A check takes the reader's function or value and returns None if it is right, or a sentence that
names the mistake. A mistake is known by what it computes: if the reader's function agrees on
every case with a known wrong function, that is the mistake made. An answer left blank (`...`,
None, NotImplementedError) is not attempted, whatever else it may be.

Runs nothing but the reader's own function, in the reader's own kernel: it is no sandbox.
"""

import copy
import linecache
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from types import CodeType
from typing import Any

Check = Callable[[Any], str | None]
Mistakes = Sequence[tuple[str, Callable[..., Any]]]

CAUSES = {
    ZeroDivisionError: "Is there a case in which there is nothing to divide by?",
    IndexError: "An index ran past the end: a list of S items has the indices 0 to S - 1.",
    KeyError: "A key is not there: look at the keys that are.",
    NameError: "A name is not defined: a spelling, or a cell above that was not run.",
    RecursionError: "The function calls itself without end.",
}
PLAIN_LISTS = "What comes in is a plain list: `np.asarray(...)` makes an array of it."


class NotAttempted(Exception):
    """The answer is still blank."""


class Stopped(Exception):
    """The reader's function raised; the text says what, where and on which input."""


def blank(value: Any) -> bool:
    """Whether an answer has been left as it was: `...`, None, empty text, or holding `...`."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(item is ... for item in value)
    return value is None or value is ... or (isinstance(value, str) and not value.strip())


def call(function: Any, *args: Any) -> Any:
    """What the reader's function returns on copies of `args`.

    Raises:
        NotAttempted: if it raises NotImplementedError.
        Stopped: if it raises anything else, or is no function.
    """
    if not callable(function):
        if blank(function):
            raise NotAttempted
        raise Stopped(f"Hand over the function itself, not what it returns: {show(function)}.")
    try:
        return function(*copy.deepcopy(args))
    except NotImplementedError:
        raise NotAttempted from None
    except Exception as error:  # noqa: BLE001 - the one boundary to code the reader wrote
        raise Stopped(_explain(error, function, args)) from None


def compare(
    attempt: Any,
    cases: Sequence[tuple[Any, ...]],
    right: Callable[..., Any],
    mistakes: Mistakes,
) -> str | None:
    """None if `attempt` agrees with `right` on every case, else what is wrong with it.

    Args:
        attempt: the reader's function.
        cases: argument tuples; each known mistake must differ from `right` on one of them.
        right: the right function.
        mistakes: pairs of a sentence and the function that this mistake computes.

    Raises:
        NotAttempted: if every case comes back blank.
        Stopped: if the reader's function raises.

    Example:
        >>> compare(max, [([3, 1],), ([2, 2],)], min, [("You took the largest.", max)])
        'You took the largest.'
    """
    got = [call(attempt, *case) for case in cases]
    if all(answer is None or answer is ... for answer in got):
        raise NotAttempted
    want = [right(*copy.deepcopy(case)) for case in cases]
    if all(map(same, got, want)):
        return None
    for sentence, wrong in mistakes:
        if all(same(g, wrong(*copy.deepcopy(case))) for g, case in zip(got, cases)):
            return sentence
    for case, g, w in zip(cases, got, want):
        if kind(g) != kind(w):
            return (f"{_called(attempt, case)} must return {kind(w)}; yours returned "
                    f"{kind(g)}: {show(g)}.")
    case, g, w = next(row for row in zip(cases, got, want) if not same(row[1], row[2]))
    return f"{_called(attempt, case)} is {show(w)}; yours returned {show(g)}."


def compare_value(
    attempt: Any, right: Any, mistakes: Sequence[tuple[str, Any]], otherwise: str
) -> str | None:
    """None if `attempt` is `right`, else the sentence of the mistake made.

    Args:
        attempt: the reader's value.
        right: the right value.
        mistakes: pairs of a sentence and the wrong value it explains.
        otherwise: the sentence for any other wrong value of the right kind.

    Raises:
        NotAttempted: if the value is blank.
    """
    if blank(attempt):
        raise NotAttempted
    if same(attempt, right):
        return None
    for sentence, wrong in mistakes:
        if same(attempt, wrong):
            return sentence
    if kind(attempt) != kind(right):
        return f"The answer must be {kind(right)}; yours is {kind(attempt)}: {show(attempt)}."
    return otherwise


def same(got: Any, want: Any) -> bool:
    """Equal for a reader: 1 is 1.0, a tuple is a list, numbers agree to a millionth.

    Example:
        >>> same((1, 0.3), [1.0, 0.1 + 0.2]), same([1], [1, 2]), same(float("nan"), math.nan)
        (True, False, True)
        >>> same(Fraction(1, 4), 0.25)
        True
    """
    got, want = _plain(got), _plain(want)
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, Mapping):
        return (isinstance(got, Mapping) and set(got) == set(want)
                and all(same(got[key], want[key]) for key in want))
    if isinstance(want, bool | int | float) and isinstance(got, bool | int | float):
        if isinstance(want, bool) and not isinstance(got, bool) and got not in (0, 1):
            return False
        both_nan = math.isnan(got) and math.isnan(want)
        return both_nan or math.isclose(got, want, rel_tol=1e-6, abs_tol=1e-9)
    return type(got) is type(want) and got == want


def kind(value: Any) -> str:
    """What a value is, in words: its type and, for a list, its length.

    Example:
        >>> kind(0.5), kind([1, 2]), kind(None)
        ('one number', 'a list of 2', 'None')
    """
    value = _plain(value)
    if isinstance(value, bool):
        return "True or False"
    if isinstance(value, int | float):
        return "one number"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    names = {str: "text", dict: "a dictionary", type(None): "None", type(...): "`...`"}
    return names.get(type(value), f"a {type(value).__name__}")


def show(value: Any, *, limit: int = 160) -> str:
    """A value as code, cut to a readable length."""
    text = getattr(value, "__name__", None) or repr(_round(_plain(value)))
    return f"`{text if len(text) <= limit else text[:limit] + ' …'}`"


def names_used(function: Any) -> set[str]:
    """Every global name and attribute that a function's code mentions, nested code included."""
    def walk(code: CodeType) -> set[str]:
        inner = (walk(const) for const in code.co_consts if isinstance(const, CodeType))
        return set(code.co_names).union(*inner)

    code = getattr(function, "__code__", None)
    return walk(code) if code else set()


def _plain(value: Any) -> Any:
    """Arrays and scalars of numpy and torch as Python's own; tuples as lists, fractions as floats."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Fraction | Decimal):
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list | tuple):
        return [_round(_plain(item)) for item in value]
    return value


def _called(function: Any, args: Sequence[Any]) -> str:
    name = getattr(function, "__name__", "your function")
    inside = ", ".join(show(arg, limit=90).strip("`") for arg in args)
    return f"`{'your function' if name == '<lambda>' else name}({inside})`"


def _explain(error: Exception, function: Any, args: Sequence[Any]) -> str:
    """What was raised, on which input, at which line of the reader's, and what may cause it."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    text = f"{_called(function, args)} raised {said}"
    code = getattr(function, "__code__", None)
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if code and frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, number).strip()
            text += f", at your line {number}" + (f": `{line}`" if line else "")
            break
    causes = [cause for kind_, cause in CAUSES.items() if isinstance(error, kind_)]
    if (isinstance(error, TypeError | AttributeError) and "list" in said
            and "callable" not in said and any(isinstance(arg, list) for arg in args)):
        causes.append(PLAIN_LISTS)
    return " ".join([f"{text}.", *causes])
