"""Which port a part gets."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from k2_local.ports import GRPC, PORTS, PortClaims, assign, choose
from k2_local.settings import Catalog, StackSettings
from k2_shared.core.errors import ConfigError
from k2_support.ports import is_free

Occupied = Callable[[int], AbstractContextManager[int]]


def _free_port() -> int:
    with PortClaims() as claims:
        return choose("registry", (), claims)


@pytest.fixture
def claims() -> Iterator[PortClaims]:
    """What a stack claims while it starts."""
    with PortClaims() as held:
        yield held


@pytest.mark.parametrize("catalog", PORTS)
def test_chosen_ports_are_free_distinct_and_below_those_of_outgoing_connections(
    settings: StackSettings, claims: PortClaims, catalog: Catalog
) -> None:
    """All parts together get a different free port each, and SeaweedFS' gRPC ports are free too."""
    settings, known = settings.model_copy(update={"k2_catalog": catalog}), dict[str, int]()
    for part in PORTS[catalog]:
        known |= assign(settings, part, known, print, claims)
    assert len(set(known.values())) == len(known)
    assert all(is_free(port) and port + GRPC < 32_768 for port in known.values())
    assert all(is_free(known[name] + GRPC) for name in PORTS[catalog]["seaweed"])


def test_what_one_stack_has_chosen_no_other_takes_before_it_listens_there(claims: PortClaims) -> None:
    """In this process or another; gRPC's port counts, and what is not used in the end is free again."""
    with PortClaims() as other:
        port = choose("seaweed", (), other)
        assert claims.take("registry", port) == port
        assert claims.take("registry", port + GRPC) == port + GRPC
    assert claims.take("seaweed", port) is None


def test_a_remembered_port_that_another_stack_has_chosen_is_replaced(
    settings: StackSettings, claims: PortClaims
) -> None:
    """The other one would listen there first, or fail."""
    said: list[str] = []
    with PortClaims() as other:
        port = choose("registry", (), other)
        assert assign(settings, "registry", {"registry": port}, said.append, claims)["registry"] != port
    assert said == [f"registry: the remembered port {port} is busy, choosing another"]


def test_remembered_port_is_kept(settings: StackSettings, claims: PortClaims) -> None:
    """A remembered port that is free stays, and nothing is said."""
    port, said = _free_port(), list[str]()
    assert assign(settings, "registry", {"registry": port}, said.append, claims) == {"registry": port}
    assert said == []


def test_busy_remembered_port_is_replaced_and_named(
    settings: StackSettings, claims: PortClaims, occupied: Occupied
) -> None:
    """The replacement is another free port, and the report names the busy one."""
    said: list[str] = []
    with occupied(0) as port:
        chosen = assign(settings, "registry", {"registry": port}, said.append, claims)
    assert chosen["registry"] != port
    assert said == [f"registry: the remembered port {port} is busy, choosing another"]


def test_busy_port_set_by_hand_is_an_error(settings: StackSettings, claims: PortClaims, occupied: Occupied) -> None:
    """The error names variable and port and says what to do, with exit code 2."""
    with occupied(_free_port()) as port:
        by_hand = settings.model_copy(update={"k2_registry_port": port})
        with pytest.raises(ConfigError, match=rf"K2_REGISTRY_PORT={port} .*unset it") as caught:
            assign(by_hand, "registry", {}, print, claims)
    assert caught.value.exit_code == 2


def test_busy_grpc_port_counts_as_busy(settings: StackSettings, claims: PortClaims, occupied: Occupied) -> None:
    """SeaweedFS also needs the port 10,000 above."""
    port = _free_port()
    with occupied(port + GRPC), pytest.raises(ConfigError, match=f"K2_S3_PORT={port} .* port {port + GRPC} is busy"):
        assign(settings.model_copy(update={"k2_s3_port": port}), "seaweed", {}, print, claims)


def test_one_port_for_two_purposes_is_an_error(settings: StackSettings, claims: PortClaims) -> None:
    """Two variables with the same port are refused."""
    port = _free_port()
    twice = settings.model_copy(update={"k2_s3_port": port, "k2_iceberg_port": port})
    with pytest.raises(ConfigError, match=f"K2_ICEBERG_PORT={port}"):
        assign(twice, "seaweed", {}, print, claims)


def test_port_out_of_range_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that leaves no room for gRPC is refused when the settings are read."""
    monkeypatch.setenv("K2_S3_PORT", "60000")
    with pytest.raises(ConfigError, match="K2_S3_PORT='60000'"):
        StackSettings.load()
