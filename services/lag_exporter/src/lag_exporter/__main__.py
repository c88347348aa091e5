"""Run the service: ``python -m lag_exporter``; what only asks for help has it without all that works."""

from typing import NoReturn

from k2_shared.core.program import answer
from lag_exporter.settings import SERVICE, LagSettings


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, LagSettings)
    from lag_exporter.main import main as work

    work()


if __name__ == "__main__":
    main()
