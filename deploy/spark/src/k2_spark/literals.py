"""Values as Spark's SQL spells them; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def literal(value: Any) -> str:
    """A truth value, a time (UTC), a map of texts; anything else as text."""
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
        case Mapping():
            return f"map({', '.join(f'{literal(name)}, {literal(str(each))}' for name, each in value.items())})"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
