"""The comparison itself: what the guard lets through against what PostgreSQL's parser makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from pgwarden.guard import functions, judge

from . import oracle


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one statement.

    Attributes:
        accepted: The guard calls it readable.
        harmless: PostgreSQL parses it and the oracle has nothing against it.
        faults: Why the guard is wrong to accept it; empty where it is not.
    """

    accepted: bool
    harmless: bool
    faults: tuple[str, ...] = ()


def compare(sql: str) -> Outcome:
    """Judge the statement by the guard and by the oracle.

    What runs is the canonical text, so that is what the oracle sees; and it must mean what the caller wrote.
    """
    verdict = judge(sql, None)
    written = oracle.parse(sql) if "\0" not in sql else None  # the C parser would stop at the NUL
    harmless = written is not None and not oracle.objections(written, functions.ALLOWED)
    if not verdict.readable:
        return Outcome(accepted=False, harmless=harmless)
    running = oracle.parse(verdict.canonical)
    if running is None:
        # Nothing can run; but then the caller's text must not have been SQL either.
        return Outcome(True, harmless, ("the canonical text is not SQL, the original is",) if written else ())
    faults = oracle.objections(running, functions.ALLOWED)
    if written is not None and oracle.shape(written) != oracle.shape(running):
        faults.append("the canonical text has another tree")
    return Outcome(True, harmless, tuple(faults))
