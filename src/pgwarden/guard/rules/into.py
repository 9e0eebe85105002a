"""INTO makes a table (SELECT INTO) or writes to one (INSERT INTO, MERGE INTO).

The word is reserved, so that anywhere but after AS or a dot it can only be that.
"""

from __future__ import annotations

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(stream: Stream, _: Names) -> None:
    """Refuse INTO."""
    if "into" in stream.words:
        raise Refused("not_a_read", "INTO writes to a table; only reads run here.", "Leave INTO out to see the rows.")
