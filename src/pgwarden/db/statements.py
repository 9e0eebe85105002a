"""The statements of one transaction, for tools: what `Database.transact` hands to the work that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.db.change import Change, Done, rows_only
from pgwarden.db.cursor import dump
from pgwarden.db.link import Step
from pgwarden.db.read import Request
from pgwarden.db.recorder import SETTINGS
from pgwarden.db.session import Session
from pgwarden.errors import InternalError
from pgwarden.results import Cell

if TYPE_CHECKING:
    from pgwarden.db.capture import Capture
    from pgwarden.guard.shields import Masking

_SET = b"SELECT pg_catalog.set_config($1, $2, true)"


@dataclass(frozen=True, slots=True)
class Returned:
    """What a statement returned, masked: for statements behind it, while the transaction may still be rolled back."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    affected: int


class Statements:
    """Runs what the guard has let through, one after the other, in one transaction."""

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
        capture: Capture | None = None,
    ) -> Returned:
        """Run a change; arguments as of `Database.write`.

        Raises:
            QueryError: The server refused it.
            ArgumentError: A value cannot be sent.
            InternalError: It is no change of rows.
        """
        if not rows_only(statement):
            # One that ended the transaction would keep what ran before it.
            raise InternalError
        change = Change(statement, params, limit, max_bytes, timeout_s, None, masking=masking, capture=capture)
        done = await self._session.change(change)
        self.done.append(done)
        return Returned(tuple(done.rows.names), tuple(done.rows.rows), done.affected or 0)

    async def settings(self, values: Mapping[str, str], *, timeout_s: float) -> None:
        """Let text of values mean what it meant under settings, until the transaction ends.

        Raises:
            QueryError: The server does not know one.
        """
        steps = [Step(_SET, *dump([name, values[name]])) for name in SETTINGS if name in values]
        if steps:
            await self._session.run(steps, timeout_s)

    async def lock(
        self, statement: str, params: Sequence[object], *, timeout_s: float, scrub: bool
    ) -> list[tuple[Cell, ...]]:
        """Read rows with a statement of ours that locks them; as they are stored, whatever is masked.

        Raises:
            QueryError: The server refused it.
        """
        return (await self._session.lock(statement, params, timeout_s, scrub)).rows

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
        """Run a SELECT, which sees what the transaction has changed; arguments as of `Database.read`.

        Raises:
            QueryError: The server refused it.
            ArgumentError: A value cannot be sent.
        """
        request = Request(statement, params, timeout_s, wrap=True, limit=limit, max_bytes=max_bytes, masking=masking)
        rows = await self._session.read(request)
        rows.tag = f"SELECT {len(rows.rows)}"
        self.done.append(Done(rows))
        return Returned(tuple(rows.names), tuple(rows.rows), len(rows.rows))
