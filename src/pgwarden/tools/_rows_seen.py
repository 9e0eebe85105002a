"""Which tables of changes that were kept a caller may see: those that they may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, GuardError, InternalError, PolicyError
from pgwarden.tools import _rows_run, _rows_table
from pgwarden.tools._rows_table import Table

if TYPE_CHECKING:
    from pgwarden.undo import Entry, Member


class Seen:
    """The tables that the caller may read, each looked at once."""

    def __init__(self, ctx: Context) -> None:
        """Take the call."""
        self._ctx = ctx
        self._tables: dict[tuple[str, str, int], Table | None] = {}

    async def table(self, entry: Entry, member: Member) -> Table | None:
        """Return the table of a change, as it is now; None where it is not there for the caller to read.

        Rows that row-level security may hide are seen by the role alone that changed them.
        """
        name = member.schema, member.table, member.oid
        if name not in self._tables:
            self._tables[name] = await self._look(member)
        table = self._tables[name]
        return None if table is not None and table.secured and not entry.own else table

    async def _look(self, member: Member) -> Table | None:
        if self._ctx.reading is None:
            raise InternalError
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (member.schema, member.table))
        try:
            table = await _rows_table.load(self._ctx, quoted)
            if table.oid != member.oid:
                # Another one of the same name: its rules say nothing of the rows of the former one.
                return None
            if not all(name in table.readable for name in member.key if name in table.columns):
                return None
            names = [name for name in member.key if name in table.columns] or table.readable[:1]
            await self._ctx.reading(Composed(_rows_run.draft().select(table.ref, names, None, [])))
        except (ArgumentError, GuardError, PolicyError):
            return None
        return table
