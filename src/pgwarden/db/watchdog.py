"""The one background task of a database: closes idle links that grew old, and replaces what no longer answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

logger = logging.getLogger(__name__)


class Watchdog:
    """Does rounds at an interval, from the first use of the database to its end."""

    def __init__(self, rounds: Sequence[Callable[[], Awaitable[None]]], interval_s: float) -> None:
        """Take what to do in each round, and the seconds between two of them."""
        self._rounds = rounds
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Start, unless it runs already. Costs next to nothing: every call does it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            for do in self._rounds:
                try:
                    await do()
                except Exception:
                    # A round that fails must not end the watch.
                    logger.exception("watchdog")
