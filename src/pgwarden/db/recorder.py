"""Keeps what is needed to undo a transaction: written to the journal before COMMIT, settled behind it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pgwarden.errors import UndoError
from pgwarden.undo import Entry, Journal, JournalError, Member

if TYPE_CHECKING:
    from pgwarden.db.change import Done
    from pgwarden.db.session import Session


class Recorder:
    """Writes the journal for the changes of one caller."""

    def __init__(self, journal: Journal, caller: str, max_bytes: int) -> None:
        """Take the journal, who makes the changes, and how many bytes of rows one change may have to be kept."""
        self.journal = journal
        self.max_bytes = max_bytes
        self._caller = caller

    async def prepare(self, session: Session, timeout_s: float) -> str:
        """Keep what the session's changes took, and return the entry's id; empty where nothing can be undone.

        Raises:
            UndoError: It cannot be kept.
            QueryError, BrokenError: The transaction's identity cannot be asked for.
        """
        made = [(done, member) for done in session.made if (member := _member(done)) is not None]
        if not made:
            return ""
        found = await session.query("undo_identity", {}, timeout_s)
        [[xid, system, database]] = found.rows
        entry = Entry(
            id=Journal.new_id(),
            time=time.time(),
            caller=self._caller,
            system=system or "",
            database=database or "",
            xid=xid or "",
            members=tuple(member for _, member in made),
        )
        try:
            await asyncio.to_thread(self.journal.prepare, entry)
        except JournalError as exc:
            await session.rollback()
            raise UndoError(
                f"The rows as they were cannot be kept: {exc}. Nothing was changed.",
                hint="Make room, or tell the owner of this server: PGWARDEN_UNDO=off changes rows without.",
            ) from None
        for number, (done, _) in enumerate(made):
            done.id = entry.name(number)
        return entry.id

    async def settle(self, entry_id: str, *, committed: bool) -> None:
        """Say how the transaction has ended."""
        await asyncio.to_thread(self.journal.settle, entry_id, committed=committed)


def _member(done: Done) -> Member | None:
    taken = done.taken
    if taken is None or taken.problem or not taken.images:
        return None
    what = taken.capture
    return Member(
        tool=what.tool,
        operation=what.operation,
        schema=what.table[0],
        table=what.table[1],
        key=what.key,
        columns=what.columns,
        types=what.types,
        images=taken.images,
        touched=taken.touched,
        undoes=what.undoes,
    )
