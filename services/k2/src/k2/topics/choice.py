"""Which topics a command is about, by what a person types."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from k2_shared.core.errors import ConfigError


def choose(given: str, topics: Iterable[str], prefix: str = "") -> Sequence[str]:
    """The topics that a name, a part of a name or a pattern means.

    A name is taken with or without the run's prefix and what stands before its last dots (``gold``); a part of a name
    must be in one alone; a pattern (``*silver*``) may mean several.

    Raises:
        ConfigError: none or too many are meant by it; says which there are.
    """
    there = sorted(topics)
    exact = [name for name in there if name in (prefix + given, given)]
    if exact := exact or [name for name in there if name.endswith(f".{given}")]:
        return exact[:1]
    if any(sign in given for sign in "*?["):
        found = [name for name in there if fnmatchcase(name, prefix + given) or fnmatchcase(name, given)]
        enough = bool(found)
    else:
        found = [name for name in there if given in name]
        enough = len(found) == 1
    if not enough:
        means = f"means several: {', '.join(found)}" if found else f"means none of: {', '.join(there) or 'nothing'}"
        raise ConfigError(f"topic {given!r} {means}; give a name, a part that only one has, or a pattern: '*silver*'")
    return found
