"""Where a request's SQL ends and an INSERT's data begins: they come in one stream; and what a query's SQL asks for."""

import re
from dataclasses import dataclass
from typing import NamedTuple

# One token: a comment, a quoted text, a word, or any other character.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|[A-Za-z_]\w*|\s+|.""",
    re.DOTALL | re.ASCII,
)
_AFTER_FORMAT = re.compile(r"[ \t\f]*;?[ \t\f]*\r?\n?")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*'?(\d+)'?\s*,?", re.ASCII)
_LAST_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^'\"`]*)?;?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data follows its SQL: the SQL before FORMAT or VALUES, the format, and where the data begins.

    ``settings`` is the end of the SQL from SETTINGS on, empty without any.
    """

    sql: str
    format: str
    offset: int  # in bytes
    settings: str = ""

    @property
    def statement(self) -> str:
        """The whole of its SQL, as the engine parses it."""
        return f"{self.sql} FORMAT {self.format}"

    def from_file(self, name: str) -> str:
        """The statement that takes the data from a file, of which ``name`` is the literal."""
        into = self.sql.removesuffix(self.settings)
        return f"{into} FROM INFILE {name} {self.settings} FORMAT {self.format}"


def insert_of(head: bytes, is_all: bool) -> Insert | None:
    """The INSERT that a request begins with, if its data follows; None if it does not, or more must be read to know.

    ``head`` are the request's first bytes, ``is_all`` whether there are no more.
    """
    start = _data_start(head.decode("latin-1"))  # a character a byte
    if start is None or (start.data >= len(head) and not is_all):
        return None
    sql, settings = (head[at : start.end].decode(errors="replace") for at in (0, start.settings))
    return Insert(sql, start.format, start.data, settings)


class _Start(NamedTuple):
    """Where the settings begin, or the SQL ends without any; where it ends; the format; where the data begins."""

    settings: int
    end: int
    format: str
    data: int


def _data_start(text: str) -> _Start | None:
    depth, format_at, words, before, settings = 0, None, 0, "", None
    for token in _TOKEN.finditer(text):
        word = token[0].upper()
        if word[0].isspace() or word.startswith(("--", "/*")):
            continue
        if format_at is not None:
            data = _after_format(text, token.end())
            return _Start(format_at if settings is None else settings, format_at, token[0], data)
        words += 1
        depth += (word == "(") - (word == ")")
        if (words == 1) is not (word == "INSERT") or (depth == 0 and word in ("SELECT", "WITH", "FROM")):
            return None
        if depth == 0 and word == "VALUES":
            end = token.start()
            return _Start(end if settings is None else settings, end, "Values", token.end())
        if depth == 0 and word == "SETTINGS" and settings is None and before not in ("INTO", "TABLE", "."):
            settings = token.start()
        format_at = token.start() if depth == 0 and word == "FORMAT" else None
        before = word
    return None


def _after_format(text: str, at: int) -> int:
    gap = _AFTER_FORMAT.match(text, at)
    return gap.end() if gap else at


def named_format(text: str) -> str | None:
    """The format that a statement other than an INSERT asks for at its end."""
    found = _LAST_FORMAT.search(text)
    return found[1] if found else None


def own_settings(text: str) -> dict[str, str]:
    """The numbers that a query's own SETTINGS clause asks for, by name; none that a query inside it asks for.

    What stands behind one that is no number is left out: no such setting is a reader's to change.
    """
    at, found = _settings_start(text), dict[str, str]()
    while at is not None and (pair := _PAIR.match(text, at)):
        found[pair[1]], at = pair[2], pair.end()
    return found


def _settings_start(text: str) -> int | None:
    """Behind the last SETTINGS that is in no parentheses, as the one of a UNION's last SELECT holds for all of it."""
    depth, found = 0, None
    for token in _TOKEN.finditer(text):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0 and token[0].upper() == "SETTINGS":
            found = token.end()
    return found
