"""What PostgreSQL says, as errors of ours: by SQLSTATE for statements, by cause for connections.

libpq gives no SQLSTATE when it fails to connect: the cause is told from its own (never translated) words, from the
server's, and where neither is known by asking whether the server takes connections at all (`connect.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg.errors import lookup
from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from pgwarden.errors import (
    ConnectionLostError,
    OutcomeUnknownError,
    QueryError,
    StatementTimeoutError,
    UnavailableError,
)

LOST = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "08000", "08003", "08006", "25P03", "25P04"})
"""The session is gone: ended by an administrator, a crash, a restart, or a time limit of the session."""

RECOVERY_CONFLICT = "40001"
QUERY_CANCELED = "57014"
INVALID_PARAMETER_VALUE = "22023"
PROTOCOL_VIOLATION = "08P01"

_CODES: Mapping[str, tuple[str, str | None]] = {
    "22021": ("not_utf8", "The value is no text in UTF-8; read it as bytea."),
    "25006": ("read_only_transaction", "Reads run in a READ ONLY transaction; this statement would write."),
    "22P02": ("invalid_value", None),
    "23502": ("not_null_violation", None),
    "23503": ("foreign_key_violation", None),
    "23505": ("unique_violation", None),
    "23514": ("check_violation", None),
    "23P01": ("exclusion_violation", None),
    "42501": ("permission_denied", "The connected role lacks the privilege; get_database_info shows the role."),
    "42601": ("syntax_error", None),
    "42P01": ("undefined_table", "list_tables and search_objects show what there is."),
    "42P07": ("already_exists", "IF NOT EXISTS skips what is there; describe_table shows it."),
    "42703": ("undefined_column", "describe_table shows the columns."),
    "42883": ("undefined_function", None),
    "53100": ("disk_full", None),
    "53200": ("out_of_memory", None),
    "53300": ("too_many_connections", None),
    "53400": ("limit_exceeded", None),
    "55P03": ("lock_timeout", "Another session holds the lock; try again later."),
    "57014": ("query_cancelled", None),
    "40001": ("serialization_failure", "Another transaction was in the way; repeat the call."),
    "40P01": ("deadlock_detected", "Another transaction was in the way; repeat the call."),
}
_WRITE_HINTS: Mapping[str, str] = {
    "25006": "The server or the role lets nothing be changed: a standby, or default_transaction_read_only.",
}
_PASSING = frozenset({"40001", "40P01"})
"""What the same statement may not meet again."""
_NAMES_ONLY = frozenset(
    {"0A", "21", "25", "26", "28", "2B", "34", "3B", "3D", "3F", "40", "42", "44", "53", "55", "57"}
)
"""Classes of SQLSTATE whose messages quote names and the statement, and no values of rows."""


_LONGEST = 4_000
"""Characters of a field of an error; no cap of results holds for errors."""
_OBJECTS = {
    "constraint": DiagnosticField.CONSTRAINT_NAME,
    "schema": DiagnosticField.SCHEMA_NAME,
    "table": DiagnosticField.TABLE_NAME,
    "column": DiagnosticField.COLUMN_NAME,
    "type": DiagnosticField.DATATYPE_NAME,
}


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """The fields of an error of the server.

    `position` counts characters of the statement from 1. `context` is where it came from inside the server. `objects`:
    the constraint, table, column or type that it concerns, by these words. `early`: it came before the caller's
    statement was reached.
    """

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: int | None = None
    context: str | None = None
    objects: Mapping[str, str] = field(default_factory=dict)
    early: bool = False

    @property
    def lost(self) -> bool:
        """Whether the session has ended; libpq's own errors bear no SQLSTATE."""
        return not self.sqlstate or self.sqlstate in LOST


def server_message(result: PGresult) -> ServerMessage:
    """Read the error of a result."""

    def text(which: DiagnosticField) -> str | None:
        value = result.error_field(which)
        return _clipped(value.decode("utf-8", "replace")) if value else None

    position = text(DiagnosticField.STATEMENT_POSITION)
    return ServerMessage(
        sqlstate=text(DiagnosticField.SQLSTATE) or "",
        message=text(DiagnosticField.MESSAGE_PRIMARY) or _clipped(result.get_error_message("utf-8").strip()),
        detail=text(DiagnosticField.MESSAGE_DETAIL),
        hint=text(DiagnosticField.MESSAGE_HINT),
        position=int(position) if position else None,
        context=text(DiagnosticField.CONTEXT),
        objects={name: value for name, which in _OBJECTS.items() if (value := text(which)) is not None},
    )


def _clipped(text: str) -> str:
    """Return what a function may have said at any length, up to the end of a word: half a name would be another one."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST].rpartition(' ')[0]}…[{len(text)} characters]"


def scrubbed(found: ServerMessage) -> ServerMessage:
    """Return an error without anything that could quote a value of a row.

    Functions can say what they like, under any SQLSTATE: they are told by the context, which the parser's and planner's
    own errors do not have.
    """
    message = found.message
    if found.context or found.sqlstate[:2] not in _NAMES_ONLY:
        message = f"{_condition(found.sqlstate)} (the message is not shown, because columns are masked)"
    return replace(found, message=message, detail=None, hint=None, context=None)


def query_error(
    found: ServerMessage,
    *,
    before: int = 0,
    length: int,
    timed_out: bool = False,
    scrub: bool = False,
    writing: bool = False,
) -> QueryError:
    """Return the error to raise for a statement that the server refused or ended.

    Args:
        found: What the server said.
        before: Characters that were put before the caller's text.
        length: Characters of the caller's text.
        timed_out: Whether its time was up when it ended.
        scrub: Whether nothing may be shown that could quote a value.
        writing: Whether it was a change.
    """
    found = scrubbed(found) if scrub else found
    message = found.message
    details: dict[str, Any] = {"sqlstate": found.sqlstate, **found.objects}
    if found.position is not None and found.position > before:
        position = found.position - before
        if position > length and before:
            # What was met there is our own closing parenthesis.
            message = "syntax error at end of input" if found.sqlstate == "42601" else message
        details["position"] = min(position, length + 1)
    if found.detail:
        details["detail"] = found.detail
    if found.sqlstate == QUERY_CANCELED and timed_out:
        return StatementTimeoutError(
            message, hint="Narrow the statement, or look at its plan: EXPLAIN.", details=details
        )
    code, hint = _CODES.get(found.sqlstate, (None, None))
    hint = _WRITE_HINTS.get(found.sqlstate, hint) if writing else hint
    error = QueryError(message, code=code, hint=found.hint or hint, details=details)
    if found.sqlstate in _PASSING:
        error.retryable = True  # type: ignore[misc]  # of this one, not of the class
    return error


def lost(message: str, hint: str = "Repeat the call: it only reads.") -> ConnectionLostError:
    """Return the error for a connection that broke under a statement."""
    return ConnectionLostError(f"The connection to the database was lost: {one_line(message)}", hint=hint)


def outcome_unknown(message: str) -> OutcomeUnknownError:
    """Return the error for a connection that broke when nothing but its answer was missing."""
    return OutcomeUnknownError(
        f"The connection was lost before the server said how the change ended: {one_line(message)}",
        hint="It may or may not have been made. Look at the data before doing anything again.",
    )


def _condition(sqlstate: str) -> str:
    """Return PostgreSQL's name of a condition: unique_violation for 23505."""
    try:
        name = lookup(sqlstate).__name__
    except KeyError:
        return f"error {sqlstate}"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a connect failed: a stable code, what to do about it, and whether time alone can mend it."""

    code: str
    hint: str
    passing: bool = False


REFUSED = Cause("connection_refused", "No PostgreSQL answers there. Is it running? Check host and port.", True)
STARTING = Cause("server_starting", "The server is starting or shutting down; repeat the call shortly.", True)
TIMED_OUT = Cause("connection_timed_out", "The server does not answer. Check host, port, firewall and network.", True)
REJECTED = Cause("connection_rejected", "The server is up and refuses this connection for the reason it gives.")
INVALID = Cause(
    "connection_settings_invalid",
    "Check PGWARDEN_DATABASE_URL, or the connection in the policy file: a libpq URL or key=value string.",
)

_CAUSES: tuple[tuple[re.Pattern[str], Cause], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (
            r"authentication failed|no password supplied|pg_hba|password.*(wrong|required)|role \".*\" (does not exist"
            r"|is not permitted to log in)|could not read .*password|SASL|SCRAM",
            Cause("authentication_failed", "Check user and password, and the server's pg_hba.conf."),
        ),
        (
            r"database \".*\" does not exist",
            Cause("database_does_not_exist", "Check the database's name in the connection's settings."),
        ),
        (
            r"SSL|TLS|certificate|GSSAPI",
            Cause("tls_failed", "Check sslmode and the certificates on both sides."),
        ),
        (
            r"temporary failure in name resolution|try again",
            Cause("name_resolution_failed", "The name service does not answer; repeat the call shortly.", True),
        ),
        (
            r"could not translate host name|name or service not known|nodename nor servname|failed to resolve host"
            r"|no address associated",
            Cause("host_unknown", "Check the host's name in the connection's settings."),
        ),
        (
            r"too many (clients|connections)|remaining connection slots|connection limit exceeded|no more connections",
            Cause("too_many_connections", "The server has no free connection; close some, or repeat later.", True),
        ),
        (
            r"the database system is|server is starting|not yet accepting",
            STARTING,
        ),
        (r"connection refused|no such file or directory", REFUSED),
        (
            r"server closed the connection|connection reset|broken pipe|terminating connection|EOF|pgbouncer"
            r"|server login|server conn|pooler error|query_wait_timeout",
            Cause("connection_dropped", "The server or a pooler dropped the connection; repeat the call.", True),
        ),
        (r"timeout|timed out", TIMED_OUT),
        (
            r"network is unreachable|no route to host|host is down",
            Cause("network_unreachable", "No route to the host. Check network, VPN and firewall.", True),
        ),
        (
            r"permission denied",
            Cause("permission_denied", "The role may not connect there, or a socket or key file cannot be read."),
        ),
        (r"invalid (connection option|port|URI|integer)|missing \"=\"", INVALID),
    )
)


_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def classify(text: str) -> Cause | None:
    """Return the cause of a failed connect by what was said about it, or None where that is not known."""
    # Names of hosts, roles and files are quoted, and say nothing of the cause.
    text = _QUOTED.sub('""', text)
    return next((cause for pattern, cause in _CAUSES if pattern.search(text)), None)


def unavailable(cause: Cause, message: str, secret: str | None = None) -> UnavailableError:
    """Return the error for a connection that cannot be made.

    Args:
        cause: Why.
        message: What was said; shortened to one line.
        secret: A password that must not be in it.
    """
    # Before it is shortened: the cut could leave the start of the secret.
    text = one_line(message.replace(secret, "***") if secret else message)
    error = UnavailableError(f"No connection to the database: {text}", code=cause.code, hint=cause.hint)
    if not cause.passing:
        error.retryable = False  # type: ignore[misc]  # of this one, not of the class
    return error


def one_line(text: str) -> str:
    """Return the text without line breaks, at most 300 characters."""
    return " ".join(text.split())[:300]
