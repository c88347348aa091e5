"""Places where a test ends or stops a process, switched on by the environment of that process alone."""

import os
import signal
from enum import StrEnum

from k2_shared.core.logs import logger

FAILPOINT = "failpoint"


class Failpoint(StrEnum):
    """A moment of a transaction, or of a recovery, at which a test lets the process die."""

    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    DURING_CHECKPOINT = "during_checkpoint"
    DURING_RECOVERY = "during_recovery"


_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
PATTERN = rf"^(({'|'.join(Failpoint)})(:({'|'.join(_SIGNALS)})(:[1-9][0-9]{{0,5}})?)?)?$"


class Failpoints:
    """Sends this process a signal at the N-th passing of one place: ``NAME[:ACTION[:N]]``, or nothing at all."""

    def __init__(self, given: str = "") -> None:
        name, action, passing = [*given.split(":"), "", ""][:3]
        self._place = Failpoint(name) if name else None
        self._signal = _SIGNALS[action or "kill"]
        self._left = int(passing or 1)

    def reach(self, place: Failpoint) -> None:
        """Called where the process passes a failpoint; sends the signal if it is the chosen passing."""
        if place is not self._place:
            return
        self._left -= 1
        if self._left == 0:
            logger().warning(FAILPOINT, failpoint=place.value, signal=self._signal.name)
            os.kill(os.getpid(), self._signal)
