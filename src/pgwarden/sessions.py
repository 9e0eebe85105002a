"""What the calls of one session have in common, whatever connection they are for, and which are running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pgwarden import consent
from pgwarden.knowledge import Insights, Knowledge
from pgwarden.pages import Pages


class Activity:
    """Which calls are running on one database."""

    def __init__(self) -> None:
        """Start with none."""
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """Count a call."""
        self._running += 1
        self._idle.clear()

    def end(self) -> None:
        """Count it no longer."""
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def rest(self) -> None:
        """Wait until no call is running."""
        await self._idle.wait()


def _nothing() -> None:
    """Let every call run."""


async def _valid(path: object) -> None:
    """Let every answer of a person count."""


@dataclass(frozen=True)
class Session:
    """What the paths of calls of one session have in common, whatever connection they are for.

    Attributes:
        knowledge, insights: What was learned in earlier sessions, and in this one.
        pages: The cursors.
        shown: The plans that were shown.
        buckets: What is left of each caller's rate.
        enabled: Categories of tools that were enabled.
        check: Called at the start of each call; raises where none may run.
        valid: Called with a path once a person has answered; raises where its rules are no longer in force.
    """

    knowledge: Knowledge
    insights: Insights = field(default_factory=Insights)
    pages: Pages = field(default_factory=Pages)
    shown: consent.Shown = field(default_factory=consent.Shown)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    check: Callable[[], None] = _nothing
    valid: Callable[[object], Awaitable[None]] = _valid
