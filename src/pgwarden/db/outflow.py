"""A result that is passed on while it comes, by COPY or in chunks of rows, in a READ ONLY transaction of its own.

The same steps as `Link.exchange`, one after another, since COPY cannot be pipelined: BEGIN READ ONLY; settings;
SAVEPOINT; the statement is described; then it runs. Whoever takes the rows may be slow: what is not taken stays in the
socket, and the server waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Wait

from pgwarden.db import link as links
from pgwarden.db.errors import ServerMessage
from pgwarden.db.link import BrokenError, Link, Step

_PATIENCE_S = 0.2
"""Seconds that rows are kept back for more to come."""


class Outflow:
    """One statement's rows on a link that nobody else uses. A part of Link, whose inside it knows.

    `begin`, `start`, then `copied` or `chunked` until that was all, then `end`. Each raises BrokenError where the
    connection broke; the link must be closed then.
    """

    def __init__(self, link: Link) -> None:
        """Take the link."""
        self._link = link
        self._pgconn = link._pgconn

    async def begin(self, settings: Step, statement: Step) -> tuple[PGresult | None, ServerMessage | None]:
        """Open the transaction, and describe a statement in it, which runs nothing.

        Returns:
            The description of its columns, or the server's error.
        """
        self._link.pause()
        before = (Step(links.BEGIN), settings, Step(links.SAVEPOINT))
        found: tuple[PGresult | None, ServerMessage | None] = await self._wait(self._begin(before, statement))
        return found

    async def start(self, statement: Step, *, chunks: bool) -> ServerMessage | None:
        """Start a COPY TO STDOUT, or (`chunks`) a query. Returns the server's error, if there is one right away."""
        error: ServerMessage | None = await self._wait(self._start(statement, chunks=chunks))
        return error

    async def copied(self, most: int) -> tuple[bytearray, int, bool, ServerMessage | None]:
        """Return what a COPY gives next: about `most` bytes of rows, how many, whether that was all, and the error."""
        found: tuple[bytearray, int, bool, ServerMessage | None] = await self._wait(self._copied(most))
        return found

    async def chunked(self, take: Callable[[PGresult], bool]) -> tuple[bool, ServerMessage | None]:
        """Hand rows over until `take` returns false. Returns whether that was all, and the server's error."""
        found: tuple[bool, ServerMessage | None] = await self._wait(self._chunked(take))
        return found

    async def end(self) -> None:
        """Roll back, and leave the link as it was."""
        await self._link.resume()

    async def _wait(self, run: links.Running) -> Any:
        try:
            return await self._link._wait(run)
        except psycopg.Error as exc:
            raise BrokenError(str(exc)) from None

    def _begin(self, before: Sequence[Step], statement: Step) -> links.Running:
        for step in before:
            self._link._send(step)
            yield from generators.send(self._pgconn)
            error = links.early_error((yield from generators.fetch_many(self._pgconn)))
            if error is not None:
                return None, error
        self._pgconn.send_prepare(b"", statement.text, statement.types)
        yield from generators.send(self._pgconn)
        error = links.first_error((yield from generators.fetch_many(self._pgconn)))
        if error is not None:
            return None, error
        self._pgconn.send_describe_prepared(b"")
        yield from generators.send(self._pgconn)
        results = yield from generators.fetch_many(self._pgconn)
        return results[0], links.first_error(results)

    def _start(self, statement: Step, *, chunks: bool) -> links.Running:
        self._link._send(statement)
        if chunks:
            self._link._in_chunks()
        yield from generators.send(self._pgconn)
        if chunks:
            return None
        result = yield from self._link._fetch()
        if result.status == ExecStatus.COPY_OUT:
            return None
        return (yield from self._ending([result]))

    def _copied(self, most: int) -> links.Running:
        # Rows are not kept as objects, of which the garbage collector would have a lot to look at.
        get, data, count = self._pgconn.get_copy_data, bytearray(), 0
        started, growth = time.monotonic(), None
        while len(data) < most:
            length, row = get(1)
            if length > 0:
                # The server sends each row in a message of its own.
                data += row
                count += 1
                growth = None
                continue
            if length < 0:
                return data, count, True, (yield from self._ending([]))
            if count and time.monotonic() - started > _PATIENCE_S:
                break
            while not (yield Wait.R):
                pass
            self._pgconn.consume_input()
            growth = growth or links.Growth()
            if growth.too_large():
                self._link.close()
                return data, count, True, links.TOO_LARGE
        return data, count, False, None

    def _chunked(self, take: Callable[[PGresult], bool]) -> links.Running:
        while (result := (yield from self._link._fetch())) is not None:
            if result is links.TOO_LARGE:
                self._link.close()
                return True, result
            if result.status not in links.ROWS:
                return True, (yield from self._ending([result]))
            if not take(result):
                return False, None
        return True, None

    def _ending(self, results: list[PGresult]) -> links.Running:
        """Take what comes behind the rows. Returns the server's error."""
        while (result := (yield from self._link._fetch())) is not None:
            results.append(result)
        return links.first_error(results)
