"""Faults of the network: replies that come late, truncated or never, requests that come in a later transaction."""

from tests.faults.apis import APIS
from tests.faults.faults import Injected, injected
from tests.faults.proxy import Action
from tests.faults.rig import Rig
from tests.faults.supervisor import until, up

# These are asked when a process starts, so one has to.
AT_START = ("InitProducerId", "JoinGroup", "OffsetFetch")
_DELAY_S = 3.0
_QUIET = 0.3  # how often the client has to give up by itself


async def reply(rig: Rig, service: str, api: str, action: Action, times: int = 1) -> list[Injected]:
    """Do something to the next replies of one API to the process behind the proxy."""
    agent = rig.members(service)[0]
    proxy = rig.proxies[agent.name]
    injection = proxy.inject(APIS[api], action, times, _DELAY_S)
    if api in AT_START:
        await agent.end()
        agent.supervised = True
    await until(lambda: injection.felt == times, f"{times} replies of {api} to {agent.name}")
    proxy.clear()
    await up(agent)
    return [injected(f"{service}: {api} {action}", injection.felt == times, f"done to {injection.done} replies")]


async def torn(rig: Rig, service: str, api: str, before: str, *, killed: bool) -> list[Injected]:
    """Bring a request of the process behind the proxy in its producer's next transaction, before another one there.

    The first transaction ends as its producer can, or is ``killed`` with the process. After the second the process is
    killed, so that whatever the request has done to it stays.
    """
    agent = rig.members(service)[0]
    held = rig.proxies[agent.name].hold(APIS[api], APIS[before], quiet=rig.rng.random() < _QUIET, last=True)
    if killed:
        await until(lambda: held.taken, f"{api} of {agent.name}")
        await agent.end()
        agent.supervised = True
    await until(lambda: held.released, f"{api} of {agent.name} in a later transaction")
    await agent.end()
    rig.proxies[agent.name].clear()
    await up(agent)
    way = "kill" if killed else "commit"
    proof = f"before {before} of {held.owner}, {'new' if held.renewed else 'same'} epoch: {held.answer or 'accepted'}"
    return [injected(f"{service}: {api} late by a {way}", held.released, proof)]
