"""When a service's work is due, as a setting."""

from typing import Annotated

from croniter import croniter
from pydantic import AfterValidator


def _five_fields(line: str) -> str:
    if len(line.split()) != 5 or not croniter.is_valid(line):
        raise ValueError("it is no line of a crontab, as '5 * * * *'")
    return line


Schedule = Annotated[str, AfterValidator(_five_fields)]
"""A line of a crontab: minute, hour, day, month, weekday; in UTC."""
