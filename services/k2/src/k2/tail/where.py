"""Which records are meant, by an expression over their decoded values: ``price > 100 and side == 'BUY'``. Pure."""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from k2_shared.core.errors import ConfigError

Condition = Callable[[Any], bool]
_HELP = (
    "it is comparisons (== != < <= > >= in) of a field with a number or a text in quotes, joined by and, or, not: "
    "price > 100 and side == 'BUY'"
)
_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda part, whole: part in whole,
}
_MISSING = object()


def condition(expression: str) -> Condition:
    """Compile an expression; a field that a value does not have matches nothing.

    Raises:
        ConfigError: it is no such expression; says what one looks like.
    """
    try:
        return _compile(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, _NotAllowed, ValueError):
        raise ConfigError(f"--where {expression!r} is not a condition: {_HELP}") from None


def check_fields(expression: str, known: Collection[str]) -> None:
    """Return if every field that a condition names is one of those that a value has.

    Raises:
        ConfigError: one is none: nothing would ever match it.
    """
    named = [node.id for node in ast.walk(ast.parse(expression.strip(), mode="eval")) if isinstance(node, ast.Name)]
    for name in named:
        if name not in known:
            near = "".join(f"{each} may be meant: " for each in get_close_matches(name, known, 1))
            raise ConfigError(f"--where: no value has a field {name!r}: {near}there are {', '.join(known)}")


class _NotAllowed(Exception):
    """A part of the language that conditions do not have."""


def _compile(node: ast.expr) -> Condition:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            parts = [_compile(each) for each in values]
            return lambda value: all(part(value) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=values):
            parts = [_compile(each) for each in values]
            return lambda value: any(part(value) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            denied = _compile(operand)
            return lambda value: not denied(value)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            return _comparison(_operand(left), _COMPARED[type(op)], _operand(right))
    raise _NotAllowed


def _comparison(
    left: Callable[[Any], Any], compare: Callable[[Any, Any], bool], right: Callable[[Any], Any]
) -> Condition:
    def matches(value: Any) -> bool:
        first, second = left(value), right(value)
        if first is _MISSING or second is _MISSING:
            return False
        try:
            return compare(*_alike(first, second))
        except TypeError:
            return False

    return matches


def _operand(node: ast.expr) -> Callable[[Any], Any]:
    """A constant, or a field: ``price``, or ``vendor_data.ord_type`` inside of another."""
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None as constant):
            return lambda _value: constant
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return lambda _value: -number
        case ast.Name(id=name):
            return lambda value: _field(value, name)
        case ast.Attribute(value=inner, attr=name):
            outer = _operand(inner)
            return lambda value: _field(outer(value), name)
    raise _NotAllowed


def _field(value: Any, name: str) -> Any:
    return value.get(name, _MISSING) if isinstance(value, dict) else _MISSING


def _alike(first: Any, second: Any) -> tuple[Any, Any]:
    """Both as numbers where one is a number and the other can be: a trade's decimals are text."""
    if any(isinstance(each, int | float) and not isinstance(each, bool) for each in (first, second)):
        try:
            return Decimal(str(first)), Decimal(str(second))
        except InvalidOperation:
            return first, second
    return first, second
