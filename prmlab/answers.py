r"""Final answers: taken out of a text, normalised, and compared exactly.

Conventions owned here. An answer is *stated* ("Answer: 42", "the answer is 42", "A: 42",
"#### 42", "\boxed{42}", a heading "# Answer"); a number that merely occurs is not one.
Two answers are equal when their exact values are: 1/2, 0.5, 50% and \frac{1}{2} are one
number, and 50% is not 50. Money signs and unit words are dropped, never converted: "5 apples"
is 5, "60 minutes" is 60 and not "1 hour"; but two different *measures* (5 km, 5 m) differ.
Brackets keep order and kind, "(1, 2)" is not "[1, 2]"; braces and bare lists have no order.
A decimal is what it says: 0.33 is not 1/3. Does not know the question, nor partial credit.
"""

import functools
import importlib.util
import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from prmlab import arithmetic

MAX_LENGTH = 2000  # of one answer; longer ones are compared as plain text
_WORDS = {word: Fraction(value) for value, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty".split())}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
# unit of measure -> its short name; `claims` reads it too
MEASURES = {name: names[0] for names in (
    line.split() for line in (
        "mm millimeter millimetre", "cm centimeter centimetre", "m meter metre",
        "km kilometer kilometre", "in inch inches", "ft foot feet", "yd yard", "mi mile",
        "mg milligram", "g gram", "kg kilogram kilo", "oz ounce", "lb lbs pound",
        "ml milliliter millilitre", "l liter litre", "s sec second", "min minute",
        "h hr hour", "day", "week", "month", "year", "cent", "dollar usd", "dozen")
) for name in names}
_CUES = re.compile(
    r"\\f?box(?:ed)?\s*(?P<brace>\{)"
    r"|(?:^|\n)[ \t]*(?:####|#{1,3}[ \t]*(?:final[ \t]+)?answer[ \t]*:?[ \t]*\n\s*|A:)"
    r"|\b(?P<said>answer)[*_ \t]{0,4}(?:is\b[ \t]*:?|:|=)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z]|\s*$)|\s(?:because|since)\s")
_RUN_ON = re.compile(r"\n[ \t]*(?:Q|Question|Problem):")
_NUMBER = re.compile(r"[-−]?(?:\\?[$€£])?(?<![\d.])\d[\d,]*(?:\.\d+)?(?:/\d+)?\s?%?")
_QUANTITY = re.compile(r"(?P<amount>[^A-Za-z]*[\d)%½⅓⅔¼¾⅕⅛]\s*)(?P<unit>[A-Za-z][^\d,;=<>()]*)")
_SPELLED = re.compile(
    r"(?P<minus>(?:minus|negative) )?(?P<word>[a-z]+)(?P<unit>(?: [^\d,;=<>()]*)?)")
_NOT_UNITS = {*_WORDS, *"and or half halves third thirds quarter quarters fourths fifths "
              "pi sin cos tan log ln exp sqrt infinity".split()}
_BRACKETED = re.compile(r"([\[({])(.+)([\])}])")
_SYMBOLS = re.compile(r"[\\^√π]|\d\s*[A-Za-z]|[A-Za-z]\s*[-+*/]|[-+*/]\s*[A-Za-z]")
_MAX_NESTING = 8


def extract(text: str, *, fallback: bool = False) -> str | None:
    r"""The answer that `text` states, as written there; the last one if it states several.

    Text after a new "Q:" or "Question:" line belongs to another problem and is not read.

    Args:
        text: a step, or a whole solution.
        fallback: take the last number if no answer is stated.

    Example:
        >>> extract("So the answer is 1244."), extract("#### 24"), extract("2 + 3 = 5")
        ('1244', '24', None)
        >>> extract(r"Thus \boxed{\frac{1}{2}}"), extract("2 + 3 = 5", fallback=True)
        ('\\frac{1}{2}', '5')
    """
    run_on = _RUN_ON.search(text, pos=1)
    text = text[:run_on.start()] if run_on else text
    for cue in reversed(deque(_CUES.finditer(text), maxlen=16)):
        if cue["brace"]:
            found = _inside_braces(text, cue.end()) or ""
        else:
            found = text[cue.end():].lstrip("*_: \t").partition("\n")[0]
            found = _first_sentence(found) if cue["said"] else found
        if found := _unwrap(found):
            return found
    numbers = _NUMBER.findall(text) if fallback else []
    return numbers[-1].strip().rstrip(",") if numbers else None


def _inside_braces(text: str, start: int) -> str | None:
    """What stands between the brace before `start` and its partner; None if it has none."""
    depth = 1
    for at in range(start, min(len(text), start + MAX_LENGTH)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None


def _first_sentence(line: str) -> str:
    end = _SENTENCE_END.search(line)
    return line[:end.start()] if end else line


def _unwrap(answer: str) -> str:
    r"""Without spaces around, full stop, markdown stars, `$...$`, `\(...\)`, `\boxed{}`."""
    answer = answer.strip().rstrip(".").strip("*_` \t")
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        inner = answer.removeprefix(opening).removesuffix(closing)
        if len(answer) - len(inner) == len(opening + closing) and opening not in inner:
            answer = inner.strip().rstrip(".")
    if boxed := re.match(r"\\f?box(?:ed)?\s*\{", answer):
        answer = _inside_braces(answer, boxed.end()) or answer
    return answer.strip()


@dataclass(frozen=True)
class _Form:
    """An answer as it is compared: `key` decides, unless one of two forms is `symbolic`."""

    key: str
    unit: str = ""
    symbolic: bool = False


def normalise(text: str) -> str:
    r"""The canonical form of an answer; answers of one canonical form are equal.

    Example:
        >>> normalise("$1,250.50"), normalise(r"\dfrac{6}{8}"), normalise("3 1/2 cups")
        ('2501/2', '3/4', '7/2')
        >>> normalise(r"( 1 , \text{Monday} )"), normalise("{3, 0.5, 3}")
        ('(1, monday)', '{1/2, 3}')
    """
    return _form(text).key


def equal(a: str | None, b: str | None) -> bool:
    r"""Whether two answers are the same, by the rules at the top of this module.

    Expressions with letters or roots are first compared as text; where that differs,
    math-verify is asked if it is installed. `None`, no answer, equals nothing.

    Example:
        >>> equal("1/2", "50%"), equal("5 apples", "5"), equal("1 hour", "60"), equal("12", "1")
        (True, True, False, False)
    """
    if a is None or b is None:
        return False
    left, right = _form(a), _form(b)
    if left.key == right.key:
        return not (left.unit and right.unit) or left.unit == right.unit
    return (left.symbolic or right.symbolic) and _math_verify_says_equal(a, b)


def group(answers: Sequence[str | None]) -> list[list[int]]:
    """The indices of equal answers, together; the groups in order of first appearance.

    Each answer joins the first group whose first member it equals. `None` joins none.

    Example:
        >>> group(["0.5", "7", None, "1/2", "7 pens"])
        [[0, 3], [1, 4]]
    """
    groups: list[list[int]] = []
    for index, answer in enumerate(answers):
        home = next((g for g in groups if equal(answers[g[0]], answer)), None)
        if home is not None:
            home.append(index)
        elif answer is not None:
            groups.append([index])
    return groups


@functools.lru_cache(maxsize=4096)
def _form(text: str, depth: int = 0) -> _Form:
    if len(text) > MAX_LENGTH or depth > _MAX_NESTING:
        return _Form(" ".join(text.split()))
    text = _plain(_unwrap(text))
    if "=" in text and len(_split(text) or ()) == 1:
        text = text.rpartition("=")[2].strip() or text
    number, unit = _number(text)
    if number is not None:
        return _Form(str(number), unit)
    return _collection(text, depth + 1) or _words_or_symbols(text)


def _plain(text: str) -> str:
    r"""LaTeX and Unicode as plain ASCII arithmetic where that is possible."""
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox|textit)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\{,\}|(?<=\d)\\[,!](?=\d)", "", text)  # thousands: 10{,}000 and 10\,000
    text = re.sub(r"\\(?:left|right|[,!;: ]|quad|qquad|displaystyle)(?![a-zA-Z])", " ", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°", " degrees", text)
    text = text.replace("~", " ").replace("−", "-").replace("–", "-")
    text = re.sub(r"\\([{}%$&#])", r"\1", text)
    text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(?:times|cdot)(?![a-zA-Z])", "*", text)
    text = re.sub(r"\\div(?![a-zA-Z])", "/", text)
    text = re.sub(r"\\cup(?![a-zA-Z])", "∪", text)
    fraction = re.compile(r"(\d?)\s*\\frac\s*\{([^{}\\]+)\}\s*\{([^{}\\]+)\}")
    while fraction.search(text):  # innermost first; each round removes one \frac
        text = fraction.sub(_fraction, text)
    return " ".join(text.split())


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match.groups()
    if whole and top.strip().isdigit() and bottom.strip().isdigit():
        return f"{whole} {top.strip()}/{bottom.strip()}"  # 3\frac{1}{2}: a mixed number
    top, bottom = (p if re.fullmatch(r"\s*\w+\s*", p) else f"({p})" for p in (top, bottom))
    return f"{whole}{'*' if whole else ''}({top}/{bottom})"


def _number(text: str) -> tuple[Fraction | None, str]:
    """The value and the measure of a plain number, an expression or a number word."""
    unit = "dollar" if "$" in text else ""
    text = re.sub("[$€£]", "", text).strip()
    if (value := _value(text)) is not None:
        return value, unit
    if quantity := _QUANTITY.fullmatch(text):
        value = _value(quantity["amount"])
    elif quantity := _SPELLED.fullmatch(text.lower()):
        value = _WORDS.get(quantity["word"])
        value = -value if value and quantity["minus"] else value
    if value is None:
        return None, ""
    words = re.split(r"[\s-]+", quantity["unit"].lower().replace(".", "").strip())
    if _NOT_UNITS.intersection(words) or (len(words[0]) == 1 and words[0] not in MEASURES):
        return None, ""  # 2x, 3 pi, "five and a half": no unit
    if words[0] in _SCALES:
        value *= _SCALES[words.pop(0)]
    if words[:1] == ["percent"] or words[:2] == ["per", "cent"]:
        value /= 100
    word = words[0].rstrip("²³") if words else ""
    return value, MEASURES.get(word) or MEASURES.get(word.removesuffix("s")) or unit


def _value(text: str) -> Fraction | None:
    text = text.strip().rstrip(".,;")
    mixed = re.fullmatch(r"(-?)\s*(\d+)\s+(\d+)\s*/\s*(\d+)", text)
    if mixed:
        text = f"{mixed[1]}({mixed[2]} + {mixed[3]}/{mixed[4]})"
    if scientific := re.fullmatch(r"([-+]?[\d.]+)[eE]([-+]?\d{1,3})", text):
        text = f"{scientific[1]} * 10^{scientific[2]}"
    if re.match(r"[\[{]|.*\(.*,", text):  # [5], {5} and (1,234) are collections
        return None
    try:
        return arithmetic.evaluate(arithmetic.parse(text))
    except ValueError:
        return None


def _collection(text: str, depth: int) -> _Form | None:
    """Tuples and intervals in order, sets and bare lists without, unions of intervals."""
    if "∪" in text:
        parts = [_form(part, depth) for part in text.split("∪")]
        return _Form(" ∪ ".join(sorted(part.key for part in parts)))
    bracketed = _BRACKETED.fullmatch(text)
    items = _split(bracketed[2] if bracketed else text)
    if items is None and bracketed and _split(text):
        bracketed, items = None, _split(text)  # "(1, 2), (3, 4)" is a bare list
    if not items or (len(items) < 2 and not (bracketed and bracketed[1] in "{[")):
        return None
    forms = [_form(item, depth) for item in items]
    keys, symbolic = [form.key for form in forms], any(form.symbolic for form in forms)
    if bracketed is None and not all(_is_mathematical(key) for key in keys):
        return None
    if bracketed is None or bracketed[1] == "{":
        return _Form("{" + ", ".join(sorted(set(keys))) + "}", symbolic=symbolic)
    return _Form(bracketed[1] + ", ".join(keys) + bracketed[3], symbolic=symbolic)


def _split(text: str) -> list[str] | None:
    """The items between top-level commas; None if brackets do not match or an item is empty."""
    depth, items, start = 0, [], 0
    for at, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return None
        if depth == 0 and (char in ",;"):
            items.append(text[start:at].strip())
            start = at + 1
    items.append(text[start:].strip())
    return items if depth == 0 and all(items) else None


def _is_mathematical(text: str) -> bool:
    return bool(re.search(r"[\d\\^*/+]|\b[a-z]\b|π", text))


def _words_or_symbols(text: str) -> _Form:
    runs = re.findall(r"(?<!\\)[A-Za-z]+", re.sub(r"\\[A-Za-z]+", r"\\", text))
    letters = all(len(run) == 1 or run in _NOT_UNITS for run in runs)
    if letters and _SYMBOLS.search(text):
        return _Form(re.sub(r"\s+", "", text), symbolic=True)
    choice = re.fullmatch(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?", text)
    words = choice[1] if choice else re.sub(r"[^\w\s'’%/+-]", " ", text)
    return _Form(" ".join(words.casefold().split()) or text)


_ASKING = threading.Lock()
_POWER = re.compile(r"\^\s*\{?\s*-?(\d)\s*(?:\}|(?![\d}]))")
_EASY_COMMANDS = set(r"\frac \dfrac \tfrac \sqrt \pi \infty \sin \cos \tan \log \ln \left "
                     r"\right \cdot \times \pm \text".split())


def _is_easy(text: str) -> bool:
    """Whether a symbolic answer is small enough that expanding it cannot take long."""
    powers = [int(power) for power in _POWER.findall(text)]
    return (
        len(text) <= 120 and sum(powers) <= 12 and len(powers) == text.count("^")
        and len(set(re.findall(r"(?<![\\a-zA-Z])[a-zA-Z]", text))) <= 4
        and _EASY_COMMANDS.issuperset(re.findall(r"\\[a-zA-Z]+", text))
        and not re.search(r"\*\*|!|\d{16}", text)
    )


def _math_verify_says_equal(a: str, b: str) -> bool:
    """math-verify's opinion on two symbolic answers; False where it has none.

    Its timeouts use signals, which only work on the main thread, so they are off, and only
    what `_is_easy` is asked.
    """
    if not (_is_easy(a) and _is_easy(b)):
        return False
    if importlib.util.find_spec("math_verify") is None:
        return False
    # Imported here because it is optional, and loads sympy (about a second).
    from math_verify import parse, verify

    loggers = [logging.getLogger(f"math_verify.{name}") for name in ("parser", "grader")]
    with _ASKING:  # one at a time: the loggers are shared, and sympy's caches too
        before = [logger.disabled for logger in loggers]
        for logger in loggers:
            logger.disabled = True  # it warns, once, that the timeouts are off
        try:
            gold, answer = (
                parse(f"${_unwrap(text)}$", parsing_timeout=None) for text in (a, b))
            return bool(verify(gold, answer, timeout_seconds=None))
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled
