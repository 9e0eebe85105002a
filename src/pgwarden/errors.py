"""Every error that a caller can meet.

    WardenError
    ├── ConfigError               the start is refused: a setting is wrong
    ├── PolicyError
    │   ├── UnknownToolError      no such tool for this caller
    │   ├── RateLimitedError
    │   ├── ScopeError            the token lacks a scope
    │   └── ConsentError          nobody has said yes
    ├── ArgumentError             an argument is unknown, missing or out of bounds
    │   ├── CursorError           a paging cursor is unknown, expired or of another query
    │   └── NotFoundError         a named object does not exist
    ├── GuardError                the guard does not let the statement through
    ├── DatabaseError
    │   ├── UnavailableError      no connection could be made
    │   ├── NotConnectedError     no connection is the current one
    │   ├── ConnectionLostError   the connection broke in the middle of a call
    │   ├── OutcomeUnknownError   it broke while a change was being committed
    │   ├── TransactionError      an interactive transaction is gone, busy, or one too many
    │   └── QueryError            PostgreSQL refused or aborted the statement
    │       ├── StatementTimeoutError
    │       └── TooManyRowsError  a change would have affected more rows than allowed; it was rolled back
    ├── NotSupportedError         this server cannot do it
    ├── AuditError                the audit log cannot be written or does not verify
    └── InternalError             a defect of pgwarden

Catch WardenError where a call is answered: whatever it carries (code, message, hint, details) is meant
for the caller. Anything else that is raised is a defect and reaches the caller as InternalError, without its text.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class WardenError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    """Stable, machine-readable name."""
    retryable: ClassVar[bool] = False
    """Whether the same call can succeed later without being changed."""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Create an error.

        Args:
            message: What is wrong; the class's docstring where none is given.
            hint: What to do about it.
            code: A finer code than the class's.
            details: Facts for the caller; values must be JSON.
        """
        self.message = message or inspect.cleandoc(type(self).__doc__ or "")
        self.hint = hint
        self.error_code = code or self.code
        self.details = dict(details or {})
        super().__init__(self.message)

    def as_dict(self) -> dict[str, Any]:
        """Return the error as it is sent: code and message, and hint, details and retryable where there are any."""
        out: dict[str, Any] = {"code": self.error_code, "message": self.message}
        if self.hint:
            out["hint"] = self.hint
        if self.details:
            out["details"] = self.details
        if self.retryable:
            out["retryable"] = True
        return out


class ConfigError(WardenError):
    """The configuration is not valid."""

    code = "config_invalid"


class PolicyError(WardenError):
    """The policy does not allow this."""

    code = "not_allowed"


class UnknownToolError(PolicyError):
    """There is no such tool."""

    code = "unknown_tool"


class RateLimitedError(PolicyError):
    """Too many calls in the last minute."""

    code = "rate_limited"
    retryable = True


class ScopeError(PolicyError):
    """The token lacks a scope."""

    code = "scope_missing"


class ConsentError(PolicyError):
    """Nobody has said yes to this call; nothing has been done."""

    code = "confirmation_required"


class ArgumentError(WardenError):
    """The arguments are not valid."""

    code = "invalid_arguments"


class CursorError(ArgumentError):
    """The cursor is unknown or expired."""

    code = "cursor_invalid"


class NotFoundError(ArgumentError):
    """The object does not exist."""

    code = "not_found"


class GuardError(WardenError):
    """The guard does not let this statement through."""

    code = "statement_refused"


class DatabaseError(WardenError):
    """The database could not answer."""

    code = "database_error"


class UnavailableError(DatabaseError):
    """No connection to the database could be made."""

    code = "database_unavailable"
    retryable = True


class NotConnectedError(DatabaseError):
    """No connection is the current one."""

    code = "not_connected"


class ConnectionLostError(DatabaseError):
    """The connection to the database was lost."""

    code = "connection_lost"
    retryable = True


class QueryError(DatabaseError):
    """PostgreSQL refused the statement."""

    code = "query_failed"


class StatementTimeoutError(QueryError):
    """The statement ran into its time limit and was ended."""

    code = "statement_timeout"


class TooManyRowsError(QueryError):
    """The statement would have changed more rows than allowed, and was rolled back."""

    code = "too_many_rows"


class OutcomeUnknownError(DatabaseError):
    """The connection was lost while the change was being committed: it may or may not have been made."""

    code = "outcome_unknown"


class TransactionError(DatabaseError):
    """The transaction cannot go on."""

    code = "transaction_failed"


class UndoError(QueryError):
    """What is needed to undo the change cannot be kept, or was not."""

    code = "undo_unavailable"


class NotSupportedError(WardenError):
    """This server does not support it."""

    code = "not_supported"


class AuditError(WardenError):
    """The audit log cannot be written."""

    code = "audit_unavailable"


class InternalError(WardenError):
    """pgwarden failed; its log on stderr has the cause."""

    code = "internal_error"


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the nearest of the known names, or None where none is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return near[0] if near else None
