"""Run the service: ``python -m maintenance``; what only asks for help has it without all that works."""

from typing import NoReturn

from k2_shared.core.program import answer
from maintenance.settings import SERVICE, MaintainerSettings


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, MaintainerSettings)
    from maintenance.main import main as work

    work()


if __name__ == "__main__":
    main()
