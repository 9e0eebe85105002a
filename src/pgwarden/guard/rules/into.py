"""INTO makes a table (SELECT INTO) or writes to one (INSERT INTO, MERGE INTO).

The word is reserved, so that anywhere but after AS or a dot it can only be that.
"""

from __future__ import annotations

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(stream: Stream, names: Names) -> None:
    """Refuse INTO but for that of a known INSERT or MERGE."""
    if "into" in stream.words and any(
        word == "into" and index not in names.syntax for index, word in enumerate(stream.words)
    ):
        raise Refused(
            "not_a_read", "INTO makes a table of what is read.", "Leave it out, or write CREATE TABLE ... AS SELECT ..."
        )
