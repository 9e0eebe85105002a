"""Which server a read goes to: the nearest replica in health and time, else the primary.

After a write of ours a replica is read again only when it was seen to have replayed it.

Health is looked at in the background and never on the path of a call: a read uses what was last seen, asks for a new
look where that is old, and goes to the primary until something was seen at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from pgwarden.db.change import Change, Done, Fate
from pgwarden.db.cursor import Collector
from pgwarden.db.errors import RECOVERY_CONFLICT
from pgwarden.db.export import Exporter, Order, Shipped
from pgwarden.db.pool import Pool
from pgwarden.db.read import Reader, Request
from pgwarden.db.session import Session
from pgwarden.db.write import Terms, Writer
from pgwarden.errors import ConnectionLostError, UnavailableError, WardenError

T = TypeVar("T")

TTL_S = 3.0
"""For how long, in seconds, health counts as known."""
PROBE_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at a server found.

    Attributes:
        standby: Whether it replays another server's log.
        position: Bytes of log that it has written, or replayed.
        age: Seconds since the last commit that it replayed; None where there was none.
        caught_up: Whether it has replayed all that it received over a stream that stands.
        latency_ms: How long the look took.
    """

    standby: bool
    position: int
    age: float | None
    caught_up: bool
    latency_ms: float

    def lag_s(self, primary: Health | None) -> float:
        """Return how many seconds it is behind.

        The age of the last commit also grows while nothing is written: it counts only where something is missing.
        """
        current = self.position >= primary.position if primary else self.caught_up
        return 0.0 if current else self.age if self.age is not None else float("inf")


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A server as `Database.status` reports it.

    Attributes:
        name: `primary`, `replica-1`, ...
        reachable: Whether it answered just now.
        role: What it says to be; None where it did not answer.
        lag_s: Seconds that a replica is behind.
        server_version: For example `18.6`; empty where it did not answer.
        latency_ms: Of one round trip, connecting included where there was no idle connection.
        last_error: What was wrong the last time.
        note: Something unusual.
    """

    name: str
    reachable: bool
    role: Literal["primary", "replica"] | None
    lag_s: float | None
    server_version: str
    latency_ms: float | None
    last_error: str | None
    note: str | None = None


class Target:
    """One server: its pool, its reader, and what is known of its health."""

    def __init__(self, name: str, pool: Pool, reader: Reader, writer: Writer, exporter: Exporter) -> None:
        """Name a server."""
        self.name = name
        self.pool = pool
        self.reader = reader
        self.writer = writer
        self.exporter = exporter
        self.health: Health | None = None
        self.last_error: str | None = None
        self.version = ""
        self.identity = ""
        """Cluster, database, role and search path; kept while the server is down."""

    async def look(self) -> None:
        """Ask the server for its health; what is known afterwards is the answer, or that there was none."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                seen = await self.reader.run(Request("health", {}, PROBE_TIMEOUT_S, block=True))
        except (WardenError, TimeoutError) as exc:
            self.down(exc)
            return
        standby, position, age, caught_up, version, identity = seen.rows[0]
        self.version, self.identity = version or "", identity or ""
        latency = (time.perf_counter() - started) * 1000
        lag = None if age is None else max(float(age), 0.0)
        self.health = Health(standby == "t", int(position or 0), lag, caught_up == "t", latency)
        self.last_error = None

    def down(self, exc: BaseException) -> None:
        """Note that the server failed."""
        self.health = None
        self.last_error = exc.message if isinstance(exc, WardenError) else "no answer in time"


@dataclass(slots=True)
class Wrote:
    """Where a change is in the log; None: not known."""

    position: int | None = None


class Router:
    """Chooses the server for a read."""

    def __init__(self, primary: Target, replicas: Sequence[Target], max_lag_s: float) -> None:
        """Take the servers, and the lag in seconds up to which a replica is read."""
        self.primary = primary
        self.replicas = tuple(replicas)
        self._max_lag_s = max_lag_s
        self._looked_at = float("-inf")
        self._written: float = 0
        """Bytes of log that a replica must have replayed to show what was written; infinite: not known."""
        self._writes = 0
        self._looking: asyncio.Task[None] | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """All servers, the primary first."""
        return (self.primary, *self.replicas)

    def pick(self) -> Target:
        """Return the server that a read should go to now; never waits."""
        if not self.replicas:
            return self.primary
        if time.monotonic() - self._looked_at > TTL_S and self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_behind())
        usable = [(lag, index) for index, target in enumerate(self.replicas) if (lag := self._lag(target)) is not None]
        return self.replicas[min(usable)[1]] if usable else self.primary

    async def run(self, request: Request, *, primary: bool) -> Collector:
        """Run a request where it belongs; what a replica cannot answer goes to the primary.

        Raises:
            DatabaseError: see `Reader.run`.
        """
        return await self._routed(lambda target: target.reader.run(request), primary=primary)

    async def export(self, order: Order) -> Shipped:
        """Pass a result on from where reads go; what a replica cannot begin goes to the primary.

        Raises:
            DatabaseError: see `Exporter.run`.
        """
        return await self._routed(lambda target: target.exporter.run(order), again=lambda: not order.begun)

    async def _routed(
        self,
        run: Callable[[Target], Awaitable[T]],
        *,
        primary: bool = False,
        again: Callable[[], bool] = lambda: True,
    ) -> T:
        target = self.primary if primary else self.pick()
        if target is self.primary:
            return await run(target)
        try:
            return await run(target)
        except WardenError as exc:
            if not _is_replicas_fault(exc):
                raise
            if exc.details.get("sqlstate") is None:
                target.down(exc)
            if not again():
                raise
        return await run(self.primary)

    async def write(self, change: Change, fate: Fate) -> Done:
        """Make a change on the primary; replicas are read again when they have replayed it.

        Raises:
            DatabaseError, ArgumentError: see `Writer.run`.
        """
        with self.writing(fate) as wrote:
            done = await self.primary.writer.run(change, fate, locate=self.locates)
            wrote.position = done.position
        return done

    async def transact(self, work: Callable[[Session], Awaitable[T]], terms: Terms, fate: Fate) -> T:
        """Run several statements as one transaction on the primary; otherwise as `write`.

        Raises:
            DatabaseError, ArgumentError: see `Writer.transact`.
        """
        with self.writing(fate) as wrote:
            made, wrote.position = await self.primary.writer.transact(work, terms, fate, locate=self.locates)
        return made

    @property
    def locates(self) -> bool:
        """Whether the position in the log behind a change has to be known."""
        return bool(self.replicas)

    @contextmanager
    def writing(self, fate: Fate) -> Iterator[Wrote]:
        """Note, when the block ends, how far replicas must have come to show what it has written."""
        wrote = Wrote()
        try:
            yield wrote
        finally:
            if fate.state != "unchanged":
                self._writes += 1
                self._written = max(self._written, float("inf") if wrote.position is None else wrote.position)

    async def look(self) -> None:
        """Look at all servers, and wait for what they say."""
        writes = self._writes
        await asyncio.gather(*(target.look() for target in self.targets))
        self._looked_at = time.monotonic()
        if self._written == float("inf") and writes == self._writes and self.primary.health is not None:
            # What was written without its position being known was written before this one.
            self._written = self.primary.health.position

    async def status(self) -> list[TargetStatus]:
        """Look at all servers and report what was found."""
        await self.look()
        return [self._status(target) for target in self.targets]

    async def close(self) -> None:
        """End looking, and close all pools."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(target.pool.close() for target in self.targets))

    async def _look_behind(self) -> None:
        try:
            await self.look()
        finally:
            self._looking = None

    def _lag(self, target: Target) -> float | None:
        if target.health is None or target.health.position < self._written or self._note(target) is not None:
            return None
        lag = target.health.lag_s(self.primary.health)
        return lag if lag <= self._max_lag_s else None

    def _status(self, target: Target) -> TargetStatus:
        health = target.health
        if health is None:
            return TargetStatus(target.name, False, None, None, target.version, None, target.last_error)
        replica = target is not self.primary
        return TargetStatus(
            name=target.name,
            reachable=True,
            role="replica" if health.standby else "primary",
            lag_s=health.lag_s(self.primary.health) if health.standby else None,
            server_version=target.version,
            latency_ms=health.latency_ms,
            last_error=target.last_error,
            note=self._note(target) if replica else None,
        )

    def _note(self, replica: Target) -> str | None:
        """Tell why a replica that answers is not read: another database's catalog would judge its statements."""
        if replica.health is not None and not replica.health.standby:
            return "not read: configured as a replica, but it is no standby"
        known = next((target.identity for target in self.targets if target.identity), replica.identity)
        if replica.identity != known:
            return f"not read: another cluster, database, role or search path than {self.primary.name}'s"
        return None


def _is_replicas_fault(exc: WardenError) -> bool:
    if isinstance(exc, (UnavailableError, ConnectionLostError)):
        return True
    return exc.details.get("sqlstate") == RECOVERY_CONFLICT
