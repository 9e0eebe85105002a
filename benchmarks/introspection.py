"""Describing 50 of 20,000 tables, against information_schema asked as peers ask it, and against a peer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from benchmarks import peers, servers
from benchmarks.measure import heading, interleaved, ratio, show
from benchmarks.servers import Session
from benchmarks.stand import Stand, stand

TABLES = 20_000
DESCRIBED = tuple(f"t_{number:05}" for number in range(137, TABLES, TABLES // 50))[:50]
ROUNDS = 3
BASE = "information_schema, raw psycopg"

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
SELECT tc.constraint_name, tc.constraint_type, kcu.column_name
FROM information_schema.table_constraints AS tc
LEFT JOIN information_schema.key_column_usage AS kcu
    ON kcu.constraint_name = tc.constraint_name AND kcu.table_schema = tc.table_schema
WHERE tc.table_schema = 'public' AND tc.table_name = %s
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s"


def main() -> None:
    """Measure and print."""
    with stand(*SETUP) as place:
        asyncio.run(_run(place))


async def _run(place: Stand) -> None:
    peer = next((each for each in peers.programs(place.reader_url) if each.name.startswith("postgres-mcp")), None)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(servers.connected(servers.pgwarden(place)))
        theirs = await stack.enter_async_context(servers.connected(peer)) if peer else None
        with place.reader() as connection:

            async def described() -> None:
                await ours.call("describe_table", {"tables": [f"public.{name}" for name in DESCRIBED]})

            async def asked() -> None:
                for name in DESCRIBED:
                    for query in (COLUMNS, CONSTRAINTS, INDEXES):
                        connection.execute(query, (name,)).fetchall()

            subjects = {"pgwarden describe_table, one call": described, BASE: asked}
            if peer and theirs:
                subjects[f"{peer.name} get_object_details"] = lambda: _details(theirs)
            samples = await interleaved(subjects, ROUNDS, warm_up=1)
    heading(f"Describing {len(DESCRIBED)} of {TABLES:,} tables", "ms")
    show(samples)
    first, *others = samples
    for other in others:
        ratio(f"{other} / pgwarden", samples[other], samples[first])


async def _details(peer: Session) -> None:
    for name in DESCRIBED:
        await peer.call("get_object_details", {"schema_name": "public", "object_name": name})


if __name__ == "__main__":
    main()
