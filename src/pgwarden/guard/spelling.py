"""Names as a person has to write them, so that a dot or a comma in a name is not taken for a separator."""

from __future__ import annotations

import re
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.parsed import Name

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_NEEDS_QUOTES: Final = keywords.RESERVED | keywords.NAMES_FUNCTION | keywords.SYNTAX_CALLS | keywords.NEWER_SYNTAX_CALLS


def quoted(name: str) -> str:
    """Return a name as PostgreSQL's quote_ident() does: in quotes where it could be read otherwise."""
    if _PLAIN.fullmatch(name) and name not in _NEEDS_QUOTES:
        return name
    return '"' + name.replace('"', '""') + '"'


def spelled(name: Name) -> str:
    """Return a name with its schema, if it has one, each part quoted where it has to be."""
    return f"{quoted(name.schema)}.{quoted(name.name)}" if name.schema else quoted(name.name)
