"""Database objects to test with.

    async with open_database(url, retry_attempts=1) as db:
        rows = await read(db, "SELECT 1")

Opened by the test itself: its connections belong to the test's event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from pgwarden.db import Database
from pgwarden.policy.scopes import UNLIMITED, Scopes
from pgwarden.results import Rows, Written
from pgwarden.settings import ConnectionSettings, LimitSettings

OpenDatabase = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.fixture
def open_database() -> OpenDatabase:
    """A function that opens the database of a URL; keyword arguments are settings of connections."""

    @asynccontextmanager
    async def opened(
        url: str,
        *,
        limits: LimitSettings | None = None,
        least_privilege: bool = False,
        writes: bool = False,
        scopes: Scopes = UNLIMITED,
        **settings: Any,
    ) -> AsyncIterator[Database]:
        db = Database(
            ConnectionSettings(**settings),
            limits or LimitSettings(),
            conninfo=url,
            require_least_privilege=least_privilege,
            writes=writes,
            scopes=scopes,
        )
        try:
            yield db
        finally:
            await db.close()

    return opened


async def read(db: Database, statement: str, *params: object, **arguments: Any) -> Rows:
    """Read as a tool would, with caps that do not matter unless named."""
    caps: dict[str, Any] = {"wrap": True, "limit": 1000, "max_bytes": 1_000_000, "timeout_s": 20.0}
    return await db.read(statement, params, **(caps | arguments))


async def write(db: Database, statement: str, *params: object, **arguments: Any) -> Written:
    """Change as a tool would, with caps that do not matter unless named."""
    caps: dict[str, Any] = {"limit": 1000, "max_bytes": 1_000_000, "timeout_s": 20.0, "max_affected": None}
    return await db.write(statement, params, **(caps | arguments))


async def cell(db: Database, statement: str, *params: object, **arguments: Any) -> str | None:
    """Return the one value of a statement."""
    [[value]] = (await read(db, statement, *params, **arguments)).rows
    return value
