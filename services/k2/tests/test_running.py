"""How a command's work is run: what it prints, and how it fails."""

import pytest
from aiokafka.errors import KafkaConnectionError

from k2.running import run
from k2_shared.core.errors import Unavailable
from k2_shared.core.logs import logger


def test_no_log_line_of_a_client_stands_in_what_a_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Which is data for whoever reads it; what the work gives is given back."""

    async def work() -> int:
        logger().warning("client_abandoned", client="AIOKafkaConsumer")
        return 7

    assert run(work()) == 7
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), TimeoutError("away")])
def test_a_broker_that_fails_is_unavailable(error: Exception) -> None:
    """With what it said."""

    async def work() -> None:
        raise error

    with pytest.raises(Unavailable, match=r"the broker failed: .*away"):
        run(work())
