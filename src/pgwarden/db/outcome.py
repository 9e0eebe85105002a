"""What is known of an interactive transaction: how it was begun, what ran in it, what became of it, and the errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pgwarden.db.write import Isolation
from pgwarden.errors import ArgumentError, TransactionError
from pgwarden.results import Touched

Outcome = Literal["committed", "rolled back", "unknown"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a transaction was begun, and how long it may stand; times in seconds."""

    isolation: Isolation
    read_only: bool
    deferrable: bool
    timeout_s: float
    idle_s: float
    lifetime_s: float


@dataclass(frozen=True, slots=True)
class Ran:
    """A change that a transaction holds: the caller's words, the server's tag, and the tables whose rows it changed."""

    words: str
    tag: str
    affected: int | None
    touched: tuple[Touched, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a transaction.

    Attributes:
        id: Its id.
        outcome: Whether its changes were made.
        why: The reason, in words that follow "was rolled back: ".
        automatic: Whether no call asked for it.
        defined: Whether it had changed definitions.
    """

    id: str
    outcome: Outcome
    why: str
    automatic: bool = False
    defined: bool = False


def gone(ended: Ended) -> TransactionError:
    """Return the error for a transaction that has ended."""
    said = {
        "committed": ("was committed", "Its changes were made. begin_transaction begins another."),
        "rolled back": (
            f"was rolled back: {ended.why}",
            "Nothing was changed. Begin again, and repeat what ran in it.",
        ),
        "unknown": (f"may or may not have been committed: {ended.why}", "Look at the data before doing it again."),
    }
    message, hint = said[ended.outcome]
    details = {"transaction_id": ended.id, "outcome": ended.outcome, "reason": ended.why}
    return TransactionError(
        f"The transaction {ended.id} {message}.", code="transaction_gone", hint=hint, details=details
    )


def not_inside(command: str = "The statement") -> ArgumentError:
    """Return the error for what cannot run in a transaction."""
    return ArgumentError(
        f"{command} cannot run inside a transaction.",
        code="not_in_transaction",
        hint="Call without transaction_id: it takes effect as it runs.",
    )
