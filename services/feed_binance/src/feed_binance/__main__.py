"""Run the service: ``python -m feed_binance``; what only asks for help has it without all that works."""

from typing import NoReturn

from feed_binance.settings import SERVICE, BinanceSettings
from k2_shared.core.program import answer


def main() -> NoReturn:
    """The console script."""
    answer(SERVICE, BinanceSettings)
    from feed_binance.main import main as work

    work()


if __name__ == "__main__":
    main()
