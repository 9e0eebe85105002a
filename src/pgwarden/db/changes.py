"""The journal as one caller may see it: of this database alone, settled by the server, and under the masks in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pgwarden.db.recorder import asked
from pgwarden.guard.parsed import Name
from pgwarden.results import Cell
from pgwarden.undo import Entry

if TYPE_CHECKING:
    from pgwarden.db.database import Database

Show = Callable[[Sequence[str], Sequence[Cell]], list[Cell]]
"""Returns values of columns as they may be shown."""


async def entries(db: Database) -> list[Entry]:
    """Return the committed entries of the database, without their rows, the newest first.

    Where a process was killed, the server is asked whether the transaction was committed.

    Raises:
        DatabaseError, PolicyError: as Database.query.
    """
    if db.recorder is None:
        return []
    journal = db.recorder.journal
    [[system, database, role]] = (await asked(db.query, "undo_place")).rows
    found = []
    for entry in await asyncio.to_thread(lambda: list(journal.entries())):
        if (entry.system, entry.database) != (system, database):
            continue
        if entry.committed is None:
            # What a replica has not heard of is not what has not happened.
            [[state]] = (await db.query("undo_ended", (entry.xid,), primary=True)).rows
            if state in ("committed", "aborted"):
                await asyncio.to_thread(journal.settle, entry.id, committed=state == "committed")
            if state != "committed":
                continue
        found.append(replace(entry, own=entry.role == role))
    return found


async def whole(db: Database, entry: Entry) -> Entry | None:
    """Return an entry with its rows; None where it is gone by now, or its rows are damaged."""
    if db.recorder is None:
        return None
    return await asyncio.to_thread(db.recorder.journal.find, entry.id)


async def shower(db: Database, schema: str, table: str) -> Show:
    """Return what shows stored values of a table's rows under the masks in force.

    Raises:
        DatabaseError, PolicyError: as Database.bound.
    """
    bound = await db.bound()
    shield = bound.shields.relations.get(Name(schema, table)) if bound else None
    masked = shield.masked if shield else {}
    key = bound.shields.key if bound else b""

    def show(columns: Sequence[str], values: Sequence[Cell]) -> list[Cell]:
        from pgwarden.guard.masks import show as masked_value

        out: list[Cell] = []
        for name, value in zip(columns, values, strict=True):
            mask = masked[name].mask if name in masked else None
            out.append(value if mask is None else masked_value(value, mask, key))
        return out

    return show
