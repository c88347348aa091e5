"""Run the service: ``python -m iceberg_sink``; what only asks for help has it without all that works."""

from typing import NoReturn

from iceberg_sink.settings import SERVICE, SinkSettings
from k2_shared.core.program import answer


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, SinkSettings)
    from iceberg_sink.main import main as work

    work()


if __name__ == "__main__":
    main()
