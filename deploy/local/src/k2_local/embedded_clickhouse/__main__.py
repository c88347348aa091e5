"""Run the embedded server: ``python -m k2_local.embedded_clickhouse --path DIR --port PORT``."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from pydantic import Field, SecretStr

from k2_local.embedded_clickhouse.accounts import Account
from k2_local.embedded_clickhouse.connection import Engine
from k2_local.embedded_clickhouse.limits import Limits
from k2_local.embedded_clickhouse.server import Server
from k2_shared.core.errors import ConfigError, K2Error
from k2_shared.core.logs import configure_logs, logger
from k2_shared.core.settings import Settings
from k2_support.ports import HOST


class Accounts(Settings):
    """The users; passwords come by the environment, which other users of the machine do not see."""

    clickhouse_user: str = Field("k2", description="who may do everything")
    clickhouse_password: SecretStr
    clickhouse_reader_user: str = Field("reader", description="who may only read")
    clickhouse_reader_password: SecretStr

    def accounts(self) -> tuple[Account, ...]:
        """Both of them."""
        return (
            Account(self.clickhouse_user, self.clickhouse_password.get_secret_value(), readonly=False),
            Account(self.clickhouse_reader_user, self.clickhouse_reader_password.get_secret_value(), readonly=True),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the exit code tells what was wrong."""
    asked = _parser().parse_args(arguments)
    configure_logs("clickhouse", "INFO")
    try:
        limits = Limits.of(asked.limit)
        accounts = Accounts.load().accounts()
        engine = Engine.open(asked.path.absolute(), limits, asked.database)
        try:
            asyncio.run(_serve(Server(engine, accounts, limits), asked.port, limits))
        finally:
            engine.close()
    except K2Error as error:
        print(f"clickhouse: {error}", file=sys.stderr)  # noqa: T201  # for whoever started it
        sys.exit(error.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("k2_local.embedded_clickhouse", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="folder of the data; made if there is none")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 for any, which is logged")
    parser.add_argument("--database", default="k2", help="made if there is none; the one that clients start in")
    parser.add_argument("--limit", action="append", default=[], help="NAME=VALUE, one of k2_local's Limits; repeatable")
    return parser


async def _serve(server: Server, port: int, limits: Limits) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        server.app(),
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        shutdown_timeout=limits.stopping_s,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"cannot listen on {HOST}:{port} ({error.strerror}): give another --port") from None
        logger().info("clickhouse_listens", port=runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
