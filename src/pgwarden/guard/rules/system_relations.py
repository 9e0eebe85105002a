"""Built-in relations with secrets, or over functions that read the server's files.

Their names are refused wherever a statement names a relation, qualified or not, even where a CTE or a user's own
table bears one.
"""

from __future__ import annotations

from pgwarden.guard import relations
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(stream: Stream, names: Names) -> None:
    """Refuse the relations of `relations.DENIED`."""
    for index, token in enumerate(stream.tokens):
        if token.value in relations.DENIED and stream.is_name(index) and index not in names.types:
            raise Refused("relation_not_allowed", f"{token.value} holds secrets or server files.", _HINT)


_HINT = "Views such as pg_roles and pg_settings show what is not secret."
