"""Rotation: the log becomes `<log>.1`, older files shift up by one, and those beyond the bound go.

The head must name the new start of the chain before a file is removed. After a crash in the middle there may be a file
from before that start, or a gap in the numbers; readers skip the one and do not mind the other, and the next rotation
puts both right.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pgwarden.audit import chain


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rotation will do.

    Attributes:
        doomed: Numbers of the rotated files that go, oldest first.
        first, anchor: Where the kept chain then starts; None: where it does now.
    """

    doomed: tuple[int, ...] = ()
    first: int | None = None
    anchor: str = chain.GENESIS


def plan(path: Path, keep: int) -> Plan:
    """Decide which rotated files go, so that `keep` of them are left with the log itself among them.

    Where the file that would then be the oldest does not start with a readable line, none goes: what was tampered with
    is evidence.
    """
    there = chain.rotated(path)
    if len(there) < keep:
        return Plan()
    oldest = chain.rotated_path(path, there[keep - 2]) if keep > 1 else path
    with oldest.open("rb") as stream:
        record = chain.parse(stream.readline())
    if record is None:
        return Plan()
    return Plan(tuple(reversed(there[keep - 1 :])), record["n"], record["prev"])


def carry_out(path: Path, plan: Plan) -> None:
    """Remove and rename the files; afterwards there is no log, and `<log>.1` is what it was.

    Raises:
        OSError: It could not be done, or only in part; it can be begun again.
    """
    for index in plan.doomed:
        chain.rotated_path(path, index).unlink(missing_ok=True)
    there = set(chain.rotated(path))
    free = next(index for index in range(1, len(there) + 2) if index not in there)
    for index in range(free, 1, -1):
        os.rename(chain.rotated_path(path, index - 1), chain.rotated_path(path, index))
    os.rename(path, chain.rotated_path(path, 1))


def sync_directory(path: Path) -> None:
    """Force the names of the files beside a log to disk."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
