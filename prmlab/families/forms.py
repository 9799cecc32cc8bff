"""Arithmetic expressions up to what changes nothing: brackets, order, where a sign is written.

A form is `(sign, body)`. A body is `("#", n)` with n >= 0, `("+", forms)`, `("*", factors)`
with factors `(exponent, body)`, exponent 1 or -1, or `("^", base, exponent)` of forms;
members are sorted, and no sum is a member of a sum, no product of a product. Nothing is
worked out.
"""

from collections.abc import Iterator
from fractions import Fraction

from prmlab.arithmetic import Bin, DivisionByZero, Neg, Node, Num, TooBig
from prmlab.families.formulas import whole

Form = tuple
Body = tuple
Number = Fraction | int
ZERO = (1, ("#", 0))
ATTEMPTS = 3000  # groupings tried before two forms count as unrelated


def canonical(node: Node) -> Form:
    """The form of an expression without variables.

    Example:
        >>> from prmlab.arithmetic import parse
        >>> canonical(parse("2 - (3 * 4)")) == canonical(parse("-4 * 3 + 2"))
        True
    """
    if isinstance(node, Num):
        return number(whole(node.value))
    if isinstance(node, Neg):
        return negated(canonical(node.arg))
    if not isinstance(node, Bin):
        raise ValueError(f"an expression must have no variables, got {node!r}")
    left, right = canonical(node.left), canonical(node.right)
    if node.op in "+-":
        return make_sum([left, right if node.op == "+" else negated(right)])
    if node.op == "^":
        return 1, ("^", left, right)
    return make_product(left[0] * right[0],
                        [(1, left[1]), (1 if node.op == "*" else -1, right[1])])


def number(n: Number) -> Form:
    """The form of a number."""
    return (-1 if n < 0 else 1), ("#", abs(n))


def negated(form: Form) -> Form:
    """The form of minus this one."""
    sign, body = form
    if body[0] == "+":
        return 1, ("+", tuple(sorted(negated(term) for term in body[1])))
    return (1 if _is_nought(body) else -sign), body


def _is_nought(body: Body) -> bool:
    """Whether it is visibly nought, and so needs no sign: 0, a sum like 3 - 3, a product of one."""
    if body[0] == "*":
        return any(_is_nought(factor) for _, factor in body[1])
    return body == ("#", 0) or body[0] == "+" and negated((1, body))[1] == body


def make_sum(terms: list[Form]) -> Form:
    """The sum of forms, flat and sorted."""
    flat = [inner for sign, body in terms
            for inner in (body[1] if body[0] == "+" else ((sign, body),))]
    return flat[0] if len(flat) == 1 else (1, ("+", tuple(sorted(flat))))


def make_product(sign: int, factors: list[tuple[int, Body]]) -> Form:
    """The product of factors, flat and sorted; of a sum and minus it, one stands for both."""
    flat = [(power * inner_power, inner) for power, body in factors
            for inner_power, inner in (body[1] if body[0] == "*" else ((1, body),))]
    if len(flat) == 1 and flat[0][0] == 1:
        return _signed(sign, (1, flat[0][1]))
    for i, (power, body) in enumerate(flat):
        if body[0] == "+" and (opposite := negated((1, body))[1]) < body:
            sign, flat[i] = -sign, (power, opposite)
    return 1 if any(_is_nought(body) for _, body in flat) else sign, ("*", tuple(sorted(flat)))


def value(form: Form) -> Number:
    """The exact value. ValueError if there is none, or it is too large."""
    sign, body = form
    kind = body[0]
    if kind == "#":
        return sign * body[1]
    if kind == "+":
        return sum(value(term) for term in body[1])
    if kind == "^":
        base, exponent = value(body[1]), value(body[2])
        if exponent.denominator != 1 or abs(exponent) > 1000 or abs(base) > 10**6:
            raise TooBig(f"a power must be small, got {base} ^ {exponent}")
        if base == 0 and exponent < 0:
            raise DivisionByZero("zero has no negative power")
        return sign * whole(Fraction(base) ** int(exponent))
    total: Number = sign
    for power, factor in body[1]:
        size = value((1, factor))
        if power < 0 and size == 0:
            raise DivisionByZero("a divisor must not be zero")
        total = total * size if power > 0 else whole(Fraction(total) / size)
    return total


def count(form: Form) -> int:
    """The operations in a form."""
    body = form[1]
    if body[0] == "#":
        return 0
    if body[0] == "^":
        return 1 + count(body[1]) + count(body[2])
    inner = body[1] if body[0] == "+" else [(1, factor) for _, factor in body[1]]
    return len(inner) - 1 + sum(count(member) for member in inner)


def leaves(form: Form) -> list[Number]:
    """The sizes of the numbers in a form, sorted."""
    body = form[1]
    if body[0] == "#":
        return [body[1]]
    if body[0] == "^":
        return sorted(leaves(body[1]) + leaves(body[2]))
    inner = body[1] if body[0] == "+" else [(1, factor) for _, factor in body[1]]
    return sorted(leaf for member in inner for leaf in leaves(member))


def show(form: Form) -> str:
    """The form as text, in its own order."""
    sign, body = form
    if body[0] == "#":
        text = str(body[1]) if body[1].denominator == 1 else f"({body[1]})"
    elif body[0] == "+":
        text = show(body[1][0])
        for term_sign, term in body[1][1:]:
            text += f" {'-' if term_sign < 0 else '+'} {show((1, term))}"
    elif body[0] == "^":
        text = f"({show(body[1])}) ^ ({show(body[2])})"
    else:
        text = "" if body[1][-1][0] > 0 else "1"
        for power, factor in reversed(body[1]):
            inner = show((1, factor))
            inner = f"({inner})" if factor[0] == "+" else inner
            text += f" {'*' if power > 0 else '/'} {inner}" if text else inner
    return f"-{text}" if sign < 0 else text


def replaced(form: Form, part: Form, new: Form) -> Iterator[Form]:
    """Every form that comes of replacing one occurrence of `part`, an operation, by `new`.

    Last come those where a whole member comes to `part` once parts of it are worked out.

    Example:
        >>> from prmlab.arithmetic import parse
        >>> whole, part, new = (canonical(parse(t)) for t in ("2 + 3 * 4", "4 * 3", "12"))
        >>> [value(f) for f in replaced(whole, part, new)]
        [14]
    """
    found = set()
    for silent, flips in ((False, (1,)), (False, (-1,)), (True, (1, -1))):
        for changed in _replaced(form, part, new, silent, flips):
            if changed not in found:
                found.add(changed)
                yield changed


def _replaced(form: Form, part: Form, new: Form, silent: bool,
              flips: tuple[int, ...]) -> Iterator[Form]:
    """The occurrences as they stand, or with all signs turned; silent, as `replaced` says."""
    sign, body = form
    if body[0] == "#":
        return
    for flip in flips:
        old = _signed(flip, part)
        if form == old or silent and derives(form, old):
            yield _signed(flip, new)
    if body[0] == "^":
        for i in (1, 2):
            for inner in _replaced(body[i], part, new, silent, flips):
                yield sign, (*body[:i], inner, *body[i + 1:])
    elif body[0] == "+":
        yield from _in_sum(body[1], part, new, silent, flips)
    elif body[0] == "*":
        yield from _in_product(sign, body[1], part, new, silent, flips)


def _in_sum(terms: tuple, part: Form, new: Form, silent: bool,
            flips: tuple[int, ...]) -> Iterator[Form]:
    if part[1][0] == "+":
        for sign in flips:
            rest = _without(terms, _signed(sign, part)[1][1])
            if rest is not None:
                yield make_sum([*rest, _signed(sign, new)])
    for i, term in enumerate(terms):
        if i == 0 or term != terms[i - 1]:
            for inner in _replaced(term, part, new, silent, flips):
                yield make_sum([*terms[:i], inner, *terms[i + 1:]])


def _in_product(sign: int, factors: tuple, part: Form, new: Form,
                silent: bool, flips: tuple[int, ...]) -> Iterator[Form]:
    if part[1][0] == "*":
        for power in (1, -1):
            rest = _without(factors, tuple((power * p, b) for p, b in part[1][1]))
            if rest is not None:
                yield make_product(sign * part[0] * new[0], [*rest, (power, new[1])])
    for i, (power, body) in enumerate(factors):
        if i == 0 or factors[i] != factors[i - 1]:
            for inner_sign, inner in _replaced((1, body), part, new, silent, (1, -1)):
                yield make_product(sign * inner_sign,
                                   [*factors[:i], (power, inner), *factors[i + 1:]])


def _signed(sign: int, form: Form) -> Form:
    return form if sign > 0 else negated(form)


def _without(members: tuple, taken: tuple) -> list | None:
    rest = list(members)
    for member in taken:
        if member not in rest:
            return None
        rest.remove(member)
    return rest


def derives(form: Form, new: Form) -> bool:
    """Whether `new` is `form` with parts replaced by their values (none, some or all)."""
    return form == new or value(form) == value(new) and _Derivation().reaches(form, new)


class _Derivation:
    """A bounded search for the parts that were worked out."""

    def __init__(self):
        self.left = ATTEMPTS

    def reaches(self, form: Form, new: Form) -> bool:
        """Whether parts of `form` worked out give `new`; signs included."""
        self.left -= 1
        if form == new or self.left < 0:
            return form == new
        body, wanted = form[1], new[1]
        if wanted[0] == "#":
            return value(form) == value(new)
        if body[0] == "#":
            return False
        if body[0] == "^":
            return wanted[0] == "^" and all(self.reaches(body[i], wanted[i]) for i in (1, 2))
        if body[0] == "+":
            terms = wanted[1] if wanted[0] == "+" else (new,)
            return self.shared(body[1], terms, self.one_term, _total)
        factors = wanted[1] if wanted[0] == "*" else ((1, wanted),)
        return value(form) == value(new) and self.shared(body[1], factors, self.one_factor,
                                                         _size)

    def one_term(self, old: Form, new: Form) -> bool:
        return self.reaches(old, new)

    def one_factor(self, old: tuple[int, Body], new: tuple[int, Body]) -> bool:
        if old[0] != new[0]:
            return False
        return any(self.reaches((1, old[1]), _signed(sign, (1, new[1]))) for sign in (1, -1))

    def shared(self, old: tuple, new: tuple, one, combined) -> bool:
        """Whether the old members give the new; what occurs in both is left alone first."""
        return (self.group(_cancel(old, new), one, combined)
                or self.group((list(old), list(new)), one, combined))

    def group(self, both: tuple[list, list], one, combined) -> bool:
        """Whether the old members can be shared out so that each new one is one of them, worked
        out in part, or, if it is a number, several together; what adds nothing may be left."""
        old, new = both
        if not new:
            return combined(old) == combined([])
        wanted = next((n for n in new if n[1][0] != "#"), new[0])
        rest = list(new)
        rest.remove(wanted)
        for i, member in enumerate(old):
            if one(member, wanted):
                others = [*old[:i], *old[i + 1:]]
                if self.group((others, rest), one, combined):
                    return True
        if wanted[1][0] != "#":
            return False
        return self.share(old, wanted, rest, one, combined)

    def share(self, old: list, wanted: tuple, rest: list, one, combined) -> bool:
        """The same, for a number that several members make together."""
        aim = combined([wanted])
        for mask in range(1, 1 << min(len(old), 10)):
            if mask & (mask - 1):
                self.left -= 1
                if self.left < 0:
                    return False
                taken = [m for i, m in enumerate(old) if mask >> i & 1]
                if combined(taken) == aim:
                    others = [m for i, m in enumerate(old) if not mask >> i & 1]
                    if self.group((others, list(rest)), one, combined):
                        return True
        return False


def _cancel(old: tuple, new: tuple) -> tuple[list, list]:
    left, wanted = list(old), []
    for member in new:
        if member in left:
            left.remove(member)
        else:
            wanted.append(member)
    return left, wanted


def _total(terms: list[Form]) -> Number:
    return sum(value(term) for term in terms)


def _size(factors: list[tuple[int, Body]]) -> Number:
    return abs(value(make_product(1, list(factors)))) if factors else 1
