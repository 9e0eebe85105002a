"""`x.name` and `(x).name` call a function of one argument: `('/etc/passwd'::text).pg_read_file`."""

from __future__ import annotations

from pgwarden.guard.functions import DENIED_ATTRIBUTES
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(_: Stream, names: Names) -> None:
    """Refuse attributes that can be calls of denied built-in functions."""
    if called := names.attributes & DENIED_ATTRIBUTES:
        raise Refused(
            "function_not_allowed",
            f".{min(called)} can be a call of the function of that name, which reads may not call.",
            "Give such a column an alias in a subquery's column list: FROM (...) AS t(a, b).",
        )
