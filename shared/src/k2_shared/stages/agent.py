"""The shell of every agent: a Faust app with its worker, pages and shutdown."""

import asyncio
import errno
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import faust
from aiokafka.errors import KafkaConnectionError
from faust.types.auth import CredentialsT
from faust.web import View
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from k2_shared.core.errors import ConfigError, K2Error, Unavailable
from k2_shared.core.exits import told_in_one_line
from k2_shared.core.gc_tuning import tune_gc
from k2_shared.core.logs import configure_logs, logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.misspellings import misspellings
from k2_shared.core.program import answer
from k2_shared.core.settings import AgentSettings, KafkaSettings
from k2_shared.kafka import codecs
from k2_shared.kafka.admission import refusal
from k2_shared.kafka.broker_watch import BrokerWatch
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import unreachable

STARTED = "agent_started"
STOPPED = "agent_stopped"
FAILED = "agent_failed"
MISSPELT = "variable_misspelt"

SettingsT = TypeVar("SettingsT", bound=AgentSettings)


@dataclass
class Health:
    """An agent's answers to its pages: ``not_ready`` names what its service still misses, ``resume`` ends its halt.

    ``outside`` names what is missing beside the service itself, whatever that one knows of it.
    """

    not_ready: Callable[[], Sequence[str]] = field(default=lambda: ["starting"])
    outside: Callable[[], Sequence[str]] = field(default=list)
    resume: Callable[[], bool] = field(default=lambda: False)
    stopping: bool = False

    def missing(self) -> list[str]:
        """The reasons why the agent is not ready, for ``/readyz``; empty when it is."""
        return ["stopping"] if self.stopping else [*self.outside(), *self.not_ready()]


@dataclass(frozen=True)
class Shell:
    """The Faust app, metrics, health and watched topics that a service's ``compose`` builds its parts with."""

    app: faust.App
    metrics: Metrics
    health: Health
    topics: TopicWatch


def run(service: str, settings_type: type[SettingsT], compose: Callable[[SettingsT, Shell], Service]) -> NoReturn:
    """Run a service until it is told to stop; the console script of every service.

    ``compose`` is the service's composition root: it returns the one Faust service that does the work.
    Exits 0 after SIGTERM or SIGINT, with a K2Error's code after one, and 1 after any other failure.
    """
    answer(service, settings_type)
    with told_in_one_line(service):
        settings = settings_type.load()
        codecs.check()
        sys.exit(_work(service, settings, compose))


def _work(service: str, settings: SettingsT, compose: Callable[[SettingsT, Shell], Service]) -> int:
    """Work until stopped; returns the exit code of an orderly end."""
    configure_logs(service, settings.log_level)
    for each in misspellings():
        logger().warning(MISSPELT, variable=each.given, meant=each.meant, reason=str(each))
    with tempfile.TemporaryDirectory(prefix=f"k2-{service}-") as folder:
        shell = _shell(service, settings, Path(folder))
        watch = BrokerWatch(settings, shell.topics)
        shell.health.outside = watch.not_ready
        shell.metrics.broker_up.set_function(lambda: not watch.is_lost)
        work = compose(settings, shell)
        tune_gc()
        shell.app.service(watch)
        shell.app.service(work)
        worker = _Worker(shell, settings.shutdown_grace_s)
        failure = _explained(_failure(worker), settings)
    logger().info(FAILED if failure else STOPPED, reason=repr(failure) if failure else None)
    if isinstance(failure, K2Error):
        raise failure from None
    return 1 if failure else 0


def _failure(worker: faust.Worker) -> BaseException | None:
    """Run the worker to its end; returns what ended it, or None after an orderly stop."""
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.__context__ if end.code else None
    return None


def _explained(failure: BaseException | None, settings: AgentSettings) -> BaseException | None:
    """Name the setting behind the failures of Faust's own broker client and web server."""
    match failure:
        case KafkaConnectionError():
            return asyncio.run(refusal(settings)) or unreachable(settings, failure)
        case OSError(errno=errno.EADDRINUSE):
            return ConfigError(f"WEB_PORT={settings.web_port} is taken by another process: choose a free port")
        case _:
            return failure


def _shell(service: str, settings: AgentSettings, folder: Path) -> Shell:
    metrics = Metrics(service, version("k2-shared"))
    app = faust.App(
        f"{settings.k2_prefix}k2-{service}",
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        autodiscover=False,
        datadir=folder,
        topic_disable_leader=True,
        web_bind=settings.web_host,
        web_port=settings.web_port,
    )
    app.producer_only = True
    shell = Shell(app, metrics, Health(), TopicWatch(metrics.unread_partitions))
    metrics.ready.set_function(lambda: not shell.health.missing())
    _add_pages(shell)
    return shell


def _credentials(settings: KafkaSettings) -> CredentialsT | None:
    if settings.kafka_security_protocol == "PLAINTEXT":
        return None
    if settings.kafka_security_protocol == "SSL":
        return faust.SSLCredentials(settings.ssl_context)
    secret = settings.kafka_sasl_password
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=secret.get_secret_value() if secret else None,
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=settings.ssl_context,
    )


def _add_pages(shell: Shell) -> None:
    async def healthz(web: Any, request: Any) -> Any:
        return web.json({"alive": True})

    async def readyz(web: Any, request: Any) -> Any:
        missing = shell.health.missing()
        return web.json({"ready": not missing, "missing": missing}, status=503 if missing else 200)

    async def metrics(web: Any, request: Any) -> Any:
        return web.bytes(generate_latest(shell.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    class Resume(View):  # type: ignore[misc]
        """POST: go on after a halt."""

        async def post(self, request: Any) -> Any:
            return self.json({"resumed": shell.health.resume()})

    shell.app.page("/resume")(Resume)
    for path, view in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        shell.app.page(path)(view)


class _Worker(faust.Worker):  # type: ignore[misc]
    """Faust's worker, without its spinner, with ours of health and a bounded shutdown."""

    def __init__(self, shell: Shell, grace_s: float) -> None:
        super().__init__(shell.app, quiet=True, override_logging=False, loglevel="WARNING")
        self.spinner = None
        self._health = shell.health
        self._grace_s = grace_s

    async def on_first_start(self) -> None:
        await super().on_first_start()
        logger().info(STARTED, web=str(self.app.conf.web_port))

    async def _stop_on_signal(self, signal: Any) -> None:
        """Stop in order; a shutdown that is cut is a failure, though the services below swallow the cut."""
        self._health.stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s) as limit:
                await super()._stop_on_signal(signal)
        if limit.expired():
            self.crash_reason = Unavailable(f"the shutdown took longer than SHUTDOWN_GRACE_S={self._grace_s:g}")
