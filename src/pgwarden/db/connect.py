"""Making connections: tried again by cause, and refused with the cause.

A server that is starting, or that nothing answers for, is tried again with growing pauses; a wrong password or an
unknown database never is. The caller learns the real cause at once, which is why connections are made in the caller's
own path and not in the background of a pool.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, PGconn, Ping

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


_SHOWN = frozenset({"sslmode", "sslrootcert", "channel_binding", "target_session_attrs", "sslnegotiation"})
"""Parameters beside the address that belong to a connection string that is handed on; none of them is a secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, as far as the settings and libpq's variables say; nothing of it is a secret.

    Attributes:
        host, port, database, user: What there is, else empty.
        service: A name in libpq's service file, which says the rest.
        options: What else belongs to a connection string, by libpq's names.
    """

    host: str = ""
    port: str = ""
    database: str = ""
    user: str = ""
    service: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def url(self, password: str = "") -> str:
        """Return it as a libpq URL."""
        login = quote(self.user, safe="") + (f":{quote(password, safe='')}" if password else "")
        more = dict(self.options)
        host, port = self.host, self.port
        if not host or host[0] in "/@" or "," in host:
            # What a URL has no place for: sockets, and several hosts.
            more = {"host": host, "port": port, **more}
            host = port = ""
        host = f"[{host}]" if ":" in host else host
        query = urlencode({key: value for key, value in more.items() if value})
        where = f"{login}@{host}" if login else host
        path = f"/{quote(self.database, safe='')}" if self.database else "/"
        return f"postgresql://{where}{f':{port}' if port else ''}{path}{f'?{query}' if query else ''}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt to connect found.

    Attributes:
        ms: Milliseconds that connecting took.
        address: What libpq connected to in the end, whatever service files and variables said.
        password: The password that was used; empty where none was needed. Never to be shown unless asked for.
        tls: Whether it is encrypted.
    """

    ms: float
    address: Address
    password: str
    tls: bool = False

    def __repr__(self) -> str:
        """Return it without the password."""
        return f"Attempt({self.address!r})"


class Connector:
    """Makes connections to one server."""

    def __init__(self, conninfo: str, settings: ConnectionSettings, database: str = "") -> None:
        """Take a libpq URL or key=value string (empty: libpq's PG* variables); it is read when first connecting.

        Args:
            conninfo: Where the server is.
            settings: How connections are made.
            database: In place of the database that `conninfo` names.
        """
        self._conninfo = conninfo
        self._settings = settings
        self._database = database
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

    def address(self) -> Address | None:
        """Return where the server is; None where the settings cannot be read."""
        try:
            given = self._parameters()
        except UnavailableError:
            return None
        named = bool(given.get("service"))
        defaults = {} if named else _defaults()
        host, port, user, database = (
            str(given.get(key) or defaults.get(key) or "") for key in ("host", "port", "user", "dbname")
        )
        host = str(given.get("hostaddr") or host) if not given.get("host") else host
        return Address(host, port, database, user, str(given.get("service") or ""), _shown(given))

    async def attempt(self) -> Attempt:
        """Connect once, without retries, and close again.

        Raises:
            UnavailableError: No connection could be made.
        """
        started = time.perf_counter()
        connection = await self._attempt(time.monotonic() + TOTAL_S)
        try:
            ms, info = (time.perf_counter() - started) * 1000, connection.info
            address = Address(info.host, str(info.port), info.dbname, info.user, "", _shown(self._parameters()))
            return Attempt(ms, address, info.password, bool(connection.pgconn.ssl_in_use))
        finally:
            await connection.close()

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
            if given.get("host") and not given.get("hostaddr") and os.environ.get("PGHOSTADDR"):
                # Or libpq would go there, whatever host the connection names.
                given["hostaddr"] = ""
            if self._database:
                given["dbname"] = self._database
            # Not of the user's choice: all that we read and send is UTF-8.
            self._parsed = _DEFAULTS | given | {"client_encoding": "UTF8"}
        return self._parsed


def _shown(parameters: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in sorted(parameters.items()) if key in _SHOWN)


def _defaults() -> dict[str, str]:
    """Return what libpq takes where nothing is said: its variables and its own defaults."""
    found = {each.keyword.decode(): (each.val or b"").decode(errors="replace") for each in Conninfo.get_defaults()}
    return {**found, "dbname": found.get("dbname") or found.get("user", "")}


def _ask(parameters: dict[str, Any]) -> errors.Cause:
    """Tell the cause of a failure that was described in unknown words. Blocks for a few seconds at most."""
    answer = PGconn.ping(make_conninfo(**(parameters | {"connect_timeout": 3})).encode())
    if answer == Ping.REJECT:
        return errors.STARTING
    return errors.REFUSED if answer == Ping.NO_RESPONSE else errors.REJECTED
