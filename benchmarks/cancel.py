"""How long a statement outlives its caller, and how soon reads work again after the server dropped every connection."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks import servers
from benchmarks.measure import Sample, heading, milliseconds, show, verdict
from benchmarks.stand import READER, Stand, stand
from benchmarks.wire import Wire, query, started

ROUNDS = 5
TARGET_MS = 500
TARGET_KILLED_MS = 3000
PATIENCE_S = 30

Ending = Callable[[Wire, int], None]
ENDINGS: dict[str, tuple[Ending, int]] = {
    "cancelled by the client": (lambda wire, request: wire.cancel(request), TARGET_MS),
    "end of input": (lambda wire, _: wire.close_stdin(), TARGET_MS),
    "SIGTERM": (lambda wire, _: wire.process.send_signal(signal.SIGTERM), TARGET_MS),
    "SIGINT": (lambda wire, _: wire.process.send_signal(signal.SIGINT), TARGET_MS),
    "SIGKILL": (lambda wire, _: wire.process.kill(), TARGET_KILLED_MS),
}
RUNNING = f"""
SELECT count(*) FROM pg_stat_activity
WHERE usename = '{READER}' AND state = 'active' AND query LIKE '%pg_sleep(60)%'
"""
TERMINATE = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{READER}'"


def main() -> None:
    """Measure and print."""
    with stand() as place:
        heading("From the end of the caller to that of its statement", "ms")
        for name, (end, target) in ENDINGS.items():
            sample = milliseconds([_outlived(place, end) for _ in range(ROUNDS)])
            show({name: sample})
            verdict("    the longest", max(sample.values), "ms", target)
    heading("The first read after", "ms")
    show(_reads_again())


def _outlived(place: Stand, end: Ending) -> float:
    """Return the seconds that a statement runs on after its caller's end."""
    with place.admin() as admin, started(servers.pgwarden(place)) as wire:
        wire.query("SELECT 1")
        request = wire.send("tools/call", query("SELECT pg_sleep(60)"))
        _wait(admin, lambda running: running > 0)
        begun = time.perf_counter()
        end(wire, request)
        _wait(admin, lambda running: running == 0)
        return time.perf_counter() - begun


def _wait(admin: psycopg.Connection[Any], reached: Callable[[int], bool]) -> None:
    """Wait until the number of statements that the reader runs is as wanted.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not reached((admin.execute(RUNNING.encode()).fetchone() or (0,))[0]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S} s")
        time.sleep(0.002)


def _reads_again() -> dict[str, Sample]:
    """Time a read that nothing happened to, one after its connection was ended, and one after a restart."""
    causes: dict[str, Callable[[Stand], None]] = {
        "nothing happened": lambda place: None,
        "connections terminated": _terminate,
        "server restarted": lambda place: place.cluster.restart(),
    }
    taken: dict[str, list[float]] = {name: [] for name in causes}
    with stand(tcp=False) as place, started(servers.pgwarden(place)) as wire:
        wire.query("SELECT 1")
        for _ in range(ROUNDS):
            for name, cause in causes.items():
                cause(place)
                taken[name].append(_read(wire))
    return {name: milliseconds(values) for name, values in taken.items()}


def _terminate(place: Stand) -> None:
    with place.admin() as admin:
        admin.execute(TERMINATE.encode())


def _read(wire: Wire) -> float:
    begun = time.perf_counter()
    wire.query("SELECT 1")
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
