"""Making connections: tried again by cause, and refused with the cause.

A server that is starting, or that nothing answers for, is tried again with growing pauses; a wrong password or an
unknown database never is. The caller learns the real cause at once, which is why connections are made in the caller's
own path and not in the background of a pool.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping

from pgwarden.db import errors
from pgwarden.errors import UnavailableError
from pgwarden.settings import ConnectionSettings

TOTAL_S = 30.0
"""Seconds that all attempts of one call take together at most."""

_DEFAULTS: dict[str, Any] = {
    "application_name": "pgwarden",
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # Milliseconds until what was sent and not acknowledged counts as a lost network.
    "tcp_user_timeout": 30_000,
}

_HOST = re.compile(r"[\w.:%-]*|[/@].*")
"""A name, an address, or the directory of a socket (abstract ones start with @)."""


class Connector:
    """Makes connections to one server."""

    def __init__(self, conninfo: str, settings: ConnectionSettings) -> None:
        """Take a libpq URL or key=value string (empty: libpq's PG* variables); it is read when first connecting."""
        self._conninfo = conninfo
        self._settings = settings
        self._parsed: dict[str, Any] | None = None

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """Return a new connection, in autocommit mode.

        Raises:
            UnavailableError: No connection could be made; its code is the cause.
        """
        deadline = time.monotonic() + TOTAL_S
        attempt = 1
        while True:
            try:
                return await self._attempt(deadline)
            except UnavailableError as exc:
                pause = min(self._settings.retry_base * 2 ** (attempt - 1), self._settings.retry_max)
                last = attempt >= self._settings.retry_attempts or time.monotonic() + pause >= deadline
                if not exc.retryable or last:
                    raise
            attempt += 1
            await asyncio.sleep(pause)

    async def _attempt(self, deadline: float) -> psycopg.AsyncConnection[Any]:
        parameters = self._parameters()
        # Of one attempt, whatever number of addresses the host has.
        limit = max(min(self._settings.connect_timeout, deadline - time.monotonic()), 0.1)
        try:
            async with asyncio.timeout(limit):
                return await psycopg.AsyncConnection.connect(**parameters, autocommit=True, prepare_threshold=None)
        except TimeoutError:
            raise errors.unavailable(errors.TIMED_OUT, f"no answer within {limit:.0f} s.") from None
        except psycopg.Error as exc:
            cause = errors.classify(str(exc))
            if cause is None:
                cause = await asyncio.to_thread(_ask, parameters)
            raise errors.unavailable(cause, str(exc), parameters.get("password")) from None

    def _parameters(self) -> dict[str, Any]:
        if self._parsed is None:
            try:
                given = conninfo_to_dict(self._conninfo)
            except psycopg.Error:
                # libpq's message would quote a part of the URL, which may be the password.
                raise errors.unavailable(errors.INVALID, "the connection settings cannot be read.") from None
            if not all(map(_HOST.fullmatch, str(given.get("host", "")).split(","))):
                # A bare @ in a password ends it there for libpq, whose message would quote the rest as a host.
                raise errors.unavailable(
                    errors.INVALID, "the host is not a name, an address or a path; in a URL a password's @ is %40."
                )
            # Not of the user's choice: all that we read and send is UTF-8.
            self._parsed = _DEFAULTS | given | {"client_encoding": "UTF8"}
        return self._parsed


def _ask(parameters: dict[str, Any]) -> errors.Cause:
    """Tell the cause of a failure that was described in unknown words. Blocks for a few seconds at most."""
    answer = PGconn.ping(make_conninfo(**(parameters | {"connect_timeout": 3})).encode())
    if answer == Ping.REJECT:
        return errors.STARTING
    return errors.REFUSED if answer == Ping.NO_RESPONSE else errors.REJECTED
