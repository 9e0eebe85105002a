"""A whole result, passed on to a sink while it comes.

Without values to bind the server writes the text itself: COPY of the statement as CSV, or of one JSON object a row.
COPY takes no `$1`, and a value put into the text would be a value that other sessions and logs can read (the key of
"hash" among them): with values the same statement runs as an ordinary query, and its rows are taken in chunks.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from psycopg import sql
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from pgwarden.db import errors, guc
from pgwarden.db.cursor import Adaptation, dump
from pgwarden.db.link import BrokenError, Link, Step
from pgwarden.db.outflow import Outflow
from pgwarden.db.pool import Pool
from pgwarden.errors import ArgumentError, ConnectionLostError, WardenError
from pgwarden.exports import Block, ExportError, Field, Sink, unique
from pgwarden.results import Cell
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from pgwarden.guard.shields import Masking

Progress = Callable[[int], Awaitable[None]]

BLOCK_BYTES: Final = 256 << 10
"""Bytes of rows that are written at once; two blocks are in memory."""
_BLOCK_ROWS: Final = 2_000
_PROGRESS_S: Final = 0.25

_CSV = "COPY (\n{}\n) TO STDOUT WITH (FORMAT csv)"
# JSON has no such characters in it, so nothing is escaped. A value of the type json may have line ends between its
# tokens; only a row with one stands in \x01.
_LINES = "COPY (\n{}\n) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
_MARK: Final = b"\x01"
_MARKED: Final = re.compile(rb"\x01([^\x01]*)\x01")
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")
_SPACES: Final = str.maketrans("\r\n", "  ")
_TEXT: Final = 25
"""The oid of text."""


@dataclass(slots=True)
class Order:
    """What is to be passed on, and to whom; see Database.export. `begun`: the sink knows of it."""

    statement: str
    params: Sequence[object]
    sink: Sink
    timeout_s: float
    max_rows: int | None
    masking: Masking | None
    progress: Progress | None
    begun: bool = False


@dataclass(slots=True)
class Shipped:
    """What was passed on."""

    fields: list[Field] = field(default_factory=list)
    count: int = 0


class Exporter:
    """Runs orders on the links of a pool."""

    def __init__(self, pool: Pool, limits: LimitSettings) -> None:
        """Take the pool, and the limits of locks."""
        self._pool = pool
        self._lock_timeout_s = limits.lock_timeout

    async def run(self, order: Order) -> Shipped:
        """Run an order. One whose connection breaks before the sink has begun is run once more, on a new one.

        Raises:
            UnavailableError, ConnectionLostError, StatementTimeoutError, QueryError: as Reader.run.
            ExportError: There are too many rows, or the sink raises it.
            ArgumentError: A value cannot be sent.
        """
        try:
            return await self._once(order)
        except _AgainError:
            # After a restart every idle link is as dead as this one was.
            self._pool.clear()
        try:
            return await self._once(order)
        except _AgainError as exc:
            raise exc.error from None

    async def _once(self, order: Order) -> Shipped:
        shipment = _Shipment(order)
        link = await self._pool.acquire()
        try:
            outcome = await self._on(link, shipment)
        except BaseException:
            if not link.broken:
                await link.abort()
            raise
        finally:
            self._pool.release(link)
            await shipment.settled()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _on(self, link: Link, shipment: _Shipment) -> Shipped | Exception:
        """Run an order on a link. What is returned leaves it usable, or closed; what is raised does not."""
        order, started = shipment.order, time.monotonic()
        check = self._pool.checks_client and link.version >= guc.CHECK_CLIENT_VERSION
        settings = guc.settings(guc.ms(order.timeout_s), guc.ms(self._lock_timeout_s), check=check)
        outflow = Outflow(link)
        try:
            async with asyncio.timeout(order.timeout_s + guc.GRACE_S) as clock:
                error = await shipment.run(outflow, settings)
                if not link.broken:
                    await outflow.end()
        except TimeoutError:
            if not clock.expired():
                raise
            self._pool.clear()
            raise ConnectionLostError("The server did not answer in time.", code="server_not_answering") from None
        except BrokenError as exc:
            link.close()
            return self._lost(errors.lost(str(exc)), order)
        if error is not None and error.lost:
            link.close()
            return self._lost(errors.lost(error.message), order)
        if error is not None:
            timed_out = time.monotonic() - started >= order.timeout_s * 0.95
            return self._refused(error, shipment, timed_out=timed_out)
        return shipment.shipped

    def _lost(self, found: ConnectionLostError, order: Order) -> Exception:
        return found if order.begun else _AgainError(found)

    def _refused(self, error: errors.ServerMessage, shipment: _Shipment, *, timed_out: bool) -> Exception:
        masking, length = shipment.order.masking, len(shipment.order.statement)
        scrub = masking is not None and masking.scrub
        found = errors.query_error(error, before=shipment.before, length=length, timed_out=timed_out, scrub=scrub)
        if error.early and error.sqlstate == errors.INVALID_PARAMETER_VALUE and self._pool.checks_client:
            # As Reader: servers on some platforms know the setting and refuse every value.
            self._pool.checks_client = False
            return _AgainError(found)
        return found


class _Shipment:
    """One attempt at an order.

    Attributes:
        before: Characters of ours before the caller's text in what runs.
    """

    def __init__(self, order: Order) -> None:
        masking = order.masking
        if "\0" in order.statement:
            raise ArgumentError("A statement cannot contain the character NUL.")
        self.order = order
        self.shipped = Shipped()
        self.before = 0
        self._values = (*order.params, *(masking.parameters if masking else ()))
        self._transformer = Transformer(Adaptation())
        self._rows: list[tuple[Cell, ...]] = []
        self._size = 0
        self._loads = False
        self._reported = time.monotonic()
        self._writing: asyncio.Future[None] | None = None

    async def run(self, outflow: Outflow, settings: Step) -> errors.ServerMessage | None:
        """Pass everything on. Returns the server's error."""
        order = self.order
        step = Step(order.statement.encode(), *self._dumped())
        described, error = await outflow.begin(settings, step)
        if described is None:
            return error
        text = self._text(described)
        copies = not self._values and order.sink.shape != "rows"
        if copies:
            form = _CSV if order.sink.shape == "csv" else _LINES
            self.before += form.index("{}")
            text = form.replace("{}", text, 1)
        error = await outflow.start(Step(text.encode(), *self._dumped()), chunks=not copies)
        if error is not None:
            return error
        order.begun = True
        await asyncio.to_thread(order.sink.begin, self.shipped.fields)
        return await self._pump(outflow, self._copied if copies else self._chunked)

    def _dumped(self) -> tuple[Sequence[object], Sequence[int]] | tuple[()]:
        return dump(self._values) if self._values else ()

    def _text(self, described: PGresult) -> str:
        """Return what is to run: the statement, masked by the origin of its output, as the sink wants it."""
        self.shipped.fields = fields = _fields(described)
        text = self.order.statement
        names = [each.name for each in fields]
        if masks := self._masks(described):
            text = self._masked(text, names, masks)
            for i in masks:
                fields[i] = Field(names[i], _TEXT)
        if self.order.sink.shape != "lines":
            return text
        # An object cannot have two keys of one name.
        distinct = unique(names)
        renamed = "" if distinct == names else f"({_identifiers(distinct)})"
        # In place of the row its name would mean a column that is called the same.
        row = unique([*distinct, "q"])[-1]
        start = " ".join(("SELECT pg_catalog.row_to_json(", row, ") FROM (\n"))
        return self._put(start, text, f"\n) AS {row}{renamed}")

    def _masks(self, described: PGresult) -> dict[int, str]:
        """Return the expressions of the output columns that are masked, by position; binds the key that they name."""
        masking = self.order.masking
        if masking is None or not masking.outputs:
            return {}
        from pgwarden.guard.masking import expressions

        origins = ((i, (described.ftable(i), described.ftablecol(i))) for i in range(described.nfields))
        masks = {i: masking.outputs[origin] for i, origin in origins if origin in masking.outputs}
        key = None
        if any(mask.kind == "hash" for mask in masks.values()):
            self._values = (*self._values, masking.key.hex())
            key = len(self._values)
        return {i: expressions.output(_column(i), mask, key) for i, mask in masks.items()}

    def _masked(self, text: str, names: Sequence[str], masks: dict[int, str]) -> str:
        # The names are ours, or else one that is there twice would be ambiguous.
        items = [f"{masks.get(i, _column(i))} AS {_identifiers([name])}" for i, name in enumerate(names)]
        columns = ", ".join(_column(i) for i in range(len(names)))
        return self._put(" ".join(("SELECT", ", ".join(items), "FROM (\n")), text, f"\n) AS q ({columns})")

    def _put(self, start: str, text: str, end: str) -> str:
        self.before += len(start)
        return start + text + end

    async def _pump(
        self,
        outflow: Outflow,
        take: Callable[[Outflow], Awaitable[tuple[Block, bool, errors.ServerMessage | None]]],
    ) -> errors.ServerMessage | None:
        """Take blocks and write them, the next one while the last is written."""
        loop = asyncio.get_running_loop()
        while True:
            block, done, error = await take(outflow)
            await self._written()
            if error is not None:
                return error
            self._count(block)
            if block.count:
                self._writing = loop.run_in_executor(None, self.order.sink.take, block)
            await self._report()
            if done:
                await self._written()
                return None

    async def _written(self) -> None:
        """Wait until the last block is written; raises what the sink did."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None

    async def settled(self) -> None:
        """Wait until nobody writes any more, however it ended: nobody may close the file under it. Never raises."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.exception()  # Seen: another error came before it.

    def _count(self, block: Block) -> None:
        self.shipped.count += block.count
        most = self.order.max_rows
        if most is not None and self.shipped.count > most:
            raise ExportError(
                f"There are more than {most:,} rows; nothing was kept of them.",
                code="too_many_rows",
                hint="Raise max_rows, narrow the statement, or give it a LIMIT.",
            )

    async def _report(self) -> None:
        if self.order.progress is not None and time.monotonic() - self._reported >= _PROGRESS_S:
            self._reported = time.monotonic()
            await self.order.progress(self.shipped.count)

    async def _copied(self, outflow: Outflow) -> tuple[Block, bool, errors.ServerMessage | None]:
        data, count, done, error = await outflow.copied(BLOCK_BYTES)
        if self.order.sink.shape == "lines" and _MARK in data:
            data = bytearray(_MARKED.sub(_one_line, data))
        return Block(count, data), done, error

    async def _chunked(self, outflow: Outflow) -> tuple[Block, bool, errors.ServerMessage | None]:
        done, error = await outflow.chunked(self._load)
        rows, self._rows, self._size = self._rows, [], 0
        if self.order.sink.shape != "lines":
            return Block(len(rows), values=rows), done, error
        lines = "".join([f"{row[0]}\n" for row in rows])
        if lines.count("\n") != len(rows) or "\r" in lines:
            lines = "".join([f"{(row[0] or '').translate(_SPACES)}\n" for row in rows])
        return Block(len(rows), lines.encode()), done, error

    def _load(self, result: PGresult) -> bool:
        """Take the rows of a chunk. Returns whether there is room for more in this block."""
        if not result.ntuples:
            return True
        self._transformer.set_pgresult(result, set_loaders=not self._loads)
        self._loads = True
        rows = self._transformer.load_rows(0, result.ntuples, tuple)
        self._rows += rows
        self._size += sum(len(cell) for cell in chain.from_iterable(rows) if cell is not None)
        return self._size < BLOCK_BYTES and len(self._rows) < _BLOCK_ROWS


class _AgainError(Exception):
    """The order should be run once more; `error` is what the caller gets if that fails in the same way."""

    def __init__(self, error: WardenError) -> None:
        super().__init__(str(error))
        self.error = error


def _fields(described: PGresult) -> list[Field]:
    return [
        Field((described.fname(i) or b"").decode("utf-8", "replace"), described.ftype(i), described.fmod(i))
        for i in range(described.nfields)
    ]


def _one_line(row: re.Match[bytes]) -> bytes:
    """Return a row of JSON without what the server put around it, and without line ends between its tokens."""
    return row[1].translate(_LINE_ENDS)


def _column(index: int) -> str:
    return f"c{index}"


def _identifiers(names: Sequence[str]) -> str:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names]).as_string(None)
