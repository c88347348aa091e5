"""How long a command was silent, and after which of its lines. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

GOAL_S = 10.0


@dataclass(frozen=True)
class TimedLine:
    """A line that a command printed, and when, in seconds since it was started."""

    at_s: float
    text: str


@dataclass(frozen=True)
class Silence:
    """A time without a line, in seconds, and the line before it."""

    seconds: float
    after: str


@dataclass(frozen=True)
class FirstRun:
    """A command from its start to its end; ``seconds`` is how long it took."""

    lines: Sequence[TimedLine]
    seconds: float
    exit_code: int

    @property
    def silences(self) -> list[Silence]:
        """Every time without a line, the longest first; the first begins with the command, the last ends with it."""
        begins = [TimedLine(0.0, "(the start)"), *self.lines]
        ends = [*(line.at_s for line in self.lines), self.seconds]
        found = [Silence(end - line.at_s, line.text) for line, end in zip(begins, ends, strict=True)]
        return sorted(found, key=lambda silence: -silence.seconds)

    @property
    def is_good(self) -> bool:
        """Whether it ended well and was never silent for longer than the goal."""
        return self.exit_code == 0 and self.silences[0].seconds <= GOAL_S

    def numbers(self) -> dict[str, object]:
        """What was measured, beside the goal."""
        longest = self.silences[0]
        return {
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "first_line_s": round(self.lines[0].at_s if self.lines else self.seconds, 1),
            "longest_silence_s": round(longest.seconds, 1),
            "after": longest.after,
            "goal_s": GOAL_S,
            "good": self.is_good,
        }
