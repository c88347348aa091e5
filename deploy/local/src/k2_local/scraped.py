"""Whom the Prometheus beside a stack asks: a file that it reads again and again, by its own discovery of targets."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from k2_local.disk import write_json
from k2_local.targets import Agent

FILE = "scraped.json"


def write(state: Path, agents: Iterable[Agent]) -> None:
    """Have these agents asked, each under its own name, and nobody else; raises OSError."""
    found = [{"targets": [urlsplit(agent.url).netloc], "labels": {"job": agent.name}} for agent in agents]
    write_json(state / FILE, found)
