"""One read over stdio, against the least it could cost and against peers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from benchmarks import peers, servers
from benchmarks.measure import heading, interleaved, ratio, show
from benchmarks.servers import Session
from benchmarks.stand import Stand, stand

TABLE = """
CREATE TABLE ten AS
SELECT i AS id, 'name ' || i AS name, i * 1.25 AS price, i % 7 AS kind, i % 2 = 0 AS active, md5(i::text) AS hash,
       timestamptz '2026-01-01' + i * interval '1 minute' AS made, i / 3.0::float8 AS ratio, i * 1000003 AS big,
       'x' AS flag
FROM generate_series(1, 1000) AS i
"""
CASES = (
    ("SELECT 1", "SELECT 1", 500, 1.5),
    ("1000 rows of 10 columns", "SELECT * FROM ten", 120, 3.0),
)
"""Title, statement, rounds, and the target of the ratio."""
OURS = "pgwarden"
BASE = "raw psycopg + empty tool"


def main() -> None:
    """Measure and print."""
    with stand(TABLE) as place:
        asyncio.run(_run(place))


async def _run(place: Stand) -> None:
    async with AsyncExitStack() as stack:
        empty = await stack.enter_async_context(servers.connected(servers.empty()))
        ours = await stack.enter_async_context(servers.connected(servers.pgwarden(place)))
        programs = peers.programs(place.reader_url)
        others = {each.name: await stack.enter_async_context(servers.connected(each)) for each in programs}
        for title, sql, rounds, target in CASES:
            heading(f"{title} over stdio", "ms")
            await _against_base(place, ours, empty, sql, rounds, target)
            await _against_peers(ours, others, sql, rounds // 4)


async def _against_base(place: Stand, ours: Session, empty: Session, sql: str, rounds: int, target: float) -> None:
    """Compare with a raw read followed by a call of the empty tool."""
    with place.reader() as connection:

        async def raw() -> None:
            connection.execute(sql.encode()).fetchall()

        async def base() -> None:
            await raw()
            await empty.call("nothing")

        # By themselves: a raw read just before the base would warm its connection.
        show(await interleaved({"raw psycopg": raw, "empty tool": partial(empty.call, "nothing")}, rounds))
        samples = await interleaved({BASE: base, OURS: partial(ours.query, sql)}, rounds)
    show(samples)
    ratio(f"{OURS} / ({BASE})", samples[OURS], samples[BASE], target)


async def _against_peers(ours: Session, others: dict[str, Session], sql: str, rounds: int) -> None:
    """Compare with peers, in turns of their own: a slow one leaves the caches of the others cold."""
    subjects = {OURS: ours, **others}
    samples = await interleaved({name: partial(each.query, sql) for name, each in subjects.items()}, rounds)
    for name in others:
        show({name: samples[name]})
        ratio(f"{name} / {OURS}", samples[name], samples[OURS])


if __name__ == "__main__":
    main()
