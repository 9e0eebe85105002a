"""The database: every read and every change of every tool goes through here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from pgwarden.db import planning, roles
from pgwarden.db.blocks import Blocks, Parameters
from pgwarden.db.catalog import CatalogCache
from pgwarden.db.change import Change, Done, Fate, rows_only
from pgwarden.db.cursor import Collector, Keeper
from pgwarden.db.export import Exporter, Order, Progress
from pgwarden.db.hiding import veils
from pgwarden.db.objects import Bound, ObjectCache
from pgwarden.db.pool import Pool
from pgwarden.db.read import Reader, Request
from pgwarden.db.recent import Recent
from pgwarden.db.recorder import Recorder
from pgwarden.db.routing import Router, Target
from pgwarden.db.servers import Servers
from pgwarden.db.session import Session
from pgwarden.db.statements import Statements
from pgwarden.db.tasks import Tasks
from pgwarden.db.types import TypeNames
from pgwarden.db.watchdog import Watchdog
from pgwarden.db.write import Isolation, Terms, Writer
from pgwarden.errors import DatabaseError, PolicyError, QueryError
from pgwarden.guard.catalog import Catalog
from pgwarden.policy.objects import ObjectRules, hides_database
from pgwarden.policy.scopes import UNLIMITED, Scopes
from pgwarden.results import Cell, Column, Rows, Written
from pgwarden.settings import ConnectionSettings, LimitSettings

if TYPE_CHECKING:
    from pgwarden.db.capture import Capture
    from pgwarden.db.outcome import Ended
    from pgwarden.db.transaction import Transaction
    from pgwarden.db.transactions import Transactions
    from pgwarden.exports import Sink
    from pgwarden.guard.shields import Masking

log = logging.getLogger(__name__)

_TEND_S = 30.0
"""Seconds between two rounds of closing old links where the watchdog is off."""

READ_SCOPE = "database:read"
FATES = {
    "unchanged": "Nothing was changed.",
    "unknown": "The server had not answered: the change may or may not have been made.",
    "changed": "The change had been made already.",
}
"""The notes of a cancelled write."""

T = TypeVar("T")


class Database:
    """A primary and its replicas, read and changed safely. For the event loop that first uses it.

    Every read runs in a READ ONLY transaction of its own that is rolled back (`link.py`), every change in one that is
    looked at before it is committed (`write.py`). Cancelling the caller ends the statement on the server. The role's
    own search_path stays in force: tables are found by it, and the guard's catalog is read by the same one, so that
    both mean the same objects; that the guard looks at every user function on it is why a writable schema there does
    no harm.

    Attributes:
        transaction: The interactive transaction that everything runs in; None: each statement in one of its own.
    """

    transaction: Transaction | None = None

    def __init__(
        self,
        connection: ConnectionSettings,
        limits: LimitSettings,
        *,
        conninfo: str | None = None,
        require_least_privilege: bool = False,
        writes: bool = False,
        scopes: Scopes = UNLIMITED,
        rules: ObjectRules | None = None,
        mask_key: bytes = b"",
        database: str = "",
        recorder: Recorder | None = None,
    ) -> None:
        """Describe the database. Nothing connects before the first read.

        Args:
            connection: Where it is, and how connections are kept.
            limits: Caps that hold where a call names none.
            conninfo: In place of connection.database_url; where there is neither, libpq's PG* variables.
            require_least_privilege: Refuse everything while the role could do more than the profile.
            writes: Whether the profile lets statements change something; else a role that could is too powerful.
            scopes: What the caller's token grants; whatever is asked here is measured by it.
            rules: The policy's rules about objects; what they hide is left out of every answer of our own SQL.
            mask_key: The secret of the mask "hash".
            database: The database's name, in place of the one that the connection names.
            recorder: Keeps rows as they were before changes; None: nothing does.
        """
        self.recorder = recorder
        self._name = database
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
        # What callers run may wait for a lock of a transaction that stands. Its own statements take no turn, and what
        # is asked to judge them takes none either, and finds a connection: else nothing could free the lock.
        standing = min(limits.max_transactions, connection.pool_max - 1) if writes else 0
        turns = max(1, min(limits.max_concurrency, connection.pool_max - standing - writes))
        self._turns = asyncio.Semaphore(turns)
        # An export may take minutes, in which other calls go on.
        self._exports = asyncio.Semaphore(max(1, turns - 1))
        self._tasks = Tasks()
        pings_s = connection.watchdog_interval
        self.servers = Servers(self._router, self._watchdog, scopes, self._turns, self._tasks, pings_s)
        self._types = TypeNames()
        self._catalog = CatalogCache()
        self._recent = Recent()
        self._rules = rules or ObjectRules()
        self._has_rules = bool(self._rules)
        self._mask_key = mask_key
        self._objects = ObjectCache(self._rules, mask_key)
        self._database_checked = not self._rules.hides
        self._learned: Catalog | None = None
        self._require_least_privilege = require_least_privilege
        self._writes = writes
        self._scopes = scopes
        self._role: roles.RoleReport | None = None
        self.pool_max = connection.pool_max
        self.on_transaction_end: Callable[[Ended], None] | None = None
        """Told of every interactive transaction that has ended."""
        self._transactions: Transactions | None = None

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
        masking: Masking | None = None,
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
            masking: What the guard's verdict says is to be bound and masked.

        Returns:
            Rows whose `truncated` says which cap ended them.

        Raises:
            UnavailableError: No connection could be made; the code is the cause.
            ConnectionLostError: It broke, and again when the read was repeated.
            StatementTimeoutError: `timeout_s` was up.
            QueryError: PostgreSQL refused the statement. `details` has `sqlstate`, and `position` in `statement`.
            PolicyError: The role could do more than its profile, and the policy requires that it cannot; or the token
                lacks the scope database:read (ScopeError).
        """
        await self._check()
        request = Request(
            statement,
            params,
            timeout_s,
            prepared=prepare,
            wrap=wrap,
            limit=limit,
            offset=offset,
            max_bytes=max_bytes,
            masking=masking,
        )
        return await self._rows(request, primary=primary)

    async def write(
        self,
        statement: str,
        params: Sequence[object] = (),
        *,
        limit: int,
        max_bytes: int,
        timeout_s: float,
        max_affected: int | None,
        dry_run: bool = False,
        in_transaction: bool = True,
        masking: Masking | None = None,
        scope: str = "database:write",
        capture: Capture | None = None,
    ) -> Written:
        """Run a change that the guard has let through, on the primary and never twice; committed when this returns.

        A cancellation that comes when COMMIT was sent waits shortly for the answer; the CancelledError has a note
        (`__notes__`) that says what became of the change.

        Args:
            statement: One statement; the text reaches the server byte for byte.
            params: Values of `$1`, `$2`, ...
            limit: Rows of RETURNING that are kept at most.
            max_bytes: Bytes of their values at most; the first row is kept all the same.
            timeout_s: Seconds that the statement may take on the server, and again its deferred triggers.
            max_affected: Rows that may be affected at most, those of triggers and cascades among them; None: any
                number. Not counted outside a transaction.
            dry_run: Roll back instead of committing.
            in_transaction: False for what PostgreSQL refuses in a transaction: it takes effect as it runs.
            masking: What the guard's verdict says is to be bound and masked.
            scope: What the token has to grant.
            capture: What to keep of its rows, so that it can be undone; nothing in a dry run.

        Raises:
            ScopeError: The token does not grant it.
            UnavailableError: No connection could be made.
            ConnectionLostError: It broke, and nothing was changed.
            OutcomeUnknownError: It broke while the change was being committed, or in the middle of what has no
                transaction.
            StatementTimeoutError: `timeout_s` was up; nothing was changed.
            TooManyRowsError: More rows were affected than allowed; it was rolled back.
            QueryError: The server refused it; nothing was changed. `retryable` where another transaction was in the
                way.
            ArgumentError: A dry run of what cannot run in a transaction (`no_dry_run`), or a value cannot be sent.
            PolicyError: as `read`.
        """
        await self._check(scope)
        return await self._change(
            Change(
                statement, params, limit, max_bytes, timeout_s, max_affected, dry_run, in_transaction, masking, capture
            )
        )

    async def transact(
        self,
        work: Callable[[Statements], Awaitable[None]],
        *,
        timeout_s: float,
        max_affected: int | None,
        isolation: Isolation = "serializable",
        dry_run: bool = False,
        scope: str = "database:write",
    ) -> list[Written]:
        """Run several statements that the guard has let through as one transaction, all or nothing.

        Where another transaction is in the way (40001, 40P01) everything was rolled back, and `work` runs again from
        its start, at most 3 times. Deferrable constraints are checked at the end.

        Args:
            work: Runs the statements, one after the other. It must keep nothing of a run that failed.
            timeout_s: Seconds for the check of constraints and for COMMIT; each statement brings its own.
            max_affected: Rows that all of it may affect at most; None: any number.
            isolation: Of the transaction.
            dry_run: Roll back instead of committing.
            scope: What the token has to grant.

        Returns:
            What each statement did.

        Raises:
            DatabaseError, PolicyError: as `write`.
            Exception: whatever `work` raises; nothing was changed then.
        """
        await self._check(scope)
        terms = Terms(timeout_s, max_affected, isolation, dry_run)

        async def run(session: Session) -> list[Done]:
            statements = Statements(session)
            await work(statements)
            return statements.done

        with self._fate(rows_only=True) as fate:
            async with self._turns:
                done = await self._tasks.run(self._router.transact(run, terms, fate))
            return [await self._written(each, dry_run=dry_run) for each in done]

    async def export(
        self,
        statement: str,
        params: Sequence[object] = (),
        *,
        sink: Sink,
        timeout_s: float,
        max_rows: int | None = None,
        masking: Masking | None = None,
        progress: Progress | None = None,
    ) -> tuple[tuple[Column, ...], int]:
        """Run a query that the guard has let through, as `read` does, and pass all of its rows on while they come.

        Args:
            statement: One query, which can stand in FROM.
            params: Values of `$1`, `$2`, ...
            sink: Takes the rows, in threads; what it raises ends the statement.
            timeout_s: Seconds that the statement may take on the server, which waits for the sink.
            max_rows: Rows at most; more are an error. None: any number.
            masking: What the guard's verdict says is to be bound and masked.
            progress: Awaited now and then with the number of rows passed on so far.

        Returns:
            The columns, and the number of rows.

        Raises:
            ExportError: There are more than `max_rows`, or the sink raises it.
            DatabaseError, PolicyError: as `read`; once the sink has begun nothing is repeated.
        """
        await self._check()
        order = Order(statement, params, sink, timeout_s, max_rows, masking, progress)
        self._watchdog.wake()
        async with self._exports, self._turns:
            done = await self._tasks.run(self._router.export(order))
        types = await self._types.of([field.oid for field in done.fields], self._lookup_types)
        columns = (Column(field.name, type_) for field, type_ in zip(done.fields, types, strict=True))
        return tuple(columns), done.count

    async def estimate(
        self,
        statement: str,
        params: Sequence[str | None] | None,
        *,
        masking: Masking | None = None,
        timeout_s: float,
    ) -> tuple[float, float]:
        """Return how many rows the planner expects of a statement, and its total cost; nothing runs.

        Args:
            statement: A query or a change of rows that the guard has let through, as EXPLAIN may show it: the verdict's
                `plannable`, which needs none of the parameters that masks bind.
            params: Values of its parameters; None: planned for any values.
            masking: The verdict's; says whether errors may quote values.
            timeout_s: Seconds that planning may take.

        Raises:
            DatabaseError, PolicyError: as `read`.
        """
        masking = replace(masking, parameters=()) if masking else None
        text, prepared = planning.statement(statement, generic=params is None)
        try:
            rows = await self.read(
                text,
                params or (),
                wrap=False,
                limit=1,
                max_bytes=planning.MAX_BYTES,
                timeout_s=timeout_s,
                prepare=prepared,
                masking=masking,
            )
        except QueryError as exc:
            raise planning.located(exc, prepared) from None
        return planning.expected(rows.rows[0][0])

    async def query(
        self,
        block: str,
        params: Parameters | None = None,
        *,
        limit: int | None = None,
        max_bytes: int | None = None,
        timeout_s: float | None = None,
        primary: bool = False,
        queued: bool = True,
    ) -> Rows:
        """Run a named block of our own SQL.

        Args:
            block: Its name in `sql/*.sql`.
            params: Values by name, or of `$1`, `$2`, ... where the block has those.
            limit: Rows at most; None: all.
            max_bytes: Bytes of values at most; None: no cap.
            timeout_s: Seconds; None: the policy's.
            primary: Never ask a replica.
            queued: Whether to wait for a turn; those who have one may wait for the lock that is asked about.

        Raises:
            DatabaseError, PolicyError: as `read`.
            NotSupportedError: The block has no variant for this server.
            InternalError: There is no such block, or a parameter is missing.
        """
        await self._check()
        timeout = self._limits.statement_timeout if timeout_s is None else timeout_s
        bound = await self.bound() if veils(block) else None
        request = Request(
            block,
            params or (),
            timeout,
            block=True,
            limit=limit,
            max_bytes=max_bytes,
            hiding=bound.hiding if bound else None,
        )
        return await self._as_rows(await self._collect(request, primary=primary, ours=not queued))

    async def json(self, block: str, params: Parameters | None = None) -> Any:
        """Run a named block that returns one JSON value, and return it parsed; None where there is no row.

        Raises:
            DatabaseError, PolicyError, NotSupportedError, InternalError: as `query`.
        """
        rows = (await self.query(block, params)).rows
        return json.loads(rows[0][0]) if rows and rows[0][0] is not None else None

    async def recent(self, block: str, params: Mapping[str, object]) -> Any:
        """Return what `json` does, or did up to two seconds ago; not what was before a definition made from here.

        Raises:
            DatabaseError, PolicyError, NotSupportedError, InternalError: as `query`.
        """
        await self._check()
        return await self._recent.get((block, repr(params)), partial(self.json, block, params))

    async def catalog(self) -> Catalog:
        """Return what the guard must know of the database; the same object while nothing changed.

        Raises:
            DatabaseError: It cannot be read; nothing should be let through then.
            PolicyError: as `read`.
        """
        await self._check()
        catalog = await self._catalog.get(self._fetch)
        first = self._learned is None
        if catalog is not self._learned:
            self._types.learn(catalog.type_names)
            self._learned = catalog
        if first:
            for warning in (await self.role()).warnings:
                log.warning("%s", warning)
        return catalog

    async def relation_ids(self, names: Sequence[tuple[str, str]]) -> list[str]:
        """Return the object ids of relations by schema and name; empty where there is none.

        Raises:
            DatabaseError: They cannot be asked for.
        """
        schemas, tables = [schema for schema, _ in names], [name for _, name in names]
        return [oid or "" for (oid,) in await self._fetch("relation_ids", (schemas, tables))]

    @property
    def known(self) -> Catalog | None:
        """The catalog as it was last looked at; the same object while nothing changed. None: it was not yet."""
        return self._learned

    async def bound(self) -> Bound | None:
        """Return the policy's rules bound to this database's objects; None where there are no rules.

        Raises:
            DatabaseError: The catalog cannot be read; nothing should be let through then.
            PolicyError: The rules hide this very database; or as `read`.
        """
        if not self._has_rules:
            return None
        await self._check()
        if not self._database_checked:
            [[name]] = await self._fetch("objects_database", ())
            if hides_database(self._rules, name or ""):
                raise PolicyError(
                    "The policy does not allow the database that is connected to.",
                    hint="The owner of the server has to change its `databases`, or the connection.",
                )
            self._database_checked = True
        return await self._objects.get(self._fetch)

    @property
    def transactions(self) -> Transactions:
        """The interactive transactions."""
        if self._transactions is None:
            from pgwarden.db.transactions import Transactions

            self._transactions = Transactions(self, self._router, self._limits)
        return self._transactions

    async def role(self) -> roles.RoleReport:
        """Return what the connected role could do beyond its profile; asked once.

        Raises:
            DatabaseError: It cannot be asked.
            ScopeError: The token lacks the scope database:read.
        """
        self._scopes.require(READ_SCOPE)
        if self._role is None:
            found = await self._collect(self._ours("role", {}), primary=False, ours=True)
            row = dict(zip(found.names, found.rows[0], strict=True))
            self._role = roles.excess(roles.report(row), writes=self._writes)
        return self._role

    async def close(self) -> None:
        """End running statements on the server and close every connection; takes 2 seconds at most."""
        with anyio.CancelScope(shield=True):
            await self._watchdog.stop()
            await self._tasks.end()
            if self._transactions is not None:
                await self._transactions.close()
            await self._router.close()

    def _target(self, name: str, conninfo: str, connection: ConnectionSettings) -> Target:
        pool = Pool(conninfo, connection, self._name)
        parts = (pool, self._limits, self.blocks)
        return Target(name, pool, Reader(*parts), Writer(*parts, self.recorder), Exporter(pool, self._limits))

    async def check(self, scope: str) -> None:
        """Do nothing where the token grants a scope, and the role is not too powerful.

        Raises:
            ScopeError: The token does not grant it.
            PolicyError: as `read`.
        """
        await self._check(scope)

    def forget(self) -> None:
        """Ask anew for definitions when they are next needed."""
        self._catalog.forget()
        self._objects.forget()
        self._recent.forget()

    async def shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work that a cancellation must reach exactly once, and that the end of the database cancels."""
        return await self._tasks.run(work)

    async def settle(self, work: Callable[[Fate], Coroutine[Any, Any, T]], *, rows_only: bool) -> T:
        """Run the end of a transaction, shielded as `write` is; a cancellation says what became of it.

        Args:
            work: Ends it, and keeps its Fate true.
            rows_only: Whether no definitions were changed.
        """
        with self._fate(rows_only) as fate:
            return await self._tasks.run(work(fate))

    async def _check(self, scope: str = READ_SCOPE) -> None:
        self._scopes.require(scope)
        if self._require_least_privilege:
            roles.require_least_privilege(await self.role(), writes=self._writes)

    async def _change(self, change: Change) -> Written:
        with self._fate(rows_only(change.statement)) as fate:
            async with self._turns:
                done = await self._tasks.run(self._router.write(change, fate))
            return await self._written(done, dry_run=change.dry_run)

    @contextmanager
    def _fate(self, rows_only: bool) -> Iterator[Fate]:
        """Say in a cancellation what became of a change; forget what was known where definitions may have changed."""
        fate = Fate()
        self._watchdog.wake()
        try:
            yield fate
        except asyncio.CancelledError as exc:
            exc.add_note(FATES[fate.state])
            raise
        finally:
            if fate.state != "unchanged" and not rows_only:
                self.forget()

    async def _written(self, done: Done, *, dry_run: bool) -> Written:
        return Written(
            done.rows.tag,
            done.affected,
            await self._returned(done.rows),
            rolled_back=dry_run,
            notices=done.notices,
            touched=done.touched,
            change=done.id,
            kept_not=done.taken.problem if done.taken else "",
        )

    async def _returned(self, found: Keeper) -> Rows | None:
        """Return the rows of a change; None where it returns none."""
        if not found.types:
            return None
        try:
            return await self._as_rows(found)
        except DatabaseError:
            # The change is made: that the name of a type cannot be asked for must not hide it.
            columns = tuple(Column(name, "unknown") for name in found.names)
            return Rows(columns, found.rows, truncated=found.truncated)

    async def _rows(self, request: Request, *, primary: bool = False) -> Rows:
        return await self._as_rows(await self._collect(request, primary=primary))

    async def _as_rows(self, found: Collector) -> Rows:
        types = await self._types.of(found.types, self._lookup_types)
        columns = tuple(Column(name, type_) for name, type_ in zip(found.names, types, strict=True))
        return Rows(columns, found.rows, truncated=found.truncated)

    async def _collect(self, request: Request, *, primary: bool, ours: bool = False) -> Collector:
        self._watchdog.wake()
        async with nullcontext() if ours else self._turns:
            return await self._tasks.run(self._router.run(request, primary=primary))

    def _ours(self, block: str, params: Parameters) -> Request:
        return Request(block, params, self._limits.statement_timeout, block=True)

    async def _fetch(self, block: str, params: Sequence[object]) -> list[tuple[Cell, ...]]:
        return (await self._collect(self._ours(block, params), primary=False, ours=True)).rows

    async def _lookup_types(self, oids: Sequence[int]) -> list[tuple[Cell, ...]]:
        return await self._fetch("type_names", ([*oids],))
