"""The servers of a database as its tools look at them: where they are, how they are, how many connections there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pgwarden.db.connect import Address, Attempt
from pgwarden.db.routing import Router, TargetStatus
from pgwarden.db.tasks import Tasks
from pgwarden.db.watchdog import Watchdog
from pgwarden.policy.scopes import Scopes

if TYPE_CHECKING:
    from pgwarden.db.routing import Target

_SCOPE = "database:read"


class Servers:
    """A primary and its replicas."""

    def __init__(
        self,
        router: Router,
        watchdog: Watchdog,
        scopes: Scopes,
        turns: asyncio.Semaphore,
        tasks: Tasks,
        watch_s: float,
    ) -> None:
        """Take the servers, and what a call of them needs.

        Args:
            router: The servers.
            watchdog: Woken when they are looked at.
            scopes: What the caller's token grants.
            turns: How many may ask at once.
            tasks: Runs what asks.
            watch_s: Seconds between two pings of idle connections; 0 where there are none.
        """
        self._router = router
        self._watchdog = watchdog
        self._scopes = scopes
        self._turns = turns
        self._tasks = tasks
        self.watch_s = watch_s

    @property
    def replicated(self) -> bool:
        """Whether replicas are configured."""
        return bool(self._router.replicas)

    @property
    def connected(self) -> bool:
        """Whether there is an open connection to any of the servers."""
        return any(target.pool.idle or target.pool.busy for target in self._router.targets)

    async def status(self) -> list[TargetStatus]:
        """Ask every server how it is, the primary first. Never raises for one that does not answer.

        Raises:
            ScopeError: The token lacks the scope database:read.
        """
        self._scopes.require(_SCOPE)
        self._watchdog.wake()
        return await self._tasks.run(self._router.status())

    def pools(self) -> list[tuple[str, int, int, int]]:
        """Return for every server its name, and its connections: in use, idle, and how many it may have."""
        return [(target.name, target.pool.busy, target.pool.idle, target.pool.most) for target in self._router.targets]

    def address(self, name: str = "primary") -> Address | None:
        """Return where a server is, without secrets; None where it is no server of this database."""
        target = self._find(name)
        return None if target is None else target.pool.connector.address()

    async def attempt(self, name: str = "primary") -> Attempt:
        """Connect once to a server, beside the pool, and say how that went; for whom the cause matters.

        Raises:
            ScopeError: The token lacks the scope database:read.
            UnavailableError: No connection could be made; the code is the cause.
        """
        self._scopes.require(_SCOPE)
        target = self._find(name)
        assert target is not None
        async with self._turns:
            return await self._tasks.run(target.pool.connector.attempt())

    def _find(self, name: str) -> Target | None:
        return next((each for each in self._router.targets if each.name == name), None)
