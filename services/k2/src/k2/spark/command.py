"""``k2 spark``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from k2.interruption import telling
from k2.servers import (
    Following,
    Json,
    Lines,
    PartName,
    State,
    elsewhere,
    given,
    left_running,
    print_environment,
    print_logs,
    say,
)
from k2_local import child

if TYPE_CHECKING:
    from k2_local.spark_cluster import SparkCluster

app = typer.Typer(
    help="A Spark cluster on this machine: a master and two workers.", no_args_is_help=True, add_completion=False
)
Timeout = Annotated[
    float, typer.Option("--timeout", min=1, max=3_600, help="Seconds for the job, after which it is ended.")
]


@app.command()
def up(state: State = None, as_json: Json = False) -> None:
    """Start master and workers, wait until both workers get work, and print what drivers are to be told."""
    cluster = _cluster(state)
    with child.terminable(), telling(lambda: left_running(cluster)):
        print_environment(cluster.up(say), as_json)


@app.command()
def down(state: State = None) -> None:
    """Stop what was started, executors too, whatever has died of it, and nothing else."""
    cluster = _cluster(state)
    with telling(lambda: left_running(cluster)):
        cluster.down(say)


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show the processes, and what the master says of workers and applications; exits 0 if all are up, 1 otherwise."""
    from k2.spark.view import print_status
    from k2_local.spark_status import ClusterStatus

    cluster = _cluster(state)
    found = ClusterStatus.of(cluster)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        print_status(found)
        said = f"the Spark cluster is {found.overall}" + (f": {found.web_ui}" if found.facts else "")
        say(said if cluster.exists() else f"no cluster was ever started in {cluster.folder}: {elsewhere(cluster)}")
    raise typer.Exit(found.overall != "up")


@app.command()
def logs(part: PartName = None, state: State = None, lines: Lines = 20, following: Following = False) -> None:
    """Print the ends of the logs of master and workers."""
    print_logs(_cluster(state), part, lines, following=following)


@app.command("test-job")
def job(state: State = None, timeout_s: Timeout = 120.0, as_json: Json = False) -> None:
    """Submit a small job, and print what it computed and which worker how much of it.

    Exits 1 where the result is wrong or a worker took no part, 4 where no cluster is up, or none of its cores is free.
    """
    from k2.spark.job import computed
    from k2.spark.view import print_computed

    with child.terminable(), telling(lambda: "the job is ended, the cluster stays as it was"):
        found = computed(_cluster(state), timeout_s)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        print_computed(found)
    found.judge()


def _cluster(state: Path | None) -> "SparkCluster":
    from k2_local.settings import StackSettings
    from k2_local.spark_cluster import SparkCluster
    from k2_shared.batch.settings import SparkSettings

    return SparkCluster(StackSettings.load(**given(state)), SparkSettings.load())
