"""The warm tier's server as a part of the stack."""

import clickhouse_connect
import psutil
import pytest
import requests
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_support.ports import HOST


def _client(stack: Stack, user: str) -> Client:
    env = stack.env()
    login = {"username": env[f"{user}_USER"], "password": env[f"{user}_PASSWORD"]}
    return clickhouse_connect.get_client(
        host=HOST, port=int(env["CLICKHOUSE_URL"].rpartition(":")[2]), database=env["CLICKHOUSE_DATABASE"], **login
    )


def test_both_users_of_the_environment_are_let_in(stack: Stack) -> None:
    """The owner writes, the reader reads the same table and may not write."""
    owner, reader = _client(stack, "CLICKHOUSE"), _client(stack, "CLICKHOUSE_READER")
    owner.command("CREATE OR REPLACE TABLE let_in (a Int64) ENGINE=MergeTree ORDER BY a")
    owner.insert("let_in", [[1], [2]])
    assert reader.query("SELECT sum(a) FROM let_in").first_row == (3,)
    with pytest.raises(DatabaseError, match="READONLY"):
        reader.command("INSERT INTO let_in VALUES (3)")


def test_another_password_opens_nothing(stack: Stack) -> None:
    """A stranger is refused with 403, whatever the user's name is."""
    address = stack.env()["CLICKHOUSE_URL"]
    for user in ("k2", "reader", "default"):
        answer = requests.get(address, params={"query": "SELECT 1"}, auth=(user, "wrong"), timeout=120)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_passwords_are_not_on_the_command_line(stack: Stack) -> None:
    """Other users of the machine see the command line of a process, not its environment."""
    process = StackState(stack.settings.state).process("clickhouse")
    assert process is not None
    assert stack.env()["CLICKHOUSE_PASSWORD"] not in " ".join(psutil.Process(process.pid).cmdline())
