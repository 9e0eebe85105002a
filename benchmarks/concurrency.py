"""Whether calls of one session run at the same time: eight statements that take a second each."""

from __future__ import annotations

import asyncio

from benchmarks import servers
from benchmarks.measure import heading, interleaved, show, verdict
from benchmarks.stand import Stand, stand

CALLS = 8
ROUNDS = 5
TARGET_S = 1.1


def main() -> None:
    """Measure and print."""
    with stand() as place:
        asyncio.run(_run(place))


async def _run(place: Stand) -> None:
    async with servers.connected(servers.pgwarden(place)) as session:

        async def one() -> None:
            await session.query("SELECT pg_sleep(1)")

        async def all_at_once() -> None:
            await asyncio.gather(*(one() for _ in range(CALLS)))

        await session.query("SELECT 1")
        fresh = await interleaved({f"{CALLS} at once, 7 to connect first": all_at_once}, rounds=1, warm_up=0)
        samples = await interleaved({"1 alone": one, f"{CALLS} at once": all_at_once}, ROUNDS, warm_up=0)
    heading("pg_sleep(1) over stdio", "ms")
    show(fresh | samples)
    verdict("wall clock", samples[f"{CALLS} at once"].p50 / 1000, "s", TARGET_S)


if __name__ == "__main__":
    main()
