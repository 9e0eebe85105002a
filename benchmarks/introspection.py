"""Describing 50 of 20,000 tables, against information_schema asked as peers ask it, and against a peer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import psycopg

from benchmarks import peers, servers
from benchmarks.measure import heading, interleaved, ratio, show
from benchmarks.servers import Session
from benchmarks.stand import Stand, stand

TABLES = 20_000
DESCRIBED = tuple(f"t_{number:05}" for number in range(137, TABLES, TABLES // 50))[:50]
ROUNDS = 2
OURS = "pgwarden, one call"
RAW = "information_schema, raw psycopg"

SETUP = (
    "CREATE TABLE t_00000 (id int PRIMARY KEY)",
    f"""
    DO $$ BEGIN
        FOR n IN 1..{TABLES} LOOP
            EXECUTE format('CREATE TABLE t_%s (id int PRIMARY KEY, before_id int REFERENCES t_%s, name text NOT NULL,
                            price numeric(10, 2) DEFAULT 0, made timestamptz)',
                           lpad(n::text, 5, '0'), lpad((n - 1)::text, 5, '0'));
            IF n % 50 = 0 THEN COMMIT; END IF;
        END LOOP;
    END $$
    """,
    "VACUUM ANALYZE",
)

COLUMNS = """
SELECT column_name, data_type, is_nullable, column_default
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position
"""
CONSTRAINTS = """
SELECT c.constraint_name, c.constraint_type, k.column_name, u.table_name, u.column_name
FROM information_schema.table_constraints AS c
JOIN information_schema.key_column_usage AS k USING (constraint_schema, constraint_name)
JOIN information_schema.constraint_column_usage AS u USING (constraint_schema, constraint_name)
WHERE c.table_schema = 'public' AND c.table_name = %s
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s"


def main() -> None:
    """Measure and print, for the owner of the tables and for a role that may only read them."""
    with stand(*SETUP) as place:
        for role, url in (("their owner", place.admin_url), ("a role that may only SELECT", place.reader_url)):
            heading(f"Describing {len(DESCRIBED)} of {TABLES:,} tables as {role}", "ms")
            asyncio.run(_compare(place, url))


async def _compare(place: Stand, url: str) -> None:
    peer = next((each for each in peers.programs(url) if each.name.startswith("postgres-mcp")), None)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(servers.connected(servers.pgwarden(place, url)))
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        subjects: dict[str, Callable[[], Awaitable[object]]] = {
            OURS: partial(ours.call, "describe_table", {"tables": [f"public.{name}" for name in DESCRIBED]}),
            RAW: partial(_information_schema, connection),
        }
        if peer:
            theirs = await stack.enter_async_context(servers.connected(peer))
            subjects[f"{peer.name}, a call each"] = partial(_details, theirs)
        await ours.query("SELECT 1")  # connects
        samples = await interleaved(subjects, ROUNDS, warm_up=0)
        show(samples)
        for name in list(samples)[1:]:
            ratio(f"{name} / {OURS}", samples[name], samples[OURS])
        print(f"  keys of the first table in information_schema: {_keys(connection, DESCRIBED[0])}", flush=True)


async def _information_schema(connection: psycopg.Connection[Any]) -> None:
    for name in DESCRIBED:
        for query in (COLUMNS, CONSTRAINTS, INDEXES):
            connection.execute(query, (name,)).fetchall()


def _keys(connection: psycopg.Connection[Any], name: str) -> int:
    """Return how many keys of a table are shown: it hides them from all but owners."""
    return len(connection.execute(CONSTRAINTS, (name,)).fetchall())


async def _details(peer: Session) -> None:
    for name in DESCRIBED:
        await peer.call("get_object_details", {"schema_name": "public", "object_name": name})


if __name__ == "__main__":
    main()
