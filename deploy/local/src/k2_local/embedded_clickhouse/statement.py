"""Where a request's SQL ends and an INSERT's data begins: they come in one stream."""

import re
from dataclasses import dataclass

# One token: a comment, a quoted text, a word, or any other character.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|[A-Za-z_]\w*|\s+|.""",
    re.DOTALL | re.ASCII,
)
_AFTER_FORMAT = re.compile(r"[ \t\f]*;?[ \t\f]*\r?\n?")
_LAST_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^'\"`]*)?;?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data follows its SQL: the SQL before FORMAT or VALUES, the format, and where the data begins."""

    sql: str
    format: str
    offset: int  # in bytes

    @property
    def statement(self) -> str:
        """The whole of its SQL, as the engine parses it."""
        return f"{self.sql} FORMAT {self.format}"


def insert_of(head: bytes, is_all: bool) -> Insert | None:
    """The INSERT that a request begins with, if its data follows; None if it does not, or more must be read to know.

    ``head`` are the request's first bytes, ``is_all`` whether there are no more.
    """
    start = _data_start(head.decode("latin-1"))  # a character a byte
    if start is None or (start[2] >= len(head) and not is_all):
        return None
    end, name, offset = start
    return Insert(head[:end].decode(errors="replace"), name, offset)


def _data_start(text: str) -> tuple[int, str, int] | None:
    """Where the SQL ends, the format, and where the data begins."""
    depth, format_at, words = 0, None, 0
    for token in _TOKEN.finditer(text):
        word = token[0].upper()
        if word[0].isspace() or word.startswith(("--", "/*")):
            continue
        if format_at is not None:
            return format_at, token[0], _after_format(text, token.end())
        words += 1
        depth += (word == "(") - (word == ")")
        if (words == 1) is not (word == "INSERT") or (depth == 0 and word in ("SELECT", "WITH", "FROM")):
            return None
        if depth == 0 and word == "VALUES":
            return token.start(), "Values", token.end()
        format_at = token.start() if depth == 0 and word == "FORMAT" else None
    return None


def _after_format(text: str, at: int) -> int:
    gap = _AFTER_FORMAT.match(text, at)
    return gap.end() if gap else at


def named_format(text: str) -> str | None:
    """The format that a statement other than an INSERT asks for at its end."""
    found = _LAST_FORMAT.search(text)
    return found[1] if found else None
