"""Finding lines of the log, newest first, without reading more of it than needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pgwarden.audit import chain
from pgwarden.audit.files import snapshot

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are wanted. What is None does not matter.

    Attributes:
        outcome: The outcome, such as "denied".
        tool: The tool's name.
        since: The earliest time, with its zone.
    """

    outcome: str | None = None
    tool: str | None = None
    since: datetime | None = None

    def matches(self, record: Record) -> bool:
        """Tell whether a line is wanted, whenever it was written."""
        return all(
            wanted is None or record.get(member) == wanted
            for member, wanted in (("outcome", self.outcome), ("tool", self.tool))
        )


def newest(path: Path, wanted: Filter, limit: int | None, *, after: int = 0) -> list[Record]:
    """Return the newest lines that match, oldest first. Damaged lines are left out; `verify` finds them.

    Args:
        path: The log.
        wanted: Which lines.
        limit: How many at most; None: all.
        after: Only lines with a higher number.

    Raises:
        AuditError: The log cannot be read.
    """
    found: list[Record] = []
    for record in _backwards(path):
        if record["n"] <= after or (limit is not None and len(found) >= limit) or _before(record, wanted.since):
            break
        if wanted.matches(record):
            found.append(record)
    return found[::-1]


def find(path: Path, number: int) -> Record | None:
    """Return the line with a number; None where it is not kept.

    Raises:
        AuditError: The log cannot be read.
    """
    with snapshot(path) as log:
        for part in reversed(log.parts):
            first = part.first_number()
            if first is not None and first > number:
                continue
            for line in part.lines():
                record = chain.parse(line)
                if record and record["n"] == number:
                    return record
    return None


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever the log does: its file and size; None while there is no log."""
    with suppress(FileNotFoundError):
        status = os.stat(path)
        return status.st_ino, status.st_size
    return None


def _backwards(path: Path) -> Iterator[Record]:
    with snapshot(path) as log:
        for part in reversed(log.parts):
            for line in part.newest_first():
                if record := chain.parse(line):
                    yield record


def _before(record: Record, since: datetime | None) -> bool:
    if since is None:
        return False
    with suppress(KeyError, ValueError, TypeError):
        return datetime.fromisoformat(record["time"]) < since
    return False
