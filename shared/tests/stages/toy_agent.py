"""An agent for the tests of the shell: it does what TOY says once it has started."""

from typing import Literal

from mode import Service
from pydantic import SecretStr

from k2_shared.core.errors import Halt
from k2_shared.core.settings import AgentSettings
from k2_shared.stages.agent import Shell, run


class ToySettings(AgentSettings):
    """What the toy can be told."""

    toy: Literal["work", "halt", "bug", "bad_start", "never_ready", "hang"] = "work"
    toy_password: SecretStr = SecretStr("the toy's own")


class Toy(Service):  # type: ignore[misc]
    """Counts one record and then does as it was told."""

    def __init__(self, settings: ToySettings, shell: Shell) -> None:
        super().__init__()
        self._does = settings.toy
        self._shell = shell

    async def on_start(self) -> None:
        if self._does == "bad_start":
            raise Halt("the toy may not start")
        self._shell.metrics.received.labels("toy").inc()
        if self._does != "never_ready":
            self._shell.health.not_ready = list

    async def on_started(self) -> None:
        self.add_future(self._work())

    async def _work(self) -> None:
        if self._does == "halt":
            raise Halt("the toy halts")
        if self._does == "bug":
            raise ZeroDivisionError("the toy's bug")

    async def on_stop(self) -> None:
        if self._does == "hang":
            await self.loop.create_future()


if __name__ == "__main__":
    run("toy", ToySettings, Toy)
