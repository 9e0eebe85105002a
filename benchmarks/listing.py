"""What the list of tools costs a model's context: bytes of the answer to tools/list."""

from __future__ import annotations

import json

from benchmarks import peers, servers
from benchmarks.measure import skipped, verdict
from benchmarks.servers import Program
from benchmarks.stand import stand
from benchmarks.wire import started

TARGET = 8192


def main() -> None:
    """Measure and print."""
    with stand() as place:
        print("\nThe answer to tools/list", flush=True)
        _print(servers.pgwarden(place), TARGET)
        for peer in peers.programs(place.reader_url):
            try:
                _print(peer, None)
            except RuntimeError as exc:
                skipped(peer.name, str(exc))


def _print(program: Program, target: int | None) -> None:
    with started(program) as wire:
        line = wire.request("tools/list")
    count = len(json.loads(line)["result"]["tools"])
    verdict(f"{program.name}, {count} tools", len(line), "bytes", target)


if __name__ == "__main__":
    main()
