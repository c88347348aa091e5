"""Numbers as venues write them, read exactly; Python's Decimal alone takes more than any venue sends."""

import re
from decimal import Decimal

_MOST_CHARACTERS = 64
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", re.ASCII)


def of_text(text: str) -> Decimal:
    """The number of a text: digits, at most one dot, maybe a sign and an exponent; that it is negative is allowed here.

    Raises:
        ValueError: it is no such text.
    """
    if text.isascii() and text.replace(".", "", 1).isdecimal() and len(text) <= _MOST_CHARACTERS:
        return Decimal(text)  # as nearly all are
    if len(text) <= _MOST_CHARACTERS and _NUMBER.fullmatch(text):
        return Decimal(text)
    raise ValueError(f"{text[:_MOST_CHARACTERS]!r} is no number: that is digits, at most one dot, maybe an exponent")


def of_json(number: object) -> Decimal:
    """The number of a JSON value that was decoded with ``float_hook=Decimal``; a text is none.

    Raises:
        ValueError: it is no number.
    """
    if type(number) is Decimal:
        return number
    if type(number) is int:
        return Decimal(number)
    raise ValueError(f"{str(number)[:_MOST_CHARACTERS]!r} is no number, but {type(number).__name__}")
