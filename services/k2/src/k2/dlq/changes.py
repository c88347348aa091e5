"""Whether anything is known to have changed since a letter was refused. Pure."""

from importlib.metadata import version

from k2.dlq.letter import Letter

MAY_PASS = frozenset({"timestamp_in_future", "unknown_schema", "unreadable_schema"})
"""Reasons that time, or the schema registry, mends by itself; no other does."""


def own_version() -> str:
    """The version of this command, as a stage says it of itself when it refuses."""
    return version("k2-shared")


def nothing_changed(letter: Letter, sent: Letter) -> bool:
    """Whether a letter goes as it was refused, by the version that is installed here, for a reason that stays.

    What can be known here ends there: a stage may run as another version, or with other settings, than this command.
    """
    is_same = (sent.topic, sent.key, sent.value, sent.headers, sent.timestamp) == (
        letter.topic,
        letter.key,
        letter.value,
        letter.headers,
        letter.timestamp,
    )
    return is_same and letter.said.get("version") == own_version() and letter.reason not in MAY_PASS
