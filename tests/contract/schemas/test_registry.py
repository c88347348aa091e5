"""What the schema registry does that is easily believed otherwise; each is why some code is as it is."""

import json
from typing import Any

import pytest
from tests.contract.schemas.conftest import Call

from k2_shared.core import contracts
from k2_shared.core.trade import DECIMAL_LIMIT, DECIMAL_SCALE
from k2_shared.kafka.topics import BRONZE, Names

TOPIC = BRONZE.format(exchange="kraken")
pytestmark = pytest.mark.topics(TOPIC)
WITH_SCHEMA = [contract for contract in contracts.topics().values() if contract.schema]


def body(schema: Any, **style: Any) -> dict[str, str]:
    return {"schema": json.dumps(schema, **style), "schemaType": "AVRO"}


def rescaled(scale: int) -> Any:
    """trade_v3 with the decimals at another scale."""
    return json.loads(contracts.schema_text("trade_v3.avsc").replace('"scale":8', f'"scale":{scale}'))


def test_identity_is_the_text(registry_call: Call, names: Names, topics: dict[str, int]) -> None:
    """The same schema in another layout is not found, so the project has one text: compact JSON, keys sorted."""
    subject = names.subject(names.topic(TOPIC))
    canonical = registry_call("POST", f"/subjects/{subject}", {"schema": contracts.schema_text("trade_v3.avsc")})
    assert canonical.json()["id"] == topics[subject]
    schema = json.loads(contracts.schema_text("trade_v3.avsc"))
    assert contracts.schema_text("trade_v3.avsc") == json.dumps(schema, sort_keys=True, separators=(",", ":"))
    assert registry_call("POST", f"/subjects/{subject}", body(schema, indent=2)).status_code == 404


@pytest.mark.parametrize("mode", ["BACKWARD", "FULL"])
def test_a_new_scale_counts_as_compatible(registry_call: Call, names: Names, topics: dict[str, int], mode: str) -> None:
    """No mode keeps a decimal's scale, although a reader of the old one is wrong by powers of ten."""
    subject = names.subject(names.topic(TOPIC))
    registry_call("PUT", f"/config/{subject}", {"compatibility": mode}).raise_for_status()
    answer = registry_call("POST", f"/compatibility/subjects/{subject}/versions/latest", body(rescaled(4)))
    assert answer.json()["is_compatible"] is True


def test_decimals_are_pinned() -> None:
    """Every decimal of trade_v3 is decimal(18, 8), in the schema, the codec and the tables: no registry guards it."""
    decimals = [f["type"] for f in contracts.trade_schema()["fields"] if "decimal" in str(f["type"])]
    assert [(each["type"], each["precision"], each["scale"]) for each in decimals] == [("bytes", 18, 8)] * 2
    assert (DECIMAL_SCALE, DECIMAL_LIMIT) == (8, 10**10)
    for table in contracts.tables().values():
        assert {column.type for column in table.columns if "decimal" in column.type} <= {"decimal(18, 8)"}


def test_a_missing_field_is_refused(registry_call: Call, names: Names, topics: dict[str, int]) -> None:
    """A mode that was set is kept to: a new field without a default is incompatible."""
    subject = names.subject(names.topic(TOPIC))
    registry_call("PUT", f"/config/{subject}", {"compatibility": "BACKWARD"}).raise_for_status()
    schema = json.loads(contracts.schema_text("trade_v3.avsc"))
    schema["fields"].append({"name": "venue_fee", "type": "long"})
    answer = registry_call("POST", f"/subjects/{subject}/versions", body(schema))
    assert answer.status_code == 409


def test_a_new_subject_has_no_mode(registry_call: Call, names: Names) -> None:
    """Until a mode is set for it, a subject takes whatever comes."""
    subject = names.subject(names.topic("market.crypto.trades.unknown"))
    for kind in ("string", "long"):
        answer = registry_call("POST", f"/subjects/{subject}/versions", body({"type": kind}))
        answer.raise_for_status()
    assert registry_call("GET", "/config").json()["compatibilityLevel"] == "NONE"


@pytest.mark.topics(*(contract.name for contract in WITH_SCHEMA))
def test_modes_are_the_contracts(registry_call: Call, names: Names, topics: dict[str, int]) -> None:
    """Each subject has the mode of its contract set on itself, and the contract's schema as its latest version."""
    for contract in WITH_SCHEMA:
        subject = names.subject(names.topic(contract.name))
        mode = registry_call("GET", f"/config/{subject}").json()["compatibilityLevel"]
        latest = registry_call("GET", f"/subjects/{subject}/versions/latest").json()
        assert contract.schema is not None
        expected = (contract.compatibility, topics[subject], contracts.schema_text(contract.schema))
        assert (mode, latest["id"], latest["schema"]) == expected, contract.name
