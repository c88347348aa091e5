"""What is retried and what is fatal."""

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError

from k2_shared.core.errors import ConfigError, Halt, InvalidRecord, Unavailable
from k2_shared.core.failures import RETRYABLE


@pytest.mark.parametrize(
    "error", [KafkaError(), KafkaConnectionError(), Unavailable(), ConnectionResetError(), TimeoutError(), OSError()]
)
def test_what_a_peer_or_the_way_to_it_did_is_retried(error: Exception) -> None:
    """It may be otherwise the next time."""
    assert isinstance(error, RETRYABLE)


@pytest.mark.parametrize("error", [Halt(), ConfigError(), InvalidRecord("r", "d"), ZeroDivisionError(), SystemExit()])
def test_what_would_be_the_same_the_next_time_is_fatal(error: BaseException) -> None:
    """A person or a mended program is needed."""
    assert not isinstance(error, RETRYABLE)
