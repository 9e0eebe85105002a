"""Exports: against COPY by psycopg into a file, and what one that would not fit into memory costs the server in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.measure import Sample, heading, interleaved, ratio, show, skipped, verdict
from benchmarks.servers import Program
from benchmarks.stand import Stand, stand
from benchmarks.wire import Wire, forget_peak, memory_mb, started

ROWS, LONG_ROWS = 100_000, 5_000_000
ROUNDS, WARM_UP = 15, 3
TARGET, TARGET_MB = 1.3, 20
TABLES = (
    f"""
    CREATE TABLE wide AS
    SELECT i AS id, i::bigint * 1000 AS big, 'row ' || i AS name, now() AS at, i * 1.5 AS price, i % 2 = 0 AS even,
           md5(i::text) AS hash, NULL::int AS none, i / 7.0::float8 AS ratio, current_date AS day
    FROM generate_series(1, {ROWS}) AS i
    """,
    f"CREATE TABLE long AS SELECT i AS id, 'row ' || i AS body FROM generate_series(1, {LONG_ROWS}) AS i",
)
COPY = b"COPY wide TO STDOUT (FORMAT csv, HEADER)"
BASE = "psycopg: COPY to a file, forced to disk"
QUICK = "psycopg: COPY to a file"


def main() -> None:
    """Measure and print."""
    with stand(*TABLES) as place:
        program = servers.pgwarden(place)
        program = replace(program, env={**program.env, "PGWARDEN_PROFILE": "analyst"})
        asyncio.run(_speed(place, program))
        _memory(program)


async def _speed(place: Stand, program: Program) -> None:
    with started(program) as wire, place.reader() as connection:
        path = place.root / "copied.csv"

        async def copied(*, synced: bool) -> None:
            with path.open("wb") as file, connection.cursor().copy(COPY) as copy:
                for data in copy:
                    file.write(data)
                if synced:
                    file.flush()
                    os.fsync(file.fileno())

        subjects: dict[str, Callable[[], Awaitable[object]]] = {
            QUICK: lambda: copied(synced=False),
            BASE: lambda: copied(synced=True),
            "export_query, csv": lambda: _export(wire, "SELECT * FROM wide"),
            "export_query, csv, a parameter": lambda: _export(wire, "SELECT * FROM wide WHERE id > $1", params=["0"]),
            "export_query, ndjson": lambda: _export(wire, "SELECT * FROM wide", format="ndjson"),
        }
        if _has_parquet():
            subjects["export_query, parquet"] = lambda: _export(wire, "SELECT * FROM wide", format="parquet")
        else:
            skipped("parquet", "pyarrow is not installed")
        heading(f"{ROWS:,} rows of 10 columns to a file, over stdio", "ms")
        samples = await interleaved(subjects, ROUNDS, WARM_UP)
        show(samples)
        ratio("csv, times psycopg", samples["export_query, csv"], samples[QUICK], TARGET)
        ratio("csv, times psycopg that forces it to disk, too", samples["export_query, csv"], samples[BASE], TARGET)
        _check(place.root / "home" / "exports", path)


async def _export(wire: Wire, sql: str, **arguments: Any) -> None:
    given = {"sql": sql, "path": f"bench-{next(_NUMBERS)}"} | arguments
    wire.request("tools/call", {"name": "export_query", "arguments": given})


_NUMBERS = count()


def _check(folder: Path, copied: Path) -> None:
    """Fail where the file is not what psycopg wrote, then make room."""
    assert (folder / "bench-0.csv").read_bytes() == copied.read_bytes()
    for file in folder.iterdir():
        file.unlink()


def _memory(program: Program) -> None:
    for form in ("csv", "ndjson", *(["parquet"] if _has_parquet() else [])):
        # A process of its own, so that one case's memory does not hide the other's.
        with started(program) as wire:
            small = {"sql": "SELECT * FROM wide", "format": form, "path": f"warm.{form}", "overwrite": True}
            wire.request("tools/call", {"name": "export_query", "arguments": small})
            before = memory_mb(wire.pid, "VmRSS")
            forget_peak(wire.pid)
            large = {**small, "sql": "SELECT * FROM long"}
            wire.request("tools/call", {"name": "export_query", "arguments": large})
            peak = memory_mb(wire.pid, "VmHWM")
        heading(f"{LONG_ROWS:,} rows of two columns as {form}", "MB")
        show({"memory before": Sample((before,))})
        verdict("growth of memory, at its peak", peak - before, "MB", TARGET_MB)


def _has_parquet() -> bool:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
