"""The reader's settings, as a server has them by ``deploy/clickhouse/users.xml``.

The engine has no profiles here: what a reader may change is judged before its connection becomes read-only.
"""

from collections.abc import Mapping

from k2_local.embedded_clickhouse.errors import Code, QueryError
from k2_shared.warm.reader import CHANGEABLE, GRANTED


def settings(asked: Mapping[str, str], clause: Mapping[str, str], ceilings: Mapping[str, float]) -> dict[str, float]:
    """What a reader has, or asked for where it may, and of none more than the server grants anyone.

    ``clause`` is what its SQL asks for in words: the engine then finds nothing changed there, which it would refuse.

    Raises:
        QueryError: it asked for more or less than a reader may have.
    """
    chosen = {name: _allowed(name, text) for name, text in {**asked, **clause}.items() if name in CHANGEABLE}
    for name in clause.keys() & chosen.keys() & ceilings.keys():
        if chosen[name] > ceilings[name]:
            raise _outside(name, f"at most {ceilings[name]:g} here")
    return {name: min(value, ceilings.get(name, value)) for name, value in {**GRANTED, **chosen}.items()}


def _allowed(name: str, text: str) -> int:
    allowed = CHANGEABLE[name]
    if not text.isdecimal():
        raise QueryError.of(Code.BAD_ARGUMENTS, f"the setting {name}={text!r} is no number")
    if not allowed.least <= int(text) <= allowed.most:
        raise _outside(name, f"between {allowed.least} and {allowed.most}")
    return int(text)


def _outside(name: str, allowed: str) -> QueryError:
    return QueryError.of(Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {name} should be {allowed}")
