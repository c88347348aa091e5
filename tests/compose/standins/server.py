"""Become the server of this image, told by the variables that the image it stands in for takes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_FETCHED = Path("/opt/fetched")
_KAFKA_DATA, _CLICKHOUSE_DATA, _POSTGRES_DATA = (
    Path(f"/var/lib/{name}") for name in ("kafka/data", "clickhouse", "postgresql/data")
)
_NOT_PROPERTIES = {"KAFKA_HEAP_OPTS", "KAFKA_OPTS"}


def kafka() -> None:
    """Kafka; KAFKA_A_B is the property a.b, as apache/kafka has it."""
    properties = Path("/tmp/server.properties")  # noqa: S108  # a tmpfs of this container alone
    properties.write_text("".join(f"{name}={value}\n" for name, value in _properties()))
    heap = os.environ.get("KAFKA_HEAP_OPTS", "").split()
    command = ["java", *heap, "-XX:+UseSerialGC", "-cp", f"{_FETCHED}/jars/*"]
    if not (_KAFKA_DATA / "meta.properties").exists():
        form = ["kafka.tools.StorageTool", "format", "-t", os.environ["CLUSTER_ID"], "-c", os.fspath(properties)]
        subprocess.run([*command, *form], check=True)
    _become(*command, "kafka.Kafka", os.fspath(properties))


def _properties() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if name.startswith("KAFKA_") and name not in _NOT_PROPERTIES:
            yield name.removeprefix("KAFKA_").lower().replace("_", "."), value


def registry() -> None:
    """Apicurio, whose framework reads the variables by itself."""
    (jar,) = _FETCHED.glob("apicurio-*/*-runner.jar")
    _become("java", "-jar", os.fspath(jar))


def postgres() -> None:
    """PostgreSQL, whose first start makes the user and the database, as postgres' image has it."""
    user, database = os.environ["POSTGRES_USER"], os.environ["POSTGRES_DB"]
    if not (_POSTGRES_DATA / "PG_VERSION").exists():
        secret = Path("/tmp/password")  # noqa: S108
        secret.write_text(os.environ["POSTGRES_PASSWORD"])
        form = ["--username", user, "--pwfile", os.fspath(secret), "--auth=scram-sha-256", "--encoding=UTF8"]
        subprocess.run(["initdb", "-D", _POSTGRES_DATA, "--locale=C", *form], check=True)
        secret.unlink()
        made = f'CREATE DATABASE "{database}";'
        alone = ["postgres", "--single", "-D", os.fspath(_POSTGRES_DATA), "postgres"]
        subprocess.run(alone, input=made, text=True, check=True)
        with (_POSTGRES_DATA / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
    options = ("listen_addresses=*", "unix_socket_directories=/tmp")
    _become("postgres", "-D", os.fspath(_POSTGRES_DATA), *(word for each in options for word in ("-c", each)))


def clickhouse() -> None:
    """The engine that chdb embeds, behind its HTTP interface, for every address of this container."""
    from k2_local.embedded_clickhouse import __main__ as embedded

    embedded.HOST = "0.0.0.0"  # noqa: S104
    os.environ.setdefault("CLICKHOUSE_READER_USER", "reader")
    embedded.main([f"--path={_CLICKHOUSE_DATA}/embedded", "--port=8123", f"--database={os.environ['CLICKHOUSE_DB']}"])


def _become(*command: str) -> None:
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    {each.__name__: each for each in (kafka, registry, postgres, clickhouse)}[sys.argv[1]]()
