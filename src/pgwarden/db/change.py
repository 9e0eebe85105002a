"""What a change is, whether it was made, and what it did: data, and what is read off the server's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pgwarden.db.cursor import Keeper, dump
from pgwarden.db.link import Step
from pgwarden.errors import ArgumentError, TooManyRowsError
from pgwarden.results import Touched

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from pgwarden.db.capture import Capture, Taken
    from pgwarden.guard.shields import Masking

Counts = dict[str, tuple[str, str, tuple[int, ...]]]
"""By the oid of a table: its schema, its name, and rows inserted, updated and deleted."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to make; the attributes are the arguments of `Database.write`."""

    statement: str
    parameters: Sequence[object]
    limit: int
    max_bytes: int
    timeout_s: float
    max_affected: int | None
    dry_run: bool = False
    in_transaction: bool = True
    masking: Masking | None = None
    capture: Capture | None = None

    @property
    def scrub(self) -> bool:
        """Whether nothing that the server says may quote values."""
        return self.masking is not None and self.masking.scrub

    def step(self, behind: str = "") -> Step:
        """Return the statement for the wire.

        Args:
            behind: Text of ours that goes behind it.

        Raises:
            ArgumentError: A value cannot be sent, or there is no dry run of it.
        """
        if "\0" in self.statement:
            # The wire would end the text there, and the server see another one than the guard.
            raise ArgumentError("A statement cannot contain the character NUL.")
        if self.dry_run and not self.in_transaction:
            raise ArgumentError(
                "There is no dry run of what cannot run in a transaction.",
                code="no_dry_run",
                hint="Look at the plan that a call without confirmation returns.",
            )
        values = (*self.parameters, *(self.masking.parameters if self.masking else ()))
        return Step((self.statement + behind).encode(), *(dump(values) if values else ((), ())))


@dataclass(slots=True)
class Fate:
    """Whether the change was made: what is true at any moment, also for a caller that no longer waits."""

    state: Literal["unchanged", "unknown", "changed"] = "unchanged"


@dataclass(slots=True)
class Done:
    """A change that was made, or rolled back in a dry run.

    Attributes:
        rows: What it returned, and its command tag.
        notices: What the server said.
        touched: Tables whose rows were changed.
        position: Bytes of log behind it; None where that is not known, or was not asked for.
        taken: What is kept of its rows; None: nothing was to be.
        others: What was changed beside the rows of its table, and whether that may follow from deleting there.
        id: What it can be undone by; empty: nothing.
    """

    rows: Keeper
    notices: tuple[str, ...] = ()
    touched: tuple[Touched, ...] = ()
    position: int | None = None
    taken: Taken | None = None
    others: tuple[tuple[Touched, bool], ...] = ()
    id: str = ""

    @property
    def affected(self) -> int | None:
        """The rows that the tag counts; None where it counts none, or only those that were returned."""
        return None if self.rows.tag.startswith("SELECT") and self.rows.types else self.rows.counted

    @property
    def total(self) -> int:
        """All rows that were affected, by whatever part of the change."""
        return max(self.affected or 0, sum(each.total for each in self.touched))


def rows_only(statement: str) -> bool:
    """Tell whether a change is of rows alone, by its first word: nothing that the guard looks at is changed then."""
    return " ".join(statement.split(None, 1)[:1]).upper() in ("INSERT", "UPDATE", "DELETE", "MERGE")


def excess(total: int, limit: int | None, command: str, what: str = "statement") -> TooManyRowsError | None:
    """Return the error where more rows were affected than allowed, by a statement or a `what` of several."""
    if limit is None or total <= limit:
        return None
    return TooManyRowsError(
        f"The {what} would have changed {total:,} rows, and {limit:,} are allowed; it was rolled back.",
        hint="Change fewer rows at a time; triggers and cascades count. PGWARDEN_MAX_AFFECTED_ROWS is the limit.",
        details={"affected": total, "limit": limit, "command": command},
    )


def difference(before: Counts, after: Counts) -> tuple[Touched, ...]:
    """Return what was changed between two answers of the block `write_effects`."""
    found = []
    for oid, (schema, name, counts) in after.items():
        # A table that was truncated counts anew.
        already = before[oid][2] if oid in before else (0, 0, 0)
        inserted, updated, deleted = (max(n - m, 0) for n, m in zip(counts, already, strict=True))
        found.append(Touched(schema, name, inserted, updated, deleted))
    return tuple(sorted((each for each in found if each.total), key=lambda each: (each.schema, each.name)))


def effects(results: Sequence[PGresult]) -> Counts:
    """Read the answer of the block `write_effects`."""
    found: Counts = {}
    for result in results:
        for row in range(result.ntuples):
            oid, schema, name, *counts = ((result.get_value(row, i) or b"").decode() for i in range(result.nfields))
            found[oid] = schema, name, tuple(map(int, counts))
    return found


def position(results: Sequence[PGresult]) -> int | None:
    """Read the answer of the block `write_position`."""
    value = results[0].get_value(0, 0) if results and results[0].ntuples else None
    return None if value is None else int(value)
