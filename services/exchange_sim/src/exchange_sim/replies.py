"""What a venue's side of a conversation answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """A text to send, and the symbols (canonical) whose trades begin or end with it."""

    text: str
    joins: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    snapshot: bool = False
