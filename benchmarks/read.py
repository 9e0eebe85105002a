"""One read over stdio, against the least it could cost and against peers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from benchmarks import peers, servers
from benchmarks.measure import Sample, heading, interleaved, ratio, show
from benchmarks.servers import Session
from benchmarks.stand import Stand, stand

TABLE = """
CREATE TABLE ten AS
SELECT i AS id, 'name ' || i AS name, i * 1.25 AS price, i % 7 AS kind, i % 2 = 0 AS active, md5(i::text) AS hash,
       timestamptz '2026-01-01' + i * interval '1 minute' AS made, i / 3.0::float8 AS ratio, i * 1000003 AS big,
       'x' AS flag
FROM generate_series(1, 1000) AS i
"""
BASE = "raw psycopg + empty tool"


def main() -> None:
    """Measure and print."""
    with stand(TABLE) as place:
        asyncio.run(_run(place))


async def _run(place: Stand) -> None:
    async with AsyncExitStack() as stack:
        empty = await stack.enter_async_context(servers.connected(servers.empty()))
        programs = [servers.pgwarden(place), *peers.programs(place.reader_url)]
        asked = {each.name: await stack.enter_async_context(servers.connected(each)) for each in programs}
        small = await _compare(place, empty, asked, "SELECT 1", rounds=300)
        _print("SELECT 1 over stdio", small, target=1.5)
        large = await _compare(place, empty, asked, "SELECT * FROM ten", rounds=60)
        _print("1000 rows of 10 columns over stdio", large, target=3.0)


async def _compare(place: Stand, empty: Session, asked: dict[str, Session], sql: str, rounds: int) -> dict[str, Sample]:
    """Time a statement through every server, raw, and through the empty tool after the raw read."""
    with place.reader() as connection:

        async def raw() -> None:
            connection.execute(sql.encode()).fetchall()

        async def base() -> None:
            await raw()
            await empty.call("nothing")

        subjects = {name: partial(session.query, sql) for name, session in asked.items()}
        return await interleaved({"raw psycopg": raw, BASE: base, **subjects}, rounds)


def _print(title: str, samples: dict[str, Sample], target: float) -> None:
    heading(title, "ms")
    show(samples)
    ratio(f"pgwarden / ({BASE})", samples["pgwarden"], samples[BASE], target)
    for name, sample in samples.items():
        if name not in ("pgwarden", BASE, "raw psycopg"):
            ratio(f"{name} / pgwarden", sample, samples["pgwarden"])


if __name__ == "__main__":
    main()
