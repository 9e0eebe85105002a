"""Run every benchmark, or those named: `python -m benchmarks [name ...]`."""

from __future__ import annotations

import sys

from benchmarks import (
    cancel,
    caps,
    concurrency,
    export,
    features,
    governance,
    guard,
    introspection,
    listing,
    read,
    startup,
)

BENCHMARKS = {
    "read": read.main,
    "caps": caps.main,
    "concurrency": concurrency.main,
    "startup": startup.main,
    "listing": listing.main,
    "introspection": introspection.main,
    "cancel": cancel.main,
    "export": export.main,
    "guard": guard.main,
    "governance": governance.main,
    "features": features.main,
}


def main(names: list[str]) -> int:
    """Run them one after another. Returns 0, or 2 where a name is not known."""
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        print(f"No such benchmark: {', '.join(unknown)}. There are: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
