"""What stands in the project's servers, read through its published ports and compared with what the venues sent."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from tests.contract.compose.composefile import seaweedfs_catalog
from tests.lake.expected import expected
from tests.lake.reading import TableReader

from k2.demo import oracle
from k2.demo.warm import WarmTier
from k2.init import InitSettings
from k2.running import run
from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import ClickHouseReaderSettings
from k2_shared.core.trade import contract_under, message_id, schema_ids
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_support.topics import read

_STALLED_S, _POLL_S, _SHOWN = 180.0, 3.0, 3


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """How a client on this machine reaches the servers, by the project's variables; keys are the file's defaults."""
    host = "127.0.0.1"
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"{host}:{variables['KAFKA_PORT']}",
        "SCHEMA_REGISTRY_URL": f"http://{host}:{variables['REGISTRY_PORT']}/apis/ccompat/v7",
        **_catalog(variables, host),
        "S3_ENDPOINT": f"http://{host}:{variables['S3_PORT']}",
        "S3_ACCESS_KEY_ID": "k2local",
        "S3_SECRET_ACCESS_KEY": "k2localsecret",
        "CLICKHOUSE_URL": f"http://{host}:{variables['CLICKHOUSE_PORT']}",
        "CLICKHOUSE_USER": "k2",
        "CLICKHOUSE_PASSWORD": "k2local",
        "CLICKHOUSE_READER_PASSWORD": "k2reader",
    }


def _catalog(variables: Mapping[str, str], host: str) -> dict[str, str]:
    """As it is in the project, at the port where it is published."""
    if variables.get("LAKEKEEPER_SCALE") != "0":
        return {"ICEBERG_CATALOG_URI": f"http://{host}:{variables['ICEBERG_PORT']}/catalog", "ICEBERG_WAREHOUSE": "k2"}
    inside, outside = variables["ICEBERG_CATALOG_URI"], f"http://{host}:{variables['SEAWEEDFS_CATALOG_PORT']}"
    return {name: variables[name].replace(inside, outside) for name in seaweedfs_catalog() if "ICEBERG" in name}


class Outside:
    """Compares everything that stands; every method blocks."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._names = Names()
        given = {name.lower(): value for name, value in told.items()}
        self._settings = InitSettings.load(**given)
        self._reader = ClickHouseReaderSettings.load(**given).as_reader()

    @cached_property
    def trades(self) -> Counter[str]:
        """Every trade of the recordings that the contract's decimals hold, once."""
        recorded = oracle.recorded(oracle.packaged_recordings())
        return Counter(f"{symbol}:{id_}" for symbol, ids in recorded.items() for id_, fits in ids.items() if fits)

    def gold(self) -> Counter[str]:
        """What the topic of gold has, by message id."""
        return Counter(message_id(record.value) for record in run(read(self._settings, self._names, GOLD)))

    def settle(self) -> list[str]:
        """Wait until nothing differs any more, or nothing has moved for a while; what differs then."""
        before, moved = -1, time.monotonic()
        while (found := self._looked()) and time.monotonic() - moved < _STALLED_S:
            count = self._moved()
            before, moved = (count, time.monotonic()) if count != before else (before, moved)
            time.sleep(_POLL_S)
        return found

    def differences(self) -> list[str]:
        """What is not as it must be: gold against the recordings, and every table against its topics."""
        return [*self._of_gold(), *self._of_the_lake(), *self._of_the_warm_tier()]

    def _looked(self) -> list[str]:
        try:
            return self.differences()
        except (K2Error, OSError) as error:
            return [str(error)]

    def _moved(self) -> int:
        try:
            return self.gold().total()
        except (K2Error, OSError):
            return 0

    def _of_gold(self) -> Iterator[str]:
        found = self.gold()
        yield from _said("the topic of gold", self.trades, found)

    def _of_the_lake(self) -> Iterator[str]:
        catalog = iceberg.connect(self._settings)
        for name, contract in contracts.tables().items():
            records = [each for topic in contract.topics for each in run(read(self._settings, self._names, topic))]
            schemas = {
                number: one for claimed in schema_ids(records) for number, one in contract_under(claimed).items()
            }
            wanted = Counter(expected(contract, records, schemas))
            table = catalog.load_table((iceberg.namespace(self._names), name))
            yield from _said(f"table {name}", wanted, TableReader(contract).rows(table))

    def _of_the_warm_tier(self) -> Iterator[str]:
        for name, found in WarmTier(self._settings, self._reader, self._names).read().items():
            if not found.is_exact:
                yield f"warm table {name}: missing {found.missing}, too many {found.excess}, unlike {found.unlike}"


def _said(where: str, wanted: Counter[Any], found: Counter[Any]) -> Iterator[str]:
    for what, those in (("lacks", wanted - found), ("has too many", found - wanted)):
        if those:
            yield f"{where} {what} {those.total()}: {'; '.join(str(each) for each in list(those)[:_SHOWN])[:500]}"
