"""Rows before and after a change, taken in its own transaction.

From PostgreSQL 18 on the change itself returns both (RETURNING OLD and NEW). On older servers the rows are read and
locked by the same condition just before it, and it returns them as they are then. Between the two no row may come in:
there a change that is made alone runs as REPEATABLE READ (but not for ever), and elsewhere what does not match up, or
cannot be told, is not kept.

What is taken is as it is stored. Nobody is shown it but through the masks in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from psycopg import sql
from psycopg.adapt import Transformer

from pgwarden.db.cursor import Adaptation, Keeper
from pgwarden.results import Bindable, Cell
from pgwarden.undo import Image

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from pgwarden.guard.shields import Masking

Operation = Literal["INSERT", "UPDATE", "DELETE", "UPSERT"]

RETURNS_OLD_VERSION = 180_000
_ALIASES = ("old", "new")
Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """What to keep of one change.

    Attributes:
        tool: What it is made with.
        operation: What it does.
        table: Schema and name.
        oid: Of the table.
        key: The columns that tell rows apart.
        columns: What is kept of a row, the key among it.
        types: Of these, as format_type() prints them.
        returning: Whether the statement has a RETURNING of its own.
        lock: Reads and locks the rows that it will change; empty where it changes none that are there.
        lock_params: Values of its parameters.
        undoes: Ids of changes that it puts back.
    """

    tool: str
    operation: Operation
    table: tuple[str, str]
    oid: int
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    returning: bool
    lock: str = ""
    lock_params: tuple[Bindable, ...] = ()
    undoes: tuple[str, ...] = ()

    def locks(self, version: int) -> bool:
        """Whether the rows have to be read before, on a server of a version."""
        return bool(self.lock) and not self._returns_old(version)

    def suffix(self, version: int) -> str:
        """Return what is put behind the statement, so that it returns what is kept."""
        names = [sql.Identifier(name) for name in self.columns]
        listed = list(names)
        if self._returns_old(version):
            sides = _ALIASES if self.operation in ("UPDATE", "UPSERT") else _ALIASES[: self.operation == "DELETE"]
            sides = sides or ("new",)
            listed = [sql.Identifier(side, name) for side in sides for name in self.columns]
        text = sql.SQL(", ").join(listed).as_string(None)
        return f", {text}" if self.returning else f" RETURNING {text}"

    def sides(self, version: int) -> int:
        """How many rows of columns the suffix returns: one, or before and after."""
        return 2 if self._returns_old(version) and self.operation in ("UPDATE", "UPSERT") else 1

    def _returns_old(self, version: int) -> bool:
        # A table of such a name hides the word.
        return version >= RETURNS_OLD_VERSION and self.table[1] not in _ALIASES


@dataclass(slots=True)
class Taken:
    """What was taken of one change; `problem` says why it cannot be undone, where it cannot."""

    capture: Capture
    images: tuple[Image, ...] = ()
    problem: str = ""
    touched: tuple[str, ...] = field(default=())


class Capturing(Keeper):
    """Keeps the rows that a change returns, and takes those behind them apart."""

    def __init__(
        self,
        limit: int | None,
        max_bytes: int | None,
        extra: int,
        most: int,
        masking: Masking | None = None,
    ) -> None:
        """Set the caps.

        Args:
            limit, max_bytes, masking: as Collector.
            extra: Columns at the end that are taken apart.
            most: Bytes of these at most, beyond which none are kept.
        """
        super().__init__(limit, max_bytes, masking=masking)
        self._extra = extra
        self._left = most
        self._whole = Transformer(Adaptation())
        self._seen = False
        self.taken: list[Row] | None = []

    def take(self, result: PGresult) -> bool:
        """Take the rows of a chunk. Always returns True."""
        if result.ntuples and self.taken is not None:
            self._whole.set_pgresult(result, set_loaders=not self._seen)
            self._seen = True
            rows = [row[-self._extra :] for row in self._whole.load_rows(0, result.ntuples, tuple)]
            self._left -= sum(len(cell) for row in rows for cell in row if cell)
            self.taken += rows
            if self._left < 0:
                self.taken = None
        return super().take(result)

    def _fields(self, result: PGresult) -> range:
        return range(result.nfields - self._extra)

    def _parted(self, rows: list[Row]) -> list[Row]:
        return [row[: -self._extra] for row in rows]


def paired(
    capture: Capture, before: Sequence[Row] | None, taken: Sequence[Row], sides: int, *, exact: bool
) -> tuple[Image, ...]:
    """Return the images of rows.

    Args:
        capture: What was to be kept.
        before: The rows that were locked; None where none had to be.
        taken: What the change returned.
        sides: as Capture.sides.
        exact: Whether the transaction saw the same when it locked and when it changed.

    Raises:
        ValueError: They do not match up; says why.
    """
    width = len(capture.columns)
    if capture.operation == "INSERT":
        return tuple(Image(None, row) for row in taken)
    if capture.operation == "DELETE":
        if before is not None and _keyed(capture, before).keys() != _keyed(capture, taken).keys():
            raise ValueError("other transactions changed the rows at the same time")
        return tuple(Image(row, None) for row in taken)
    if sides == 2:
        places = [capture.columns.index(name) for name in capture.key]
        pairs = ((row[:width], row[width:]) for row in taken)
        return tuple(Image(None if all(old[i] is None for i in places) else old, new) for old, new in pairs)
    found = _keyed(capture, before or ()), _keyed(capture, taken)
    if capture.operation == "UPSERT" and not exact and found[1].keys() - found[0].keys():
        # It may have come in between: to take it for a new one would delete somebody's row.
        raise ValueError("other transactions may have changed the rows at the same time")
    return tuple(_matched(capture, *found))


def _matched(capture: Capture, before: Mapping[Row, Row], after: Mapping[Row, Row]) -> Iterable[Image]:
    if capture.operation == "UPDATE" and len(before) == len(after) == 1:
        # Also where its key is another one now.
        yield Image(*before.values(), *after.values())
        return
    if before.keys() - after.keys() or (capture.operation == "UPDATE" and after.keys() - before.keys()):
        raise ValueError("rows got other keys, or other transactions changed them at the same time")
    for key, row in after.items():
        yield Image(before.get(key), row)


def _keyed(capture: Capture, rows: Iterable[Row]) -> dict[Row, Row]:
    places = [capture.columns.index(name) for name in capture.key]
    return {tuple(row[i] for i in places): row for row in rows}
