"""What the headers of a dead letter say."""

from k2_shared.core.origin import Headers

PREFIX = "k2-dlq-"


def said(headers: Headers) -> dict[str, str]:
    """What a letter's headers say, by their names without the prefix; of one that comes twice the last is its own."""
    found = ((name, value) for name, value in headers if name.startswith(PREFIX))
    return {name.removeprefix(PREFIX): text(value) for name, value in found}


def text(value: bytes | None) -> str:
    """A header's value as text, whatever bytes it is of."""
    return (value or b"").decode("utf-8", "backslashreplace")


def number(value: str | None, digits: int) -> int | None:
    """The number that a header says, of so many digits at most; None where it says none."""
    given = value or ""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= digits else None
