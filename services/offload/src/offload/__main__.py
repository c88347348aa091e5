"""Run the service: ``python -m offload``; what only asks for help has it without all that works."""

from typing import NoReturn

from k2_shared.core.program import answer
from offload.settings import SERVICE, OffloadSettings


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, OffloadSettings)
    from offload.main import main as work

    work()


if __name__ == "__main__":
    main()
