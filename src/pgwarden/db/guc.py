"""The settings that statements run under: set in one round, and gone with the transaction or the next reset."""

from __future__ import annotations

from functools import lru_cache

from pgwarden.db.link import Step

GRACE_S = 5.0
"""Seconds after the server should have ended a statement by itself until it counts as not answering."""
CHECK_CLIENT_VERSION = 140_000
_CHECK_CLIENT = ("client_connection_check_interval", "2s")
TRANSACTION_TIMEOUT_VERSION = 170_000

_FORM = (
    ("standard_conforming_strings", "on"),  # Off, the guard would read other string literals than the server.
    ("DateStyle", "ISO"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
)


@lru_cache(maxsize=256)
def settings(
    timeout_ms: int,
    lock_timeout_ms: int,
    *,
    ours: bool = False,
    check: bool = False,
    generic: bool = False,
    transaction_ms: int = 0,
    idle_ms: int = 0,
    local: bool = True,
) -> Step:
    """Return the statement that prepares a transaction, or a session.

    Args:
        timeout_ms: Milliseconds for each statement.
        lock_timeout_ms: Milliseconds to wait for each lock.
        ours: Whether the statement is a block of ours.
        check: Whether the server should look for a client that is gone.
        generic: Whether prepared statements are planned without values.
        transaction_ms: Milliseconds for the whole transaction; 0: no limit, and for servers before 17.
        idle_ms: Milliseconds between two statements of a transaction; 0: somewhat more than for a statement.
        local: Whether they end with the transaction; else with the session's reset.
    """
    values = {
        "statement_timeout": str(timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(idle_ms or timeout_ms + ms(GRACE_S)),
        **dict(_FORM),
        **dict([_CHECK_CLIENT] if check else []),
        # Compiling takes longer than any query of the catalogs.
        **({"jit": "off"} if ours else {}),
        **({"plan_cache_mode": "force_generic_plan"} if generic else {}),
        **({"transaction_timeout": str(transaction_ms)} if transaction_ms else {}),
    }
    calls = ", ".join(f"pg_catalog.set_config('{n}', '{v}', {str(local).lower()})" for n, v in values.items())
    return Step(f"SELECT {calls}".encode())


def ms(seconds: float) -> int:
    """Return seconds as milliseconds, at least 1: 0 would mean no limit."""
    return max(round(seconds * 1000), 1)
