"""Run the service: ``python -m silver``; what only asks for help has it without all that works."""

from typing import NoReturn

from k2_shared.core.program import answer
from silver.settings import SERVICE, SilverSettings


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, SilverSettings)
    from silver.main import main as work

    work()


if __name__ == "__main__":
    main()
