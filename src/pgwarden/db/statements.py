"""The statements of one transaction, for tools: what `Database.transact` hands to the work that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.db.change import Change, Done
from pgwarden.db.read import Request
from pgwarden.db.session import Session
from pgwarden.results import Cell

if TYPE_CHECKING:
    from pgwarden.guard.shields import Masking


@dataclass(frozen=True, slots=True)
class Returned:
    """What a statement returned, masked: for statements behind it, while the transaction may still be rolled back."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    affected: int


class Statements:
    """Runs statements that the guard has let through, one after the other, in one transaction."""

    def __init__(self, session: Session) -> None:
        """Take the transaction."""
        self._session = session
        self.done: list[Done] = []

    async def write(
        self,
        statement: str,
        params: Sequence[object] = (),
        *,
        limit: int,
        max_bytes: int,
        timeout_s: float,
        masking: Masking | None = None,
    ) -> Returned:
        """Run a change; arguments as of `Database.write`.

        Raises:
            QueryError: The server refused it.
            ArgumentError: A value cannot be sent.
        """
        change = Change(statement, params, limit, max_bytes, timeout_s, None, masking=masking)
        return self._returned(await self._session.change(change))

    async def read(
        self,
        statement: str,
        params: Sequence[object] = (),
        *,
        limit: int,
        max_bytes: int,
        timeout_s: float,
        masking: Masking | None = None,
    ) -> Returned:
        """Run a SELECT: it sees what was changed before it; arguments as of `Database.read`.

        Raises:
            QueryError: The server refused it.
            ArgumentError: A value cannot be sent.
        """
        request = Request(statement, params, timeout_s, wrap=True, limit=limit, max_bytes=max_bytes, masking=masking)
        return self._returned(Done(await self._session.read(request)))

    def _returned(self, done: Done) -> Returned:
        self.done.append(done)
        return Returned(tuple(done.rows.names), tuple(done.rows.rows), done.affected or 0)
