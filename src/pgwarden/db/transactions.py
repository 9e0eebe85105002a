"""The interactive transactions of one database: begun under a cap, found by their ids, remembered for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgwarden.db import errors, guc
from pgwarden.db.change import Fate
from pgwarden.db.link import BrokenError, Link, Step
from pgwarden.db.outcome import Ended, Manner, gone
from pgwarden.db.routing import Router
from pgwarden.db.session import Session
from pgwarden.db.transaction import Transaction
from pgwarden.db.write import BEGIN_AT, Isolation
from pgwarden.errors import ArgumentError, NotFoundError, TransactionError
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from pgwarden.db.database import Database
    from pgwarden.db.inside import Inside, Seen

_REMEMBERED = 64
"""Transactions that have ended of which is still known how."""


class Transactions:
    """Begins, finds and ends them."""

    def __init__(self, database: Database, router: Router, limits: LimitSettings) -> None:
        """Take the database that they are of.

        Args:
            database: Reads for those that have changed no definitions.
            router: Has the primary's pool, and is told what was committed.
            limits: How many there may be, and how long they may stand.
        """
        self._database = database
        self._router = router
        self._limits = limits
        self._open: dict[str, Inside] = {}
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._beginning = 0
        self._closed = False

    @property
    def open(self) -> Mapping[str, Inside]:
        """Those that stand, by id."""
        return self._open

    @property
    def most(self) -> int:
        """How many may stand at once: one connection is always left for everything else."""
        return min(self._limits.max_transactions, self._database.pool_max - 1)

    async def begin(self, isolation: Isolation, *, read_only: bool, deferrable: bool) -> Transaction:
        """Begin one on the primary.

        Args:
            isolation: Of the transaction.
            read_only: Whether nothing can be changed in it.
            deferrable: Whether to wait for a snapshot that needs no checks; of serializable ones that only read.

        Raises:
            ArgumentError: It cannot be deferrable.
            TransactionError: There are as many as may be (`too_many_transactions`).
            ScopeError: The token does not grant it.
            DatabaseError: No connection could be made.
        """
        if deferrable and not (read_only and isolation == "serializable"):
            raise ArgumentError(
                "deferrable is for serializable transactions that are read_only.",
                hint='Add isolation="serializable" and read_only=true, or leave deferrable out.',
            )
        await self._database.check("database:read" if read_only else "database:write")
        self._take_place()
        try:
            seen = await self._definitions(fresh=isolation != "read committed")
            limits = self._limits
            times = limits.statement_timeout, limits.transaction_idle, limits.transaction_lifetime
            return await self._database.shielded(self._begin(Manner(isolation, read_only, deferrable, *times), seen))
        finally:
            self._beginning -= 1

    def inside(self, transaction_id: str) -> Inside:
        """Return the database within a transaction.

        Raises:
            TransactionError: It has ended (`transaction_gone`).
            NotFoundError: There was none of this id, or it ended long ago.
        """
        if (found := self._open.get(transaction_id)) is not None:
            return found
        if (ended := self._ended.get(transaction_id)) is not None:
            raise gone(ended)
        raise NotFoundError(
            f"There is no transaction {transaction_id[:64]!r}.",
            code="transaction_not_found",
            hint="begin_transaction returns an id; get_transaction_status lists those that stand. One is known on its "
            "own connection alone, and is rolled back when that is closed or replaced.",
        )

    def ended(self, transaction_id: str) -> Ended | None:
        """Return how a transaction ended, where that is still known."""
        return self._ended.get(transaction_id)

    async def commit(self, transaction: Transaction) -> None:
        """Commit one; replicas are read again when they have replayed it.

        Raises:
            QueryError: The server refused, and rolled back.
            OutcomeUnknownError: The connection broke meanwhile.
            TransactionError: It is gone.
        """

        async def work(fate: Fate) -> None:
            with self._router.writing(fate) as wrote:
                wrote.position = await transaction.commit(fate, locate=self._router.locates)

        await self._database.settle(work, rows_only=not transaction.defined)

    async def roll_back(self, transaction: Transaction, why: str, *, automatic: bool = False) -> None:
        """Roll one back, whatever it is doing.

        Raises:
            TransactionError: It is being committed, or was.
        """
        work = transaction.stop(Ended(transaction.id, "rolled back", why, automatic))
        await (work if self._closed else self._database.shielded(work))
        if transaction.ended is None or transaction.ended.outcome != "rolled back":
            raise gone(transaction.ended or Ended(transaction.id, "unknown", "it is being committed"))

    async def close(self) -> None:
        """Roll all of them back."""
        self._closed = True
        why = "the server was stopped, its client had gone, or the connection was closed"
        found = [each.transaction for each in self._open.values()]
        await asyncio.gather(*(self.roll_back(each, why, automatic=True) for each in found), return_exceptions=True)

    def _take_place(self) -> None:
        if self._closed:
            raise TransactionError("The database is closed.")
        if self.most <= 0:
            raise TransactionError(
                "No interactive transactions here.",
                code="too_many_transactions",
                hint="PGWARDEN_MAX_TRANSACTIONS is 0, or PGWARDEN_POOL_MAX leaves no connection for them.",
            )
        if len(self._open) + self._beginning >= self.most:
            raise TransactionError(
                f"{self.most} transactions stand, and no more may.",
                code="too_many_transactions",
                hint="Commit or roll back one: get_transaction_status lists them. The limits are "
                "PGWARDEN_MAX_TRANSACTIONS and one less than PGWARDEN_POOL_MAX.",
                details={"transactions": [*self._open]},
            )
        self._beginning += 1

    async def _definitions(self, *, fresh: bool) -> Seen:
        """Return what is known of the definitions now; asked anew where the transaction's snapshot will hide others."""
        if fresh:
            self._database.forget()
        return await self._database.catalog(), await self._database.bound()

    async def _begin(self, manner: Manner, seen: Seen) -> Transaction:
        pool = self._router.primary.pool
        for attempt in range(2):
            link = await pool.acquire()
            try:
                return await self._on(link, manner, seen)
            except BrokenError as exc:
                # After a restart every idle link is as dead as this one was.
                link.close()
                pool.release(link)
                pool.clear()
                if attempt:
                    raise errors.lost(str(exc), "Nothing was changed; repeat the call.") from None
            except BaseException:
                await link.abort()
                pool.release(link)
                raise
        raise AssertionError

    async def _on(self, link: Link, manner: Manner, seen: Seen) -> Transaction:
        from pgwarden.db.inside import Inside

        session = Session(
            link,
            self._database.blocks,
            lock_timeout_s=self._limits.lock_timeout,
            checks_client=self._router.primary.pool.checks_client,
            begin=(_begin(manner),),
            idle_s=manner.idle_s + guc.GRACE_S,
            transaction_s=manner.lifetime_s + guc.GRACE_S,
            recorder=self._database.recorder,
        )
        if manner.deferrable:
            # The first snapshot may be long in coming, and must not take longer than a statement may.
            await session.prepare(manner.timeout_s)
        await session.run((), manner.timeout_s)
        found = await session.query("transaction_begun", (), manner.timeout_s)
        if self._closed:
            raise TransactionError("The database is closed.")
        transaction = Transaction(session, manner, int(found.rows[0][0] or 0), self._forget, self._database.shielded)
        self._open[transaction.id] = Inside(self._database, transaction, seen)
        return transaction

    def _forget(self, transaction: Transaction, ended: Ended) -> None:
        self._open.pop(transaction.id, None)
        self._ended[transaction.id] = ended
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        self._router.primary.pool.release(transaction.session.link)
        if self._database.on_transaction_end is not None:
            self._database.on_transaction_end(ended)


def _begin(manner: Manner) -> Step:
    read_only = b" READ ONLY" if manner.read_only else b""
    return Step(BEGIN_AT[manner.isolation].text + read_only + (b" DEFERRABLE" if manner.deferrable else b""))
