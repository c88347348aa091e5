"""Run the service: ``python -m gold``; what only asks for help has it without all that works."""

from typing import NoReturn

from gold.settings import SERVICE, GoldSettings
from k2_shared.core.program import answer


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, GoldSettings)
    from gold.main import main as work

    work()


if __name__ == "__main__":
    main()
