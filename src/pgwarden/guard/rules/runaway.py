"""The built-in types path and polygon: comparing two of them takes the product of their points, and cannot be ended.

PostgreSQL's functions over them do not look for a request to cancel before they are done, so neither a timeout nor
pg_terminate_backend ends `path <-> path`: with 10,000 points each it took 18 seconds, with 200,000 it had not ended
after 19 minutes. What is stored in columns stays readable; making such a value in a statement is what this refuses.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.stream import Stream

_RUNAWAY: Final = frozenset({"path", "polygon"})


def check(stream: Stream, found: Names) -> None:
    """Refuse casts to path and polygon, and calls that make them."""
    named = (
        Name(stream.value(end - 2) if end > start else "", stream.value(end)) for start, end in found.types.items()
    )
    for name in (*named, *found.calls.values()):
        if _is_runaway(name):
            raise Refused(
                "type_not_allowed",
                f"Operators over the type {name.name.removeprefix('_')} cannot be ended by a timeout.",
                "Use point, lseg, box or circle, or PostGIS.",
            )


def _is_runaway(name: Name) -> bool:
    return name.schema in ("", "pg_catalog") and name.name.removeprefix("_") in _RUNAWAY
