"""Run the service: ``python -m warm_sink``; what only asks for help has it without all that works."""

from typing import NoReturn

from k2_shared.core.program import answer
from warm_sink.settings import SERVICE, WarmSinkSettings


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, WarmSinkSettings)
    from warm_sink.main import main as work

    work()


if __name__ == "__main__":
    main()
