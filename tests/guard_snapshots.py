"""The guard's snapshot of a test's database, read with nothing but a connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from pgwarden.db.blocks import Blocks
from pgwarden.db.catalog import Fetch, load
from pgwarden.guard.catalog import Catalog

Row = tuple[str | None, ...]


BLOCKS = Blocks()


class TextRows:
    """Runs the blocks on a connection of its own, every value as text, and counts them."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection
        self.asked: list[str] = []

    async def __call__(self, block: str, params: Sequence[object]) -> list[Row]:
        """Run a block; has the type Fetch."""
        self.asked.append(block)
        cursor: psycopg.AsyncRawCursor[Row] = psycopg.AsyncRawCursor(self.connection)
        for oid in ("oid", "text", "name"):
            cursor.adapters.register_loader(oid, TextLoader)
        statement = BLOCKS.pick(block, self.connection.info.server_version).text
        await cursor.execute(statement.encode(), params or None)
        return await cursor.fetchall()


async def connect(url: str) -> psycopg.AsyncConnection[Any]:
    """Open a connection that commits each statement by itself."""
    return await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)


async def snapshot(url: str) -> Catalog:
    """Read the snapshot of a database."""
    async with await connect(url) as connection:
        fetch: Fetch = TextRows(connection)
        return await load(fetch)
