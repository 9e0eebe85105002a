"""One read on one server: settings, wrapping, caps, errors and types around `Link.exchange`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.db import errors, guc
from pgwarden.db.blocks import Blocks, Parameters
from pgwarden.db.cursor import Collector, dump
from pgwarden.db.hiding import Hiding, veil
from pgwarden.db.link import BrokenError, Link, Step
from pgwarden.db.pool import Pool
from pgwarden.errors import ArgumentError, ConnectionLostError, DatabaseError
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from pgwarden.guard.shields import Masking

_WRAP = "SELECT * FROM (\n"
_PREPARE = "PREPARE judged AS "


@dataclass(frozen=True, slots=True)
class Request:
    """A read.

    Attributes:
        statement: The caller's text, or the name of a block.
        parameters: Values of `$1`, `$2`, ..., or by name for a block.
        block: Whether `statement` names one.
        prepared: A statement of the caller's that `statement` names as `judged`, planned without values; empty: none.
        wrap: Whether it can stand in FROM, so that the server itself stops at the cap.
        limit, offset: Rows; limit None: no cap.
        max_bytes: Bytes of values; None: no cap.
        timeout_s: Seconds for the statement.
        masking: What is bound behind the parameters, and masked in what comes.
        hiding: What the answer of a block leaves out.
    """

    statement: str
    parameters: Parameters
    timeout_s: float
    block: bool = False
    prepared: str = ""
    wrap: bool = False
    limit: int | None = None
    offset: int = 0
    max_bytes: int | None = None
    masking: Masking | None = None
    hiding: Hiding | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes to one server: the steps, and where the caller's text is in them."""

    step: Step
    before: int
    length: int
    first: tuple[Step, ...] = ()


class Reader:
    """Runs requests on the links of a pool."""

    def __init__(self, pool: Pool, limits: LimitSettings, blocks: Blocks) -> None:
        """Take the pool, the limits of locks, and the blocks that requests may name."""
        self._pool = pool
        self._lock_timeout_s = limits.lock_timeout
        self._blocks = blocks

    async def run(self, request: Request) -> Collector:
        """Run a request. One whose connection breaks before a row came is run once more, on a new connection.

        Raises:
            UnavailableError: No connection could be made.
            ConnectionLostError: It broke, twice or in the middle of rows.
            StatementTimeoutError: Its time was up.
            QueryError: The server refused it.
            NotSupportedError: The block has no variant for the server.
        """
        try:
            return await self._once(request)
        except _AgainError as exc:
            if exc.without_pipeline:
                self._pool.pipelined = False
        # After a restart every idle link is as dead as this one was.
        self._pool.clear()
        try:
            return await self._once(request)
        except _AgainError as exc:
            raise exc.error from None

    async def _once(self, request: Request) -> Collector:
        link = await self._pool.acquire()
        try:
            return await self._on(link, request)
        except asyncio.CancelledError:
            await link.abort()
            raise
        except (_AgainError, ConnectionLostError):
            if not link.aborted:
                link.close()
            raise
        finally:
            self._pool.release(link)

    async def _on(self, link: Link, request: Request) -> Collector:
        sent = render(request, self._blocks, link.version)
        collector = Collector(request.limit, request.max_bytes, bounded=request.wrap, masking=request.masking)
        started = time.monotonic()
        try:
            async with asyncio.timeout(request.timeout_s + guc.GRACE_S):
                error = await link.exchange((self._settings(link, request), *sent.first), sent.step, collector)
        except TimeoutError:
            await link.abort()
            self._pool.clear()
            raise ConnectionLostError("The server did not answer in time.", code="server_not_answering") from None
        except BrokenError as exc:
            raise self._broken(exc, link, collector) from None
        if error is not None:
            timed_out = time.monotonic() - started >= request.timeout_s * 0.95
            scrub = request.masking is not None and request.masking.scrub
            raise self._refused(error, sent, timed_out=timed_out, scrub=scrub)
        if link.pipelined:
            self._pool.pipelined = True
        return collector

    def _broken(self, exc: BrokenError, link: Link, collector: Collector) -> Exception:
        found = errors.lost(str(exc))
        if collector.rows:
            return found
        # A pooler that cannot pipeline hangs up without a word, or complains of the protocol.
        suspicious = link.pipelined and self._pool.pipelined is None
        return _AgainError(found, without_pipeline=suspicious and exc.sqlstate in ("", errors.PROTOCOL_VIOLATION))

    def _refused(self, error: errors.ServerMessage, sent: Sent, *, timed_out: bool, scrub: bool) -> Exception:
        found = errors.query_error(error, before=sent.before, length=sent.length, timed_out=timed_out, scrub=scrub)
        if error.early and error.sqlstate == errors.INVALID_PARAMETER_VALUE and self._pool.checks_client:
            # Servers on some platforms know the setting and refuse every value.
            self._pool.checks_client = False
            return _AgainError(found)
        return found

    def _settings(self, link: Link, request: Request) -> Step:
        check = self._pool.checks_client and link.version >= guc.CHECK_CLIENT_VERSION
        generic = bool(request.prepared)
        timeouts = guc.ms(request.timeout_s), guc.ms(self._lock_timeout_s)
        return guc.settings(*timeouts, ours=request.block, check=check, generic=generic)


class _AgainError(Exception):
    """The request should be run once more; `error` is what the caller gets if that fails in the same way."""

    def __init__(self, error: DatabaseError, *, without_pipeline: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.without_pipeline = without_pipeline


def render(request: Request, blocks: Blocks, version: int) -> Sent:
    """Return a request as it goes to a server of a version.

    Raises:
        ArgumentError: A value cannot be sent.
        InternalError, NotSupportedError: There is no such block.
    """
    if request.block:
        text, values = blocks.pick(request.statement, version).render(request.parameters)
        text = veil(text, request.hiding) if request.hiding else text
    else:
        text, values = request.statement, tuple(request.parameters)
        values += request.masking.parameters if request.masking else ()
    if "\0" in text + request.prepared:
        # The wire would end the text there, and the server see another one than the guard.
        raise ArgumentError("A statement cannot contain the character NUL.")
    if request.prepared:
        prepare = Step((_PREPARE + request.prepared).encode())
        return Sent(Step(text.encode()), len(_PREPARE), len(request.prepared), (prepare,))
    dumped = dump(values) if values else ((), ())
    if not request.wrap:
        return Sent(Step(text.encode(), *dumped), 0, len(text))
    # The line break ends a comment of the caller's.
    rest = f"\n) AS q LIMIT {(request.limit or 0) + 1:d}" + (f" OFFSET {request.offset:d}" if request.offset else "")
    return Sent(Step((_WRAP + text + rest).encode(), *dumped), len(_WRAP), len(text))
