"""What the row tools changed, for those who may read the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, GuardError, InternalError, NotFoundError, PolicyError
from pgwarden.results import Cell, Column, Rows
from pgwarden.tools import _rows_run, _rows_table, _rows_undo
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
    undone, seen = _rows_undo.states(entries), _Seen(ctx)
    lines: list[Line] = []
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="seconds")
        for number, member in reversed(list(enumerate(entry.members))):
            if only not in (None, (member.schema, member.table)) or await seen.table(member) is None:
                continue
            name, ref = entry.name(number), f"{member.schema}.{member.table}"
            lines.append(
                (name, when, entry.caller, member.tool, ref, str(len(member.images)), _state(undone, name, member))
            )
    return _page(ctx, _LISTED, lines)


async def values(ctx: Context, change_id: str) -> Rows:
    """Return the values that a change has changed, before and after, masked; a line for each.

    Raises:
        NotFoundError: There is no such change that the caller may see.
        DatabaseError: The database cannot be asked.
    """
    from pgwarden.db import changes

    lines: list[Line] = []
    seen, there = _Seen(ctx), False
    for entry in await changes.entries(ctx.db):
        for number, member in enumerate(entry.members):
            if change_id not in (entry.id, entry.name(number)) or (table := await seen.table(member)) is None:
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
    for image in member.images:
        shown = show(member.columns, image.after or image.before or ())
        key = ", ".join(f"{member.columns[place]}={shown[place]}" for place in places)
        before = show(member.columns, image.before) if image.before else None
        after = show(member.columns, image.after) if image.after else None
        for place, column in enumerate(member.columns):
            same = image.before and image.after and image.before[place] == image.after[place]
            # What the table no longer has cannot be looked up in the rules.
            if not same and column in table.columns:
                yield name, key, column, before[place] if before else None, after[place] if after else None


class _Seen:
    """The tables that the caller may read, each looked at once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tables: dict[tuple[str, str], Table | None] = {}

    async def table(self, member: Member) -> Table | None:
        """Return the table of a change; None where it is not there for the caller, or they may not read it."""
        name = member.schema, member.table
        if name not in self._tables:
            self._tables[name] = await self._look(member)
        return self._tables[name]

    async def _look(self, member: Member) -> Table | None:
        if self._ctx.reading is None:
            raise InternalError
        try:
            table = await _rows_undo.table_of(self._ctx, member)
            draft = _rows_run.draft()
            await self._ctx.reading(Composed(draft.select(table.ref, [*member.key], None, [])))
        except (ArgumentError, GuardError, PolicyError):
            return None
        return table
