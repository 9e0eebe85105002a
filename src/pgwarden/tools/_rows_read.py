"""Reading rows of one table without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.catalogue import SqlUse, Tier, tool
from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, CursorError
from pgwarden.results import Rows
from pgwarden.tools import _rows_filter, _rows_run, _rows_table

if TYPE_CHECKING:
    from pgwarden.db.compose import Order

SCOPE = "database:read"
NO_CURSOR_NOTE = "no cursor: no unmasked primary or unique NOT NULL key tells these rows apart; narrow the filter"
_DIRECTIONS = {"asc": False, "desc": True}


@dataclass(frozen=True, slots=True)
class Read:
    """What is read: the table, the columns to show, and the order by whose columns the next page is found."""

    table: _rows_table.Table
    shown: tuple[str, ...]
    order: tuple[Order, ...]

    @property
    def tail(self) -> int:
        """How many columns behind those to show that is."""
        return len(self.order)


async def compose(
    ctx: Context,
    table: str,
    key: Any = None,
    filter: dict[str, Any] | None = None,
    columns: list[str] | None = None,
    order_by: list[str] | None = None,
) -> Composed:
    """Return the SELECT of a call of read_rows; its last columns are those that the next page is found by.

    Raises:
        ArgumentError: The arguments do not fit each other or the table.
        CursorError: The rows were in another order on the page before.
    """
    target = await _rows_table.load(ctx, table)
    shown = _shown(target, columns)
    order = _order(target, order_by or ())
    draft = _rows_run.draft()
    condition = _rows_filter.together(
        [None if key is None else _rows_filter.by_key(target, key), _rows_filter.parse(target, filter)]
    )
    parts = [] if condition is None else [_rows_filter.compile_into(draft, condition)]
    if ctx.page is not None:
        if ctx.page["order"] != order:
            raise CursorError("The table has another key since the first page.", hint="Call again without cursor.")
        parts.append(draft.after(order, ctx.page["after"]))
    tail = [each.column for each in order] if target.identity else []
    if not target.masked.isdisjoint(tail):
        tail = []  # rows may be ordered by what is masked, and then the next page cannot be found by what is shown
    text = draft.select(target.ref, [*shown, *tail], draft.every(parts) if parts else None, order)
    return Composed(text, tuple(draft.values), Read(target, tuple(shown), tuple(order) if tail else ()))


@tool(tier=Tier.READ, scope=SCOPE, sql=SqlUse.READ, paged=100, compose=compose)
async def read_rows(
    ctx: Context,
    table: _rows_run.TableName,
    key: Annotated[Any, Field(description="Of the primary key: its value; of any unique key: {column: value}.")] = None,
    filter: _rows_filter.Filter = None,
    columns: Annotated[list[str] | None, Field(description='Default all; "xmin" is the row\'s version.')] = None,
    order_by: Annotated[list[str] | None, Field(description='"col" or "col desc"; then by the primary key.')] = None,
) -> Rows:
    """Read rows of one table by key or filter. Pages by cursor stay right while rows are inserted."""
    made = _rows_run.statement(ctx)
    rows = await _rows_run.read(ctx)
    if made.about.tail:
        return _paged(rows, made.about)
    if rows.truncated:
        rows.notes = (*rows.notes, NO_CURSOR_NOTE)
    return rows


def _paged(rows: Rows, about: Read) -> Rows:
    """Return rows without the last columns, by which the next page is found."""
    tail, order = about.tail, list(about.order)
    ends = [row[-tail:] for row in rows.rows]
    rows.columns = rows.columns[:-tail]
    rows.rows = [row[:-tail] for row in rows.rows]
    rows.next_page = lambda shown: {"after": ends[shown - 1], "order": order}
    return rows


def _shown(table: _rows_table.Table, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        return table.readable
    if not columns:
        raise ArgumentError("columns is empty.", hint="Leave it out for all columns.")
    own = [name for name in columns if not (name == _rows_table.XMIN and table.has_xmin)]
    table.check_columns(own)
    return list(dict.fromkeys(columns))


def _order(table: _rows_table.Table, order_by: Sequence[str]) -> list[Order]:
    """Return what rows are ordered by: as asked for, and where there is a key, by it, so that no two are equal."""
    from pgwarden.db.compose import Order

    found: dict[str, Order] = {}
    for text in order_by:
        name, descending = _term(table, text)
        column = table.column(name)
        if name in found:
            raise ArgumentError(f"order_by has {name} twice.")
        found[name] = Order(name, descending, nullable=not _never_null(table, column))
    last = next(reversed(found.values())).descending if found else False
    for name in table.identity.columns if table.identity else ():
        # In the direction of what is before it, so that one index may serve both.
        found.setdefault(name, Order(name, last, nullable=False))
    return list(found.values())


def _never_null(table: _rows_table.Table, column: _rows_table.Column) -> bool:
    return column.not_null and table.kind in ("r", "p", "m")


def _term(table: _rows_table.Table, text: str) -> tuple[str, bool]:
    """Return the column that a term of order_by names, and whether it descends."""
    name, _, direction = text.rstrip().rpartition(" ")
    if text in table.columns or not name.strip() or direction.lower() not in _DIRECTIONS:
        return text, False
    # A name may begin or end with a space.
    return name if name in table.columns else name.strip(), _DIRECTIONS[direction.lower()]
