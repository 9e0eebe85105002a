"""Point lookups over stdio: what they cost beyond a call of an empty tool."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from benchmarks import servers
from benchmarks.measure import Sample, heading, interleaved, show, verdict
from benchmarks.servers import Session
from benchmarks.stand import Stand, stand

TABLES = (
    """
    CREATE TABLE customer_features AS
    SELECT i AS id, i % 97 AS orders, i * 1.25 AS revenue, i / 3.0::float8 AS score, 'segment ' || i % 5 AS segment,
           i % 2 = 0 AS active, timestamptz '2026-01-01' + i * interval '1 minute' AS updated_at
    FROM generate_series(1, 1000000) AS i
    """,
    "ALTER TABLE customer_features ADD PRIMARY KEY (id)",
    "ANALYZE customer_features",
)
COLUMNS = ["orders", "revenue", "score", "segment"]
ROUNDS = 400
TARGET_MS = 2.0
EMPTY = "empty tool"
SELECT = (
    "SELECT k.k0, t.orders, t.revenue, t.score, t.segment FROM unnest(%s::int8[]) WITH ORDINALITY AS k (k0, n) "
    "LEFT JOIN customer_features AS t ON t.id = k.k0 ORDER BY k.n"
)


def main() -> None:
    """Measure and print."""
    with stand(*TABLES) as place:
        asyncio.run(_run(place))
        for entities in (1, 10, 100):
            _prepared(place, entities)


async def _run(place: Stand) -> None:
    rng = random.Random(1)
    async with AsyncExitStack() as stack:
        empty = await stack.enter_async_context(servers.connected(servers.empty()))
        program = servers.pgwarden(place)
        # The SDK's client lists the tools again before each call of one that is not listed.
        program = replace(program, env={**program.env, "PGWARDEN_TOOLSETS": "feature_read"})
        ours = await stack.enter_async_context(servers.connected(program))

        async def look_up(session: Session, entities: int) -> str:
            keys = [rng.randrange(1, 1_000_000) for _ in range(entities)]
            given = {"table": "customer_features", "keys": keys, "columns": COLUMNS}
            return await session.call("lookup_features", given)

        heading("lookup_features over stdio", "ms")
        names = {entities: f"{entities} of 1,000,000 entities" for entities in (1, 10, 100)}
        subjects = {EMPTY: partial(empty.call, "nothing")}
        subjects |= {name: partial(look_up, ours, entities) for entities, name in names.items()}
        samples = await interleaved(subjects, ROUNDS)
        show(samples)
        for name in names.values():
            verdict(f"{name}, beyond the empty tool", samples[name].p50 - samples[EMPTY].p50, "ms", TARGET_MS)


def _prepared(place: Stand, entities: int) -> None:
    """Compare a named statement with an unnamed one through psycopg, as a read runs: rolled back, with a reset or not.

    DISCARD ALL ends prepared statements, so a named one would have to do without it.
    """
    rng = random.Random(1)
    heading(f"{entities} entities through psycopg alone", "ms")
    taken: dict[str, list[float]] = {"unnamed": [], "named": [], "reset alone": []}
    with place.reader() as connection:
        for turn in range(ROUNDS + 10):
            keys = [rng.randrange(1, 1_000_000) for _ in range(entities)]
            for name, values in taken.items():
                started = time.perf_counter()
                if name == "reset alone":
                    connection.execute("RESET ALL")
                else:
                    connection.execute(SELECT, (keys,), prepare=name == "named").fetchall()
                if turn >= 10:
                    values.append((time.perf_counter() - started) * 1000)
    show({name: Sample(tuple(values)) for name, values in taken.items()})


if __name__ == "__main__":
    main()
