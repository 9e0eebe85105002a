"""Taking rows as they come, under a cap of rows and one of bytes.

libpq hands out chunks of a few rows. When a cap is met the reader stops taking: what is left is never read into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.pq.abc import PGresult
from psycopg.types.string import TextLoader

from pgwarden.errors import ArgumentError
from pgwarden.results import Cell

if TYPE_CHECKING:
    from pgwarden.guard.shields import Masking
    from pgwarden.policy.masks import Mask

CHUNK_ROWS = 4
"""Rows that libpq hands out at once: few, so that wide rows do not fill memory; more are hardly faster."""
_TEXT_OID = 25
_WIDE = 16_384
"""Bytes from which on a row is loaded by itself: then at most one is in memory twice."""


def _text_adapters() -> AdaptersMap:
    """Return adapters that load every type as PostgreSQL's text, and dump as psycopg does."""
    adapters = AdaptersMap(psycopg.adapters)
    for info in psycopg.adapters.types:
        for oid in (info.oid, info.array_oid):
            if oid:
                adapters.register_loader(oid, TextLoader)
    adapters.register_loader(0, TextLoader)
    return adapters


class Adaptation:
    """What a Transformer needs to know: the adapters, and that text is UTF-8 (no connection says otherwise)."""

    connection = None
    adapters = _text_adapters()


def dump(parameters: Sequence[object]) -> tuple[list[Any], list[int]]:
    """Return parameters as text for the wire, and the oids of their types (0: the server infers it).

    Raises:
        ArgumentError: A value has no form that PostgreSQL knows, or contains the character NUL.
    """
    transformer = Transformer(Adaptation())
    try:
        values = transformer.dump_sequence(list(parameters), [PyFormat.TEXT] * len(parameters))
    except (psycopg.Error, UnicodeEncodeError) as exc:
        raise ArgumentError(f"A value cannot be sent to PostgreSQL: {exc}") from None
    return list(values), list(transformer.types or ())


class Collector:
    """The rows of one statement.

    Attributes:
        names, types: The columns: names, and type oids.
        rows: What was taken.
        truncated: The cap that ended it.
        tag: For a change: the server's command tag; empty until it is done.
        counted: The number in the tag; None where it has none.
    """

    def __init__(
        self,
        limit: int | None,
        max_bytes: int | None,
        *,
        bounded: bool = False,
        masking: Masking | None = None,
    ) -> None:
        """Set the caps; None: no cap. The first row is always taken, however large it is.

        Args:
            limit: Rows.
            max_bytes: Bytes of values in UTF-8.
            bounded: Whether the server itself stops one row after `limit`, so that nothing has to be left unread.
            masking: Its `outputs` are masked.
        """
        self._limit = limit
        self._bounded = bounded
        self._max_bytes = max_bytes
        self._bytes = 0
        self._step = 1
        self._masking = masking if masking and masking.outputs else None
        self._masks: dict[int, Mask] = {}
        self._transformer = Transformer(Adaptation())
        self.names: list[str] = []
        self.types: list[int] = []
        self.rows: list[tuple[Cell, ...]] = []
        self.truncated: Literal["rows", "bytes"] | None = None
        self.tag = ""
        self.counted: int | None = None

    def take(self, result: PGresult) -> bool:
        """Take the rows of a chunk. Returns whether more are wanted."""
        first = not self.types
        if first:
            self._describe(result)
        if (count := result.ntuples) == 0:
            return True
        self._transformer.set_pgresult(result, set_loaders=first)
        start = 0
        while start < count and self.truncated is None:
            stop = min(start + self._step, count)
            rows = self._parted(self._transformer.load_rows(start, stop, tuple))
            self.rows += [self._masked(row) for row in rows] if self._masks else rows
            self._cut_bytes(stop - start)
            start = stop
        self._cut_rows()
        return self.truncated is None or (self._bounded and self.truncated == "rows")

    def done(self, result: PGresult) -> None:
        """Note what the command was, and how many rows its tag counts."""
        self.tag = (result.command_status or b"").decode()
        self.counted = result.command_tuples

    def _describe(self, result: PGresult) -> None:
        fields = self._fields(result)
        self.names = [(result.fname(i) or b"").decode("utf-8", "replace") for i in fields]
        self.types = [result.ftype(i) for i in fields]
        if self._masking is not None:
            outputs = self._masking.outputs
            origins = ((i, (result.ftable(i), result.ftablecol(i))) for i in fields)
            self._masks = {i: outputs[origin] for i, origin in origins if origin in outputs}
            for i in self._masks:
                # What is shown of a number is none.
                self.types[i] = _TEXT_OID

    def _fields(self, result: PGresult) -> range:
        """Return the places of the columns that are the caller's."""
        return range(result.nfields)

    def _parted(self, rows: list[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
        """Return rows without what is not the caller's."""
        return rows

    def _masked(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        from pgwarden.guard.masks import show

        assert self._masking is not None
        cells = list(row)
        for i, mask in self._masks.items():
            cells[i] = show(cells[i], mask, self._masking.key)
        return tuple(cells)

    def _cut_bytes(self, count: int) -> None:
        if self._max_bytes is None:
            return
        start = len(self.rows) - count
        size = _size(chain.from_iterable(islice(self.rows, start, None)), copy=self._step > 1)
        self._step = 1 if size > _WIDE * count else CHUNK_ROWS
        if self._bytes + size > self._max_bytes:
            while self._bytes <= self._max_bytes and start < len(self.rows):
                self._bytes += _size(self.rows[start], copy=False)
                start += 1
            keep = max(start - (self._bytes > self._max_bytes), 1)
            del self.rows[keep:]
            self.truncated = "bytes"
        self._bytes += size

    def _cut_rows(self) -> None:
        if self._limit is not None and len(self.rows) > self._limit:
            del self.rows[self._limit :]
            self.truncated = "rows"


class Keeper(Collector):
    """The rows that a change returns: what is beyond the caps is not kept, and the change goes on all the same."""

    def take(self, result: PGresult) -> bool:
        """Take the rows of a chunk. Always returns True."""
        if self.truncated is None:
            super().take(result)
        if result.command_status:
            # The last chunk with rows bears it, and not the empty result behind it.
            self.done(result)
        return True


def _size(cells: Iterable[Cell], *, copy: bool) -> int:
    """Return the bytes of values; a copy of all at once is the quickest way, where they are small."""
    texts = ["".join(filter(None, cells))] if copy else filter(None, cells)
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
