"""A small job by which each worker of a cluster shows that it computes: ``python -m k2_spark.test_job``.

Its tasks count and add numbers, group them by the worker whose executor they run in, and exchange these groups.
"""

import argparse
from urllib.parse import urlsplit

from k2_shared.batch.settings import SparkSettings
from k2_spark.driver import drive, tell
from k2_spark.session import started

_MEMORY = "512m"
# A worker tells its executors where their logs are: at its own Web UI.
_WORKER = "reflect('java.lang.System', 'getenv', 'SPARK_LOG_URL_STDERR')"
_COUNTED = f"""
SELECT worker, count(*) AS numbers, sum(id) AS total
FROM (SELECT {_WORKER} AS worker, id FROM range(0, {{numbers}}, 1, {{tasks}}))
GROUP BY worker
"""  # noqa: S608  # nothing of it is given from outside


def main() -> None:
    """Read the arguments, and do it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--master", required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--numbers", type=int, required=True)
    given = parser.parse_args()
    drive(lambda: _work(given.master, given.cores, given.numbers))


def _work(master: str, cores: int, numbers: int) -> None:
    """Begin when all of the cores are there, so that each worker gets its share."""
    settings = SparkSettings.load(spark_master=master, spark_driver_memory=_MEMORY, spark_executor_memory=_MEMORY)
    options = {"spark.cores.max": str(cores), "spark.scheduler.minRegisteredResourcesRatio": "1.0"}
    with started(settings, options) as session:
        rows = session.sql(_COUNTED.format(numbers=numbers, tasks=2 * cores)).collect()
    workers = {_web_ui(row["worker"]): row["numbers"] for row in rows}
    tell("done", numbers=numbers, total=sum(row["total"] for row in rows), workers=workers)


def _web_ui(log: str) -> str:
    """The Web UI that a log is shown by."""
    at = urlsplit(log)
    return f"{at.scheme}://{at.netloc}"


if __name__ == "__main__":
    main()
