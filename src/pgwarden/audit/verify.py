"""Verification: what was changed, added or removed since it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgwarden.audit import chain
from pgwarden.audit.files import Snapshot, snapshot


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        lines: How many lines hold.
        problem: The first thing that does not; None: all is well.
        first: Number of the first line that is kept; above 1 where rotation has removed older ones.
        beyond: Lines at the end that the head does not know: what a crash leaves, or somebody who adds lines.
    """

    lines: int
    problem: str | None = None
    first: int = 1
    beyond: int = 0


def verify(path: Path) -> Verification:
    """Check every kept line's number and hash, and both ends against the head file.

    Raises:
        AuditError: The log cannot be read.
    """
    with snapshot(path) as log:
        head = log.head or chain.Head()
        number, problem = _walk(log, head)
    held = number - head.first + 1
    if problem is None and log.head is None and number:
        name = chain.head_path(path).name
        problem = f"{name} is missing or damaged: a cut-off end cannot be ruled out"
    if problem is None and head.number > number:
        problem = f"lines {number + 1} to {head.number} are missing at the end"
    return Verification(held, problem, head.first, max(number - head.number, 0) if problem is None else 0)


def _walk(log: Snapshot, head: chain.Head) -> tuple[int, str | None]:
    """Return the number of the last line that holds, and what is wrong with the one after it."""
    number, previous = head.first - 1, head.anchor
    for part in log.parts:
        opening = True
        for raw in part.lines():
            problem = _check(raw, number + 1, previous, opening)
            if problem:
                return number, f"{part.name}: {problem}" if len(log.parts) > 1 else problem
            number += 1
            previous = chain.digest(raw)
            opening = False
            if head.number == number and head.digest != previous:
                return number, f"line {number} is not the one that was written"
    return number, None


def _check(raw: bytes, number: int, previous: str, opening: bool) -> str | None:
    record = chain.parse(raw)
    if record is None:
        return f"line {number} is damaged"
    if not raw.endswith(b"\n"):
        return f"line {number} is not complete"
    if opening and record["n"] > number:
        return f"lines {number} to {record['n'] - 1}, which came before it, are missing"
    if record["prev"] != previous:
        return f"line {number} does not continue line {number - 1}: a line was changed, added or removed"
    return None if record["n"] == number else f"line {number} says it is line {record['n']}"
