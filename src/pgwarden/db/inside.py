"""The database as an interactive transaction sees it: what a call in the transaction is given in the database's place.

Reads and changes go through the transaction's own session. So do the guard's catalog and the bound rules once a change
of definitions has run in it; they are kept here, and nobody else sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pgwarden.db.catalog import CatalogCache
from pgwarden.db.change import Change
from pgwarden.db.cursor import Collector
from pgwarden.db.database import Database
from pgwarden.db.objects import Bound, ObjectCache
from pgwarden.db.outcome import not_inside
from pgwarden.db.read import Request
from pgwarden.db.recent import Recent
from pgwarden.db.roles import RoleReport
from pgwarden.db.statements import Statements
from pgwarden.db.transaction import RAN, Transaction
from pgwarden.db.transactions import Transactions
from pgwarden.db.types import TypeNames
from pgwarden.errors import TransactionError
from pgwarden.guard.catalog import Catalog
from pgwarden.results import Written

UNSURE = "get_transaction_status tells whether it is in the transaction."
"""What is said of a change whose call was cancelled while nothing is known of it."""

Seen = tuple[Catalog, Bound | None]


class Inside(Database):
    """A database within one transaction."""

    transaction: Transaction

    def __init__(self, outer: Database, transaction: Transaction, seen: Seen) -> None:
        """Take a transaction of a database.

        Args:
            outer: The database; its pools, rules and scopes are this one's. What runs in here takes no turn: those who
                have one may wait for a lock that the transaction holds.
            transaction: The transaction.
            seen: The definitions as they were known before the transaction took its snapshot.
        """
        vars(self).update(vars(outer))
        self._outer = outer
        self.transaction = transaction
        self._seen = seen
        self._definitions = 0
        # What is learned in here may never be committed.
        self._recent = Recent()

    @property
    def transactions(self) -> Transactions:
        """All interactive transactions of the database."""
        return self._outer.transactions

    async def catalog(self) -> Catalog:
        """Return what the guard must know, with what the transaction has defined itself."""
        outer = await self._outer.catalog()
        if not self.transaction.defined:
            return outer
        self._check_snapshot(outer is self._seen[0])
        self._renew()
        catalog = await self._catalog.get(self._fetch)
        self._types.learn(catalog.type_names)
        return catalog

    async def bound(self) -> Bound | None:
        """Return the rules bound to the objects, with those that the transaction has made."""
        outer = await self._outer.bound()
        if outer is None or not self.transaction.defined:
            return outer
        self._check_snapshot(outer is self._seen[1])
        self._renew()
        return await self._objects.get(self._fetch)

    async def role(self) -> RoleReport:
        """Return what the role could do."""
        return await self._outer.role()

    async def transact(self, work: Callable[[Statements], Awaitable[None]], **_: Any) -> list[Written]:
        """Refuse: it is a transaction of its own.

        Raises:
            ArgumentError: Always.
        """
        raise not_inside("What is a transaction of its own")

    async def _collect(self, request: Request, *, primary: bool, ours: bool = False) -> Collector:
        return await self.transaction.read(request)

    async def _change(self, change: Change) -> Written:
        self.transaction.note, before = UNSURE, self.transaction.revision
        try:
            done = await self.transaction.change(change)
            self.transaction.note = "Nothing was changed." if change.dry_run else RAN
            return await self._written(done, dry_run=change.dry_run)
        except asyncio.CancelledError as exc:
            if self.transaction.note == UNSURE and self.transaction.revision != before:
                # It had been done when the cancellation came, and only the answer was still to be handed over.
                self.transaction.note = RAN
            exc.add_note(self.transaction.note)
            raise

    def _renew(self) -> None:
        """Forget what was read before the transaction's last definition."""
        if self._definitions != self.transaction.definitions:
            self._definitions = self.transaction.definitions
            self._catalog, self._types = CatalogCache(), TypeNames()
            self._objects = ObjectCache(self._rules, self._mask_key)

    def _check_snapshot(self, same: bool) -> None:
        """Refuse to judge by a snapshot in which definitions of others are missing that already count.

        Raises:
            TransactionError: Others have changed definitions since.
        """
        if not same and self.transaction.manner.isolation != "read committed":
            raise TransactionError(
                "Others have changed the schema since the transaction began, and it cannot see that.",
                code="schema_changed",
                hint="rollback_transaction and begin again; with read committed this does not happen.",
            )
