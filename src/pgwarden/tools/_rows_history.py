"""What the row tools changed, for those who may read the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgwarden.context import Context
from pgwarden.errors import NotFoundError
from pgwarden.results import Cell, Column, Rows
from pgwarden.tools import _rows_table, _rows_undo
from pgwarden.tools._rows_seen import Seen
from pgwarden.tools._rows_table import Table

if TYPE_CHECKING:
    from pgwarden.db.changes import Show
    from pgwarden.undo import Member

_OFF = "nothing is kept: PGWARDEN_UNDO is off, or the policy lets nobody change rows"
_LISTED = ("change_id", "time", "caller", "tool", "table", "rows", "state")
_VALUES = ("change_id", "row", "column", "before", "after")

Line = tuple[Cell, ...]


async def listed(ctx: Context, table: str) -> Rows:
    """Return the changes, the newest first: a line each.

    Raises:
        NotFoundError: There is no such table, for this caller.
        DatabaseError: The database cannot be asked.
    """
    from pgwarden.db import changes

    only = (await _rows_table.load(ctx, table)).ref if table else None
    entries = await changes.entries(ctx.db)
    undone, seen = _rows_undo.states(entries), Seen(ctx)
    lines: list[Line] = []
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
        for number, member in reversed(list(enumerate(entry.members))):
            if only not in (None, (member.schema, member.table)) or await seen.table(entry, member) is None:
                continue
            name, ref = entry.name(number), f"{member.schema}.{member.table}"
            lines.append((name, when, entry.caller, member.tool, ref, str(member.rows), _state(undone, name, member)))
    return _page(ctx, _LISTED, lines)


async def values(ctx: Context, change_id: str) -> Rows:
    """Return the values that a change has changed, before and after, masked; a line for each.

    Raises:
        NotFoundError: There is no such change that the caller may see.
        DatabaseError: The database cannot be asked.
    """
    from pgwarden.db import changes

    lines: list[Line] = []
    seen, there = Seen(ctx), False
    found = [entry for entry in await changes.entries(ctx.db) if entry.id == change_id.strip().partition(".")[0]]
    for entry in [each for known in found if (each := await changes.whole(ctx.db, known)) is not None]:
        for number, member in enumerate(entry.members):
            if change_id.strip() not in (entry.id, entry.name(number)):
                continue
            if (table := await seen.table(found[0], member)) is None:
                continue
            there = True
            lines += _lines(entry.name(number), member, table, await changes.shower(ctx.db, *table.ref))
    if not there:
        raise NotFoundError(f"There is no change {change_id[:40]!r}.", hint="list_changes without it shows them.")
    return _page(ctx, _VALUES, lines)


def _page(ctx: Context, names: tuple[str, ...], lines: list[Line]) -> Rows:
    skip = ctx.page["skip"] if ctx.page else 0
    shown = lines[skip : skip + ctx.max_rows]
    return Rows(
        tuple(Column(name) for name in names),
        shown,
        truncated="rows" if len(lines) > skip + len(shown) else None,
        next_page=lambda count: {"skip": skip + count},
        total=len(lines),
        notes=() if ctx.db.recorder is not None else (_OFF,),
    )


def _state(undone: dict[str, str], name: str, member: Member) -> str:
    said = [f"undone by {undone[name]}"] if name in undone else []
    said += [f"undoes {', '.join(member.undoes)}"] if member.undoes else []
    # Not which: they may be hidden.
    said += [f"rows of {len(member.touched)} other tables changed too, and are not kept"] if member.touched else []
    return "; ".join(said)


def _lines(name: str, member: Member, table: Table, show: Show) -> Iterator[Line]:
    places = [member.columns.index(each) for each in member.key]
    readable = set(table.readable)
    for image in member.images:
        shown = show(member.columns, image.after or image.before or ())
        key = ", ".join(
            f"{member.columns[place]}={shown[place]}" for place in places if member.columns[place] in readable
        )
        before = show(member.columns, image.before) if image.before else None
        after = show(member.columns, image.after) if image.after else None
        for place, column in enumerate(member.columns):
            same = image.before and image.after and image.before[place] == image.after[place]
            # What the table no longer has cannot be looked up in the rules.
            if not same and column in readable:
                yield name, key, column, before[place] if before else None, after[place] if after else None
