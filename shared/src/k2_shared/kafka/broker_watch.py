"""A watch over the broker and an agent's topics, on a connection of its own beside the agent's clients."""

import asyncio
from contextlib import AsyncExitStack

from aiokafka.admin import AIOKafkaAdminClient
from mode import Service

from k2_shared.core.failures import RETRYABLE
from k2_shared.core.logs import logger
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.identities import describe
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import administration

LOST = "broker_lost"
BACK = "broker_back"
EVERY_S = 2.0
ANSWER_S = 3.0  # asked twice, over the old connection and a new one: within EVERY_S and twice this a loss is known


class BrokerWatch(Service):  # type: ignore[misc]
    """Asks on a connection of its own, every EVERY_S; says once that no broker answers, and once that one does.

    What it asks for are the topics, of which the answer is judged.
    """

    def __init__(self, settings: KafkaSettings, topics: TopicWatch) -> None:
        super().__init__()
        self._topics = topics
        self._settings = settings.model_copy(update={"kafka_request_timeout_ms": int(ANSWER_S * 1_000)})
        self._connection = AsyncExitStack()
        self._admin: AIOKafkaAdminClient = None
        self.is_lost = False

    def not_ready(self) -> list[str]:
        """Why the agent is not ready, for ``/readyz``: no broker answers, or topics are not whole."""
        if self.is_lost:
            return [f"kafka: no broker answers at {self._settings.kafka_bootstrap_servers}"]
        return self._topics.not_ready()

    async def on_started(self) -> None:
        self.add_future(self._watch())

    async def on_stop(self) -> None:
        await self._connection.aclose()

    async def _watch(self) -> None:
        while not self.should_stop:
            failure = await self._failure()
            if bool(failure) != self.is_lost:
                self.is_lost = bool(failure)
                say = logger().error if failure else logger().info
                say(LOST if failure else BACK, brokers=self._settings.kafka_bootstrap_servers, error=failure)
            await self.sleep(EVERY_S)

    async def _failure(self) -> str:
        """Why no broker answers; empty where one does. A connection that fails is replaced once before it counts."""
        failure = await self._asked() if self._admin else "not asked yet"
        return failure and await self._asked()

    async def _asked(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._admin is None:
                    self._admin = await self._connection.enter_async_context(administration(self._settings))
                found = await describe(self._admin, self._topics.topics)
        except RETRYABLE as error:
            self._admin = None
            await self._connection.aclose()
            return repr(error)
        self._topics.judge(found.topics)
        return ""
