"""Reads that would not fit into memory: how long the capped answer takes, and what it costs the server in memory."""

from __future__ import annotations

import time

from benchmarks import servers
from benchmarks.measure import Sample, heading, milliseconds, show, verdict
from benchmarks.stand import stand
from benchmarks.wire import Wire, forget_peak, memory_mb, started

ROWS = 5_000_000
WIDE_ROWS, WIDE_BYTES = 3_000, 1_000_000
ROUNDS = 20
TARGET_MB = 20

ORDINARY = "CREATE TABLE ordinary AS SELECT i AS id, 'row ' || i AS body FROM generate_series(1, 1000) AS i"
HUGE = f"CREATE TABLE huge AS SELECT i AS id, 'row ' || i AS body FROM generate_series(1, {ROWS}) AS i"
WIDE = (
    "CREATE TABLE wide (id int, body text)",
    f"INSERT INTO wide VALUES (0, repeat('wide', {WIDE_BYTES // 4}))",
    # The stored value is copied as it is, compressed: quick to make, and as large on the wire as any other.
    f"INSERT INTO wide SELECT i, body FROM wide, generate_series(1, {WIDE_ROWS - 1}) AS i",
)


def main() -> None:
    """Measure and print."""
    with stand(ORDINARY, HUGE, *WIDE) as place:
        for title, sql in (
            (f"SELECT * of {ROWS:,} rows", "SELECT * FROM huge"),
            (f"SELECT * of {WIDE_ROWS:,} rows of {WIDE_BYTES:,} bytes", "SELECT * FROM wide"),
        ):
            # A process of its own, so that one case's memory does not hide the other's.
            with started(servers.pgwarden(place)) as wire:
                _measure(wire, title, sql)


def _measure(wire: Wire, title: str, sql: str) -> None:
    for _ in range(3):
        wire.query("SELECT * FROM ordinary")
    before = memory_mb(wire.pid, "VmRSS")
    forget_peak(wire.pid)
    times = [_timed(wire, sql) for _ in range(ROUNDS)]
    peak = memory_mb(wire.pid, "VmHWM")
    heading(title, "ms")
    show({"first": milliseconds(times[:1]), f"the next {ROUNDS - 1}": milliseconds(times[1:])})
    show({"memory before, MB": Sample((before,))})
    verdict("growth of memory, at its peak", peak - before, "MB", TARGET_MB)


def _timed(wire: Wire, sql: str) -> float:
    begun = time.perf_counter()
    wire.query(sql)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
