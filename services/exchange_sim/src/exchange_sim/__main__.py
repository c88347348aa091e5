"""``python -m exchange_sim``; what only asks for help has it without all that plays."""

import sys

from exchange_sim.settings import SERVICE, from_command_line
from k2_shared.core.exits import told_in_one_line
from k2_shared.core.program import ASKS


def main() -> None:
    """The console script."""
    if not ASKS.isdisjoint(sys.argv):
        with told_in_one_line(SERVICE):
            from_command_line(sys.argv[1:])
    from exchange_sim.main import main as work

    work()


if __name__ == "__main__":
    main()
