"""One connection, and the exchange that a read is on it.

A read goes out as one batch of the extended protocol, in which the server refuses two statements in one text:

    BEGIN READ ONLY; settings; SAVEPOINT; the statement; sync    the answer that the caller waits for
    ROLLBACK; sync                                               runs whether or not the statement failed
    DISCARD ALL; sync                                            these answers are owed: collected before the next use

A change takes two trips, with `run` and `reset`: between them its caller decides whether it may stay (`write.py`).

The savepoint makes the transaction's mode final: after it nothing can turn READ ONLY off. Nobody waits for the end of
the transaction and the reset, which saves a wake-up a read; a connection where one failed is closed. Without pipelining
the same steps go one after another, and the reset is still owed. Where a cap ends the taking of rows the statement is
cancelled by `settle`, which nobody waits for either.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Wait, wait_async

from pgwarden.db.cursor import CHUNK_ROWS, Collector
from pgwarden.db.errors import ServerMessage, server_message

BEGIN = b"BEGIN READ ONLY"
SAVEPOINT = b"SAVEPOINT pgwarden"
_ROLLBACK = b"ROLLBACK"
_RESET = b"DISCARD ALL"
_BATCH_OWES = 4
"""ROLLBACK, sync, DISCARD ALL, sync."""
_STEPS = 8
"""More statements than a batch has before its first sync."""
_WAKE_S = 1.0
"""How often a wait looks whether its socket was closed under it, in seconds."""
_CHUNKS_SINCE = 170_000
"""The libpq that can hand out several rows at once; older ones come with a psycopg that was built from source."""
_CANCEL_S = 1.0
"""Seconds that the server has to take a request to cancel."""

MAX_GROWTH = 256 << 20
"""Bytes that this process may grow by until a chunk of rows is complete: libpq keeps all of it, more than once."""
_LONG_WAITS = 16
"""Arrivals of data for one chunk from which on its size is looked at; ordinary ones need a few."""
TOO_LARGE = ServerMessage(
    "54000", "The rows are too large to be taken in.", hint="Select parts of the values, for example left(x, 1000)."
)

ROWS = frozenset({ExecStatus.TUPLES_OK, ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE})
_FAILED = frozenset({ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE})

_COPIES = frozenset({ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH})

Running = Generator[Any, Any, Any]


class BrokenError(Exception):
    """The connection is not usable any more. `sqlstate` is the server's last word, where there was one."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        """Keep what was said."""
        super().__init__(message)
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True)
class Step:
    """A statement for the wire: text, values as text, and the types of the values."""

    text: bytes
    values: Sequence[Any] | None = None
    types: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back of a batch: the results of the steps that succeeded, and the error of the next one, if any."""

    results: tuple[Sequence[PGresult], ...]
    error: ServerMessage | None = None


class Link:
    """A connection in the hands of a pool."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, pipelined: bool) -> None:
        """Take an open connection that nothing was sent on.

        Args:
            connection: In autocommit mode: psycopg's own transactions are not used.
            pipelined: Whether exchanges are one batch each.
        """
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._stopped = False
        self._owed = 0
        self.aborted = False
        """Whether its statement was to be ended without being read to its end; only `gone` and `close` may follow."""
        self.pipelined = pipelined
        self._paused = False
        self.born = self.used = time.monotonic()
        self.generation = 0
        if pipelined:
            self._pgconn.enter_pipeline_mode()

    @property
    def version(self) -> int:
        """The server's version, for example 150018."""
        return self._pgconn.server_version

    @property
    def unsettled(self) -> bool:
        """Whether a statement was left running by `exchange`, for `settle` to end."""
        return self._stopped

    @property
    def alive(self) -> bool:
        """Whether nothing is known to have ended the connection; takes in what has arrived, and waits for nothing."""
        try:
            for _ in range(2):
                # The first look takes a farewell of the server in, the second finds the end behind it.
                self._pgconn.consume_input()
                self._pgconn.is_busy()
        except psycopg.Error:
            return False
        return not self.broken

    @property
    def broken(self) -> bool:
        """Whether the connection is known to be lost or closed."""
        return bool(self._pgconn.status == ConnStatus.BAD)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction stands on it, in whatever state; False where the connection is lost."""
        return self._pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def in_failed_transaction(self) -> bool:
        """Whether the transaction on it takes nothing but its end, or the way back to a savepoint."""
        return bool(self._pgconn.transaction_status == TransactionStatus.INERROR)

    async def exchange(self, before: Sequence[Step], statement: Step, collector: Collector) -> ServerMessage | None:
        """Run a statement in a READ ONLY transaction that is rolled back.

        Args:
            before: The settings of the transaction, then what else has to run first.
            statement: What the caller wants.
            collector: Takes the rows, and stops when a cap is met.

        Returns:
            The server's error, or None where there was none.

        Raises:
            BrokenError: The connection broke; the link must be closed.
        """
        settings, *first = before
        steps = (Step(BEGIN), settings, Step(SAVEPOINT), *first, statement)
        run = self._batch(steps, collector) if self.pipelined else self._one_by_one(steps, collector)
        try:
            error: ServerMessage | None = await self._wait(run)
        except psycopg.Error as exc:
            raise BrokenError(str(exc)) from None
        except Exception:
            # A defect in the middle of an answer: the rest of it must not become someone else's.
            self.close()
            raise
        if error is not None and error.lost:
            raise BrokenError(error.message, error.sqlstate)
        return error

    async def run(self, steps: Sequence[Step], *, rows: int = -1, collector: Collector | None = None) -> Answers:
        """Run steps in one batch, up to the first error, and wait for all answers. `reset` has to follow.

        Without pipelining they go one after another; one alone is no part of an implicit transaction either way.

        Args:
            steps: What to run.
            rows: Which of them returns rows for the collector; -1: none.
            collector: Takes them; must want all.

        Raises:
            BrokenError: The connection broke; the link must be closed.
        """
        try:
            answers: Answers = await self._wait(self._run(steps, rows, collector))
        except psycopg.Error as exc:
            raise BrokenError(str(exc)) from None
        except Exception:
            self.close()
            raise
        if answers.error is not None and answers.error.lost:
            raise BrokenError(answers.error.message, answers.error.sqlstate)
        return answers

    async def reset(self, *, rollback: bool) -> None:
        """Send the reset, and before it ROLLBACK where a transaction stands, and wait for nothing that can wait.

        Never raises psycopg's errors: a link that cannot be reset is closed, which rolls back too.
        """
        try:
            await self._wait(self._restore(rollback))
        except psycopg.Error:
            self.close()

    def pause(self) -> None:
        """Leave pipelining, which COPY cannot have, until `resume`; nothing may be owed."""
        if self.pipelined:
            self._pgconn.exit_pipeline_mode()
            self.pipelined, self._paused = False, True

    async def resume(self) -> None:
        """Roll back a transaction that was begun since `pause`, and pipeline again. As `reset`, never raises."""
        if self._paused and not self.broken:
            self._pgconn.enter_pipeline_mode()
            self.pipelined, self._paused = True, False
        await self.reset(rollback=True)

    @contextmanager
    def listening(self, handler: Callable[[psycopg.errors.Diagnostic], None]) -> Iterator[None]:
        """Hand notices and warnings of the server to a function inside."""
        self._connection.add_notice_handler(handler)
        try:
            yield
        finally:
            self._connection.remove_notice_handler(handler)

    async def ready(self, timeout_s: float) -> bool:
        """Collect the answer to the reset, and look whether the server has hung up.

        No round trip: what is looked at has been sent long ago, or arrives within `timeout_s` seconds.

        Returns:
            Whether the link can be used.
        """
        try:
            self._collect_here()
            if self._owed:
                async with asyncio.timeout(timeout_s):
                    await self._wait(self._collect_owed())
        except (psycopg.Error, TimeoutError):
            return False
        return self.alive and self._pgconn.transaction_status == TransactionStatus.IDLE

    async def settle(self, timeout_s: float) -> bool:
        """End a statement of which no more rows are wanted. Returns whether the link can be used again.

        Args:
            timeout_s: Seconds that this may take.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connection.cancel_safe(timeout=_CANCEL_S)
                await self._wait(self._rest())
        except (psycopg.Error, TimeoutError):
            return False
        self._stopped = False
        return await self.ready(timeout_s)

    async def ping(self, timeout_s: float) -> bool:
        """Make a round trip on an idle link. Returns whether the server answered within `timeout_s` seconds."""
        if not await self.ready(timeout_s):
            return False
        try:
            async with asyncio.timeout(timeout_s):
                self._send(Step(b""))
                if self.pipelined:
                    self._pgconn.pipeline_sync()
                await self._wait(self._answers(2 if self.pipelined else 1))
        except (psycopg.Error, TimeoutError):
            return False
        return not self.broken

    async def cancel(self) -> None:
        """Ask the server to end the running statement, whose answers are still waited for; as `abort`, never raises."""
        with suppress(psycopg.Error):
            await self._connection.cancel_safe(timeout=_CANCEL_S)

    async def abort(self) -> None:
        """Ask the server to end the running statement. Safe at any moment; never raises psycopg's errors."""
        self.aborted = True
        try:
            if self._pgconn.transaction_status == TransactionStatus.ACTIVE or self.pipelined:
                await self._connection.cancel_safe(timeout=_CANCEL_S)
        except BaseException as exc:
            self.close()
            if not isinstance(exc, psycopg.Error):
                raise

    async def gone(self, timeout_s: float) -> None:
        """Wait until the server has ended the statement of an aborted link, then close.

        Some functions of PostgreSQL do not look for a request to cancel before they are done.

        Args:
            timeout_s: Seconds after which it is closed all the same.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait(self._drain())
        except (psycopg.Error, TimeoutError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self._pgconn.finish()

    async def _wait(self, run: Running) -> Any:
        return await wait_async(run, self._pgconn.socket, interval=_WAKE_S)

    def _send(self, step: Step) -> None:
        self._pgconn.send_query_params(step.text, step.values, param_types=step.types)

    def _batch(self, steps: Sequence[Step], collector: Collector) -> Running:
        for step in steps:
            self._send(step)
        self._pgconn.pipeline_sync()
        for after in (_ROLLBACK, _RESET):
            self._send(Step(after))
            self._pgconn.pipeline_sync()
        self._owed = _BATCH_OWES
        yield from generators.send(self._pgconn)
        error = None
        for _ in steps[:-1]:
            error = error or early_error((yield from generators.fetch_many(self._pgconn)))
        error = error or (yield from self._rows(collector))
        if not self._stopped and not self.broken:
            # The statement, if it was skipped, and the sync behind it.
            yield from self._answers(2 if error is not None and error.early else 1)
        return error

    def _run(self, steps: Sequence[Step], rows: int, collector: Collector | None) -> Running:
        if self.pipelined:
            for step in steps:
                self._send(step)
            self._pgconn.pipeline_sync()
            yield from generators.send(self._pgconn)
        results: list[Sequence[PGresult]] = []
        error = None
        for number, step in enumerate(steps):
            if not self.pipelined:
                self._send(step)
                yield from generators.send(self._pgconn)
            found: Sequence[PGresult] = ()
            if number == rows and collector is not None:
                error = yield from self._rows(collector)
            else:
                found = yield from generators.fetch_many(self._pgconn)
                error = first_error(found)
            if error is not None:
                break
            results.append(found)
        if self.pipelined and not self.broken:
            # Those that were skipped, and the sync behind them.
            yield from self._answers(len(steps) - len(results) + (error is None))
        return Answers(tuple(results), error)

    def _restore(self, rollback: bool) -> Running:
        if self.pipelined:
            befores = (_ROLLBACK, _RESET) if rollback else (_RESET,)
            for before in befores:
                self._send(Step(before))
                self._pgconn.pipeline_sync()
            self._owed = 2 * len(befores)
            yield from generators.send(self._pgconn)
        elif rollback:
            yield from self._finish()
        else:
            self._send(Step(_RESET))
            yield from generators.send(self._pgconn)
            self._owed = 1

    def _one_by_one(self, steps: Sequence[Step], collector: Collector) -> Running:
        error = None
        for step in steps[:-1]:
            if error is None:
                self._send(step)
                yield from generators.send(self._pgconn)
                error = early_error((yield from generators.fetch_many(self._pgconn)))
        if error is None:
            self._send(steps[-1])
            yield from generators.send(self._pgconn)
            error = yield from self._rows(collector)
        if not self._stopped and not self.broken:
            yield from self._finish()
        return error

    def _rows(self, collector: Collector) -> Running:
        """Hand the rows of the current statement over; leaves the rest where no more are wanted."""
        self._in_chunks()
        error = None
        while (result := (yield from self._fetch())) is not None:
            if result is TOO_LARGE:
                self.close()
                return TOO_LARGE
            if result.status in ROWS:
                if not collector.take(result):
                    self._stopped = result.status != ExecStatus.TUPLES_OK
                    if self._stopped:
                        return None
            elif result.status in _COPIES:
                # libpq would hand out this result for ever.
                self.close()
                return ServerMessage("0A000", "COPY cannot run here.")
            else:
                if result.status == ExecStatus.COMMAND_OK:
                    collector.done(result)
                error = error or first_error([result])
        return error

    def _in_chunks(self) -> None:
        if psycopg.pq.version() >= _CHUNKS_SINCE:
            self._pgconn.set_chunked_rows_mode(CHUNK_ROWS)
        else:
            self._pgconn.set_single_row_mode()

    def _fetch(self) -> Running:
        """Take the next result as psycopg's `fetch` does, or TOO_LARGE where it takes too much memory before it ends.

        What is seen is whole rows: one, of 1 GB at most, is always taken in.
        """
        growth: Growth | None = None
        while self._pgconn.is_busy():
            while not (yield Wait.R):
                pass
            self._pgconn.consume_input()
            growth = growth or Growth()
            if growth.too_large():
                return TOO_LARGE
        return self._pgconn.get_result()

    def _rest(self) -> Running:
        """Read away what a cancelled statement has still sent, then end its transaction."""
        while (result := (yield from self._fetch())) is not None:
            if result is TOO_LARGE:
                raise psycopg.OperationalError(TOO_LARGE.message)
        if self.pipelined:
            yield from self._answers(1)
        else:
            yield from self._finish()

    def _drain(self) -> Running:
        """Read away everything up to the end of the statement, wherever its answer is."""
        ends = 0
        while ends < _STEPS:
            result = yield from self._fetch()
            if result is TOO_LARGE or (result is not None and result.status == ExecStatus.PIPELINE_SYNC):
                return
            if result is not None and result.status in _COPIES:
                # libpq would hand out this result for ever; behind its data is the end of the statement.
                yield from self._copied_away()
            ends += result is None if self.pipelined else _STEPS * (result is None)

    def _copied_away(self) -> Running:
        while (length := self._pgconn.get_copy_data(1)[0]) >= 0:
            if length == 0:
                while not (yield Wait.R):
                    pass
                self._pgconn.consume_input()

    def _finish(self) -> Running:
        """Without pipelining: roll back, and send the reset without waiting for its answer."""
        self._send(Step(_ROLLBACK))
        yield from generators.send(self._pgconn)
        yield from self._answers(1)
        self._send(Step(_RESET))
        yield from generators.send(self._pgconn)
        self._owed = 1

    def _answers(self, count: int) -> Running:
        """Take that many answers, of which none may be an error."""
        for _ in range(count):
            error = first_error((yield from generators.fetch_many(self._pgconn)))
            if error is not None:
                raise psycopg.OperationalError(error.message)

    def _collect_here(self) -> None:
        """Take what has arrived of the owed answers: mostly all of them, and then nothing has to be set up to wait."""
        if self._owed:
            self._pgconn.consume_input()
        while self._owed and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None or result.status == ExecStatus.PIPELINE_SYNC:
                self._owed -= 1
            elif result.status in _FAILED:
                raise psycopg.OperationalError(server_message(result).message)

    def _collect_owed(self) -> Running:
        yield from self._answers(self._owed)
        self._owed = 0


class Growth:
    """What this process has grown by while one piece of an answer is waited for."""

    def __init__(self) -> None:
        """Begin."""
        self.waits = self._before = 0

    def too_large(self) -> bool:
        """Tell whether it has grown too much; called when data has arrived, and the piece is not complete."""
        self.waits += 1
        if self.waits < _LONG_WAITS:
            return False
        if self._before and _resident() - self._before > MAX_GROWTH:
            return True
        self._before = self._before or _resident()
        return False


def _resident() -> int:
    """Return the bytes of memory that this process has; its highest yet where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def first_error(results: Sequence[PGresult]) -> ServerMessage | None:
    return next((server_message(result) for result in results if result.status in _FAILED), None)


def early_error(results: Sequence[PGresult]) -> ServerMessage | None:
    error = first_error(results)
    return None if error is None else replace(error, early=True)
