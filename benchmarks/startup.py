"""What a start costs: processor time until tools/list is answered, against that of importing the SDK."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import get_args

from benchmarks import servers
from benchmarks.measure import heading, milliseconds, ratio, show
from benchmarks.servers import Program
from benchmarks.stand import stand
from benchmarks.wire import Era, processor_seconds, started

ROUNDS = 15
TARGET = 1.15

Subject = Callable[[], tuple[float, float]]

IMPORT = "import of mcp"
WHOLE = "import of mcp, and the end of the process"
CODE = {
    # A server's answer does not wait for the interpreter to take itself down, so the nearer base does not either.
    IMPORT: "import os, mcp; os._exit(0)",
    WHOLE: "import mcp",
}


def main() -> None:
    """Measure and print."""
    with stand() as place:
        program = servers.pgwarden(place)
        ours: dict[str, Subject] = {f"pgwarden, {era}": partial(_listed, program, era) for era in get_args(Era)}
        subjects: dict[str, Subject] = {name: partial(_ran, code) for name, code in CODE.items()} | ours
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
        for turn in range(ROUNDS + 1):
            for name, subject in subjects.items():
                spent = subject()
                if turn:  # the first turn may compile
                    taken[name].append(spent)
    processor = {name: milliseconds([spent[0] for spent in values]) for name, values in taken.items()}
    heading("Start to the first tools/list, processor time", "ms")
    show(processor)
    for name in ours:
        for base in CODE:
            ratio(f"{name} / {base}", processor[name], processor[base], TARGET)
    heading("The same, wall clock", "ms")
    show({name: milliseconds([spent[1] for spent in values]) for name, values in taken.items()})


def _ran(code: str) -> tuple[float, float]:
    """Run code in a new interpreter; return seconds of processor and of wall clock."""
    begun = time.perf_counter()
    process = subprocess.Popen((sys.executable, "-c", code))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - begun


def _listed(program: Program, era: Era) -> tuple[float, float]:
    """Start the server and list its tools; return seconds of processor and of wall clock."""
    begun = time.perf_counter()
    with started(program, era) as wire:
        wire.request("tools/list")
        return processor_seconds(wire.pid), time.perf_counter() - begun


if __name__ == "__main__":
    main()
