"""The database: every read of every tool goes through here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import anyio

from pgwarden.db import roles
from pgwarden.db.blocks import Blocks, Parameters
from pgwarden.db.catalog import CatalogCache
from pgwarden.db.cursor import Collector
from pgwarden.db.pool import Pool
from pgwarden.db.read import Reader, Request
from pgwarden.db.routing import Router, Target, TargetStatus
from pgwarden.db.types import TypeNames
from pgwarden.db.watchdog import Watchdog
from pgwarden.errors import DatabaseError
from pgwarden.guard.catalog import Catalog
from pgwarden.results import Cell, Column, Rows
from pgwarden.settings import ConnectionSettings, LimitSettings

log = logging.getLogger(__name__)

_CANCEL_S = 1.5
"""Seconds that a cancelled call waits for its statement to end on the server."""
_TEND_S = 30.0
"""Seconds between two rounds of closing old links where the watchdog is off."""

T = TypeVar("T")


class Database:
    """A primary and its replicas, read safely. For the event loop that first uses it.

    Every read runs in a READ ONLY transaction of its own that is rolled back (`link.py`). Cancelling the caller ends
    the statement on the server. The role's own search_path stays in force: tables are found by it, and the guard's
    catalog is read by the same one, so that both mean the same objects; that the guard looks at every user function
    on it is why a writable schema there does no harm.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        limits: LimitSettings,
        *,
        conninfo: str | None = None,
        require_least_privilege: bool = False,
    ) -> None:
        """Describe the database. Nothing connects before the first read.

        Args:
            connection: Where it is, and how connections are kept.
            limits: Caps that hold where a call names none.
            conninfo: In place of connection.database_url; where there is neither, libpq's PG* variables.
            require_least_privilege: Refuse every read while the role could do more than read.
        """
        self.blocks = Blocks()
        self._limits = limits
        given = connection.database_url.get_secret_value() if connection.database_url else ""
        primary = self._target("primary", given if conninfo is None else conninfo, connection)
        # Instead of waiting for a replica that is away, the primary is asked.
        hasty = connection.model_copy(update={"retry_attempts": 1})
        replicas = [
            self._target(f"replica-{number}", url.get_secret_value(), hasty)
            for number, url in enumerate(connection.replica_urls, 1)
        ]
        self._router = Router(primary, replicas, connection.replica_max_lag)
        tend = [target.pool.tend for target in self._router.targets]
        self._watchdog = Watchdog(tend, connection.watchdog_interval or _TEND_S)
        self._turns = asyncio.Semaphore(limits.max_concurrency)
        self._running: set[asyncio.Task[Any]] = set()
        self._types = TypeNames()
        self._catalog = CatalogCache()
        self._learned: Catalog | None = None
        self._require_least_privilege = require_least_privilege
        self._role: roles.RoleReport | None = None
        self._closed = False

    async def read(
        self,
        statement: str,
        params: Sequence[object] = (),
        *,
        wrap: bool,
        limit: int,
        offset: int = 0,
        max_bytes: int,
        timeout_s: float,
        prepare: str = "",
        primary: bool = False,
    ) -> Rows:
        """Run a statement that the guard has let through; the text reaches the server byte for byte.

        Args:
            statement: One statement.
            params: Values of `$1`, `$2`, ...
            wrap: Whether it can stand in FROM: SELECT, VALUES and TABLE can, SHOW and EXPLAIN cannot. Only then the
                server itself stops at the cap, and `offset` counts.
            limit: Rows at most.
            offset: Rows to skip.
            max_bytes: Bytes of values at most; the first row is returned all the same, unless it takes hundreds of MB.
            timeout_s: Seconds that the statement may take on the server.
            prepare: A statement that the guard has let through, for `statement` to name as `judged`: it is prepared
                first and planned without the values of its parameters. `params` is not used then.
            primary: Never ask a replica.

        Returns:
            Rows whose `truncated` says which cap ended them.

        Raises:
            UnavailableError: No connection could be made; the code is the cause.
            ConnectionLostError: It broke, and again when the read was repeated.
            StatementTimeoutError: `timeout_s` was up.
            QueryError: PostgreSQL refused the statement. `details` has `sqlstate`, and `position` in `statement`.
            PolicyError: The role could do more than read, and the policy requires that it cannot.
        """
        await self._check_role()
        request = Request(
            statement,
            params,
            timeout_s,
            prepared=prepare,
            wrap=wrap,
            limit=limit,
            offset=offset,
            max_bytes=max_bytes,
        )
        return await self._rows(request, primary=primary)

    async def query(
        self,
        block: str,
        params: Parameters | None = None,
        *,
        limit: int | None = None,
        max_bytes: int | None = None,
        timeout_s: float | None = None,
    ) -> Rows:
        """Run a named block of our own SQL.

        Args:
            block: Its name in `sql/*.sql`.
            params: Values by name, or of `$1`, `$2`, ... where the block has those.
            limit: Rows at most; None: all.
            max_bytes: Bytes of values at most; None: no cap.
            timeout_s: Seconds; None: the policy's.

        Raises:
            DatabaseError, PolicyError: as `read`.
            NotSupportedError: The block has no variant for this server.
            InternalError: There is no such block, or a parameter is missing.
        """
        await self._check_role()
        timeout = self._limits.statement_timeout if timeout_s is None else timeout_s
        request = Request(block, params or (), timeout, block=True, limit=limit, max_bytes=max_bytes)
        return await self._rows(request)

    async def json(self, block: str, params: Parameters | None = None) -> Any:
        """Run a named block that returns one JSON value, and return it parsed; None where there is no row.

        Raises:
            DatabaseError, PolicyError, NotSupportedError, InternalError: as `query`.
        """
        rows = (await self.query(block, params)).rows
        return json.loads(rows[0][0]) if rows and rows[0][0] is not None else None

    async def catalog(self) -> Catalog:
        """Return what the guard must know of the database; the same object while nothing changed.

        Raises:
            DatabaseError: It cannot be read; nothing should be let through then.
            PolicyError: as `read`.
        """
        await self._check_role()
        catalog = await self._catalog.get(self._fetch)
        first = self._learned is None
        if catalog is not self._learned:
            self._types.learn(catalog.type_names)
            self._learned = catalog
        if first:
            for warning in (await self.role()).warnings:
                log.warning("%s", warning)
        return catalog

    async def role(self) -> roles.RoleReport:
        """Return what the connected role could do; asked once.

        Raises:
            DatabaseError: It cannot be asked.
        """
        if self._role is None:
            found = await self._collect(self._ours("role", {}), primary=False)
            self._role = roles.report(dict(zip(found.names, found.rows[0], strict=True)))
        return self._role

    @property
    def replicated(self) -> bool:
        """Whether replicas are configured."""
        return bool(self._router.replicas)

    async def status(self) -> list[TargetStatus]:
        """Ask every server how it is, the primary first. Never raises for one that does not answer."""
        self._watchdog.wake()
        return await self._shielded(self._router.status())

    async def close(self) -> None:
        """End running statements on the server and close every connection; takes 2 seconds at most."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            await self._watchdog.stop()
            for task in list(self._running):
                task.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=_CANCEL_S)
            await self._router.close()

    def _target(self, name: str, conninfo: str, connection: ConnectionSettings) -> Target:
        pool = Pool(conninfo, connection)
        return Target(name, pool, Reader(pool, self._limits, self.blocks))

    async def _check_role(self) -> None:
        if self._require_least_privilege:
            roles.require_least_privilege(await self.role())

    async def _rows(self, request: Request, *, primary: bool = False) -> Rows:
        found = await self._collect(request, primary=primary)
        types = await self._types.of(found.types, self._lookup_types)
        columns = tuple(Column(name, type_) for name, type_ in zip(found.names, types, strict=True))
        return Rows(columns, found.rows, truncated=found.truncated)

    async def _collect(self, request: Request, *, primary: bool) -> Collector:
        self._watchdog.wake()
        async with self._turns:
            return await self._shielded(self._router.run(request, primary=primary))

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work in a task of its own, that a cancellation reaches exactly once.

        anyio cancels again at every await, which would interrupt the cancelling of the statement itself.
        """
        if self._closed:
            work.close()
            raise DatabaseError("The database is closed.")
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not _cancelled():
                # Not the caller: `close` has ended the task.
                raise DatabaseError("The database was closed.") from None
            with anyio.CancelScope(shield=True):
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCEL_S)
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: the caller may be gone.

    def _ours(self, block: str, params: Parameters) -> Request:
        return Request(block, params, self._limits.statement_timeout, block=True)

    async def _fetch(self, block: str, params: Sequence[object]) -> list[tuple[Cell, ...]]:
        return (await self._collect(self._ours(block, params), primary=False)).rows

    async def _lookup_types(self, oids: Sequence[int]) -> list[tuple[Cell, ...]]:
        return await self._fetch("type_names", ([*oids],))


def _cancelled() -> bool:
    """Tell whether the current task is being cancelled, by asyncio or anyio."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
