"""The connections to one server: made when needed, by the caller that needs them, and kept for the next one.

psycopg_pool makes them in the background, where the cause of a failure is lost and its callers wait for a timeout; this
one is as small as what it has to do. The most recently used link is handed out first, so that the others can grow old
and be closed. A link goes back without a round trip: what it is owed is collected when it is taken again (`link.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from pgwarden.db import errors
from pgwarden.db.connect import TOTAL_S, Connector
from pgwarden.db.link import Link
from pgwarden.settings import ConnectionSettings

_SETTLE_S = 2.0
"""Seconds that a statement of which no more is wanted has to end."""
_READY_S = 2.0
"""Seconds that the answer to a reset may take, which was sent when the link was last used."""
_BUSY = errors.Cause("pool_exhausted", "All connections are in use; repeat the call when others have ended.", True)


class Pool:
    """Up to `pool_max` links to one server."""

    def __init__(self, conninfo: str, settings: ConnectionSettings, database: str = "") -> None:
        """Make an empty pool. Nothing connects before the first `acquire`."""
        self.connector = Connector(conninfo, settings, database)
        self._settings = settings
        self._idle: list[Link] = []
        self._slots = asyncio.Semaphore(settings.pool_max)
        self._generation = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.pipelined: bool | None = None if settings.pipeline == "auto" else False
        """Whether exchanges are pipelined; None: nothing has shown yet that the way to the server can do it."""
        self.checks_client = True
        """Whether the server can watch for clients that are gone; found out by trying."""

    @property
    def idle(self) -> int:
        """How many links wait to be used."""
        return len(self._idle)

    @property
    def most(self) -> int:
        """How many links there may be."""
        return self._settings.pool_max

    @property
    def busy(self) -> int:
        """How many links are in use, or being made."""
        return self._settings.pool_max - self._slots._value

    async def acquire(self) -> Link:
        """Return a link that nobody else uses, for `release`.

        Raises:
            UnavailableError: No connection could be made, or none came free in time.
        """
        try:
            # A timer costs more than taking a slot that is free.
            async with asyncio.timeout(TOTAL_S) if self._slots.locked() else nullcontext():
                await self._slots.acquire()
        except TimeoutError:
            raise errors.unavailable(_BUSY, f"none of {self._settings.pool_max} came free.") from None
        try:
            return await self._take_idle() or await self._open()
        except BaseException:
            self._slots.release()
            raise

    def release(self, link: Link) -> None:
        """Take a link back. Never waits: a statement that is still on it is brought to its end in the background."""
        if self._closed or link.broken:
            self._put(link)
        elif link.aborted:
            self._spawn(self._bury(link))
        elif link.unsettled:
            self._spawn(self._settle(link))
        else:
            self._put(link)

    def clear(self) -> None:
        """Close the idle links, and those in use when they come back: the server is not the one they were made to."""
        self._generation += 1
        while self._idle:
            self._idle.pop().close()

    async def tend(self) -> None:
        """Close links that have idled too long, and those that no longer answer a ping."""
        for link in list(self._idle):
            if link not in self._idle:
                continue
            if self._old(link):
                self._idle.remove(link)
                link.close()
            elif self._settings.watchdog_interval and not self._slots.locked():
                await self._ping(link)

    async def close(self) -> None:
        """Close all links that are not in use; the others when they are released."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.clear()

    async def _take_idle(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            started = time.monotonic()
            try:
                if not self._old(link) and await link.ready(_READY_S):
                    return link
            except BaseException:
                link.close()
                raise
            link.close()
            if time.monotonic() - started >= _READY_S:
                # The network is gone without a word: waiting for each of the others would only take longer.
                self.clear()
        return None

    async def _open(self) -> Link:
        generation = self._generation
        connection = await self.connector.connect()
        link = Link(connection, pipelined=self.pipelined is not False)
        link.generation = generation
        return link

    def _old(self, link: Link) -> bool:
        now = time.monotonic()
        return now - link.born > self._settings.pool_lifetime or now - link.used > self._settings.pool_idle

    def _put(self, link: Link) -> None:
        if self._closed or link.broken or link.unsettled or link.generation != self._generation:
            link.close()
        else:
            link.used = time.monotonic()
            self._idle.append(link)
        self._slots.release()

    async def _settle(self, link: Link) -> None:
        try:
            if not await link.settle(_SETTLE_S):
                link.close()
        except asyncio.CancelledError:
            link.close()
            raise
        finally:
            self._put(link)

    async def _bury(self, link: Link) -> None:
        """Keep the slot until the server is done: a statement that cannot be ended must not make room for the next."""
        try:
            await link.gone(self._settings.pool_lifetime)
        finally:
            self._put(link)

    async def _ping(self, link: Link) -> None:
        """Ping an idle link, out of everyone's reach; it keeps its age, or idle links would never be closed."""
        await self._slots.acquire()
        if link not in self._idle:
            self._slots.release()
            return
        self._idle.remove(link)
        used = link.used
        try:
            if not await link.ping(self._settings.watchdog_timeout):
                link.close()
        finally:
            self._put(link)
            link.used = used

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
