"""Run the service: ``python -m feed_kraken``; what only asks for help has it without all that works."""

from typing import NoReturn

from feed_kraken.settings import SERVICE, KrakenSettings
from k2_shared.core.program import answer


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, KrakenSettings)
    from feed_kraken.main import main as work

    work()


if __name__ == "__main__":
    main()
