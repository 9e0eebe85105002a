"""Keeps what is needed to undo a transaction: written to the journal before COMMIT, settled behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pgwarden.errors import QueryError, UndoError
from pgwarden.undo import Entry, Journal, JournalError, Member

if TYPE_CHECKING:
    from pgwarden.db.change import Done
    from pgwarden.db.session import Session

T = TypeVar("T")

SETTINGS = ("TimeZone", "IntervalStyle", "lc_monetary")
"""The settings that values are text under, and that a session may have otherwise later."""


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
        members, places = _members(session.made)
        if not members:
            return ""
        found = await asked(lambda block: session.query(block, {}, timeout_s), "undo_identity")
        [[xid, system, database, role, *settings]] = found.rows
        entry = Entry(
            id=Journal.new_id(),
            time=time.time(),
            caller=self._caller,
            role=role or "",
            system=system or "",
            database=database or "",
            xid=xid or "",
            members=tuple(members),
            settings=dict(zip(SETTINGS, (each or "" for each in settings), strict=True)),
        )
        try:
            kept = await asyncio.to_thread(self.journal.prepare, entry)
        except JournalError as exc:
            raise UndoError(
                f"The rows as they were cannot be kept: {exc}. Nothing was changed.",
                hint="Make room, or tell the owner of this server: PGWARDEN_UNDO=off changes rows without.",
            ) from None
        for done, number in places:
            if kept:
                done.id = entry.name(number)
            elif done.taken is not None:
                done.taken.problem = "its rows are larger than PGWARDEN_UNDO_MAX_BYTES"
        return entry.id if kept else ""

    async def settle(self, entry_id: str, *, committed: bool) -> None:
        """Say how the transaction has ended."""
        await asyncio.to_thread(self.journal.settle, entry_id, committed=committed)


async def asked(ask: Callable[[str], Awaitable[T]], block: str) -> T:
    """Ask a block of ours, or the plain one of its name where the role may not ask for all of it.

    Raises:
        QueryError: as `ask`.
    """
    try:
        return await ask(block)
    except QueryError as exc:
        if exc.details.get("sqlstate") != "42501":
            raise
    return await ask(f"{block}_plain")


def _members(made: list[Done]) -> tuple[list[Member], list[tuple[Done, int]]]:
    """Return the changes of a transaction, and which each of its statements is of: undoing one may take several."""
    members: list[Member] = []
    places: list[tuple[Done, int]] = []
    for done in made:
        if (found := _member(done)) is None:
            continue
        last = members[-1] if members else None
        if last and found.undoes and _kind(last) == _kind(found):
            images, touched = (*last.images, *found.images), tuple(dict.fromkeys((*last.touched, *found.touched)))
            members[-1] = replace(last, images=images, rows=len(images), touched=touched)
        else:
            members.append(found)
        places.append((done, len(members) - 1))
    return members, places


def _kind(member: Member) -> tuple[object, ...]:
    return member.tool, member.oid, member.schema, member.table, member.key, member.columns, member.types, member.undoes


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
        oid=what.oid,
        key=what.key,
        columns=what.columns,
        types=what.types,
        images=taken.images,
        rows=len(taken.images),
        touched=taken.touched,
        undoes=what.undoes,
    )
