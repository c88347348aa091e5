"""Asking agents' pages over HTTP; each costs a bounded time, whatever it does."""

import asyncio
import json
import os
import time
from dataclasses import dataclass, replace

import aiohttp

from k2.status import pages
from k2.status.facts import Agent
from k2.status.pages import Page
from k2_local import targets

PAGE_S = 2.0
SAMPLE_S = 1.0
LIMIT_S = 3.0


class _Stranger(Exception):
    """Something answers that is no agent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An agent, and its newest page of metrics where there is one."""

    agent: Agent
    page: Page | None = None


async def ask(session: aiohttp.ClientSession, of: targets.Agent) -> Answer:
    """Ask whether an agent lives and is ready, and measure it for ``SAMPLE_S``; takes ``LIMIT_S`` at most."""
    agent = Agent(of.name, of.url, of.start)
    deadline = time.monotonic() + LIMIT_S
    try:
        _, missing, before = await asyncio.gather(
            _page(session, of.url, "healthz"), _missing(session, of.url), _metrics(session, of.url)
        )
    except TimeoutError:
        return Answer(replace(agent, fault=f"no answer in {PAGE_S:g} s"))
    except (aiohttp.ClientError, OSError, _Stranger) as error:
        return Answer(replace(agent, fault=reason(error)))
    began = time.monotonic()
    agent = replace(agent, **pages.described(before, time.time()), missing=missing)
    try:
        async with asyncio.timeout(deadline - began):
            await asyncio.sleep(SAMPLE_S)
            after = await _metrics(session, of.url)
    except (aiohttp.ClientError, OSError, _Stranger):  # a TimeoutError is an OSError; its rates stay unknown
        return Answer(agent, before)
    return Answer(replace(agent, **pages.measured(before, after, time.monotonic() - began)), after)


async def _missing(session: aiohttp.ClientSession, url: str) -> tuple[str, ...]:
    status, text = await _page(session, url, "readyz", allowed=(200, 503))
    try:
        return () if status == 200 else tuple(map(str, json.loads(text)["missing"]))
    except (ValueError, KeyError, TypeError):
        raise _Stranger(f"/readyz says HTTP {status}, and not what is missing") from None


async def _metrics(session: aiohttp.ClientSession, url: str) -> Page:
    _, text = await _page(session, url, "metrics")
    try:
        return Page(text)
    except (ValueError, KeyError, IndexError):
        raise _Stranger("/metrics is no page of metrics") from None


async def _page(
    session: aiohttp.ClientSession, url: str, name: str, allowed: tuple[int, ...] = (200,)
) -> tuple[int, str]:
    """A page's status and text.

    Raises:
        _Stranger: its status is none that an agent gives.
    """
    async with session.get(f"{url.rstrip('/')}/{name}", timeout=aiohttp.ClientTimeout(total=PAGE_S)) as answer:
        if answer.status not in allowed:
            raise _Stranger(f"/{name} says HTTP {answer.status}: is that an agent's web port?")
        return answer.status, await answer.text("utf-8", "backslashreplace")


def reason(error: BaseException) -> str:
    """Why something does not answer, in few words."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio's own text is of the call that failed
    said = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return " ".join(said.split())
