"""Replies of the broker that come late, broken, or never."""

from tests.faults.faults import Injected, injected
from tests.faults.proxy import APIS, Action
from tests.faults.rig import Rig
from tests.faults.slots import until, up

# These are asked when a process starts, so one has to.
AT_START = ("InitProducerId", "JoinGroup", "OffsetFetch")
_DELAY_S = 3.0


async def reply(rig: Rig, service: str, api: str, action: Action, times: int = 1) -> list[Injected]:
    """Do something to the next replies of one API to the process behind the proxy."""
    slot = rig.members(service)[0]
    proxy = rig.proxies[slot.name]
    injection = proxy.inject(APIS[api], action, times, _DELAY_S)
    if api in AT_START:
        await slot.end()
        slot.supervised = True
    await until(lambda: injection.felt == times, f"{times} replies of {api} to {slot.name}")
    proxy.clear()
    await up(slot)
    return [injected(f"{service}: {api} {action}", injection.felt == times, f"done to {injection.done} replies")]
