"""Which functions a read may call, judged by name alone."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import builtin
from pgwarden.guard.keywords import NEWER_SYNTAX_CALLS
from pgwarden.guard.parsed import Name

ALLOWED: Final = builtin.ALLOWED | NEWER_SYNTAX_CALLS
"""Built-in functions of which every overload is harmless in a read.

Built-in types are among them (`text(x)` is a cast), and key words that are syntax since 16 or 17 (JSON_TABLE): where
they are not syntax, only a catalog can tell what they are.
"""

DENIED: Final = builtin.DENIED
"""The other built-in functions."""

DENIED_ATTRIBUTES: Final = builtin.DENIED_WITH_ONE_ARGUMENT
"""Those of the denied that take one argument, so that `x.name` and `(x).name` call them."""

ALLOWED_IN_WRITES: Final = frozenset({"nextval", "currval", "lastval"})
"""Built-in functions that a statement may call if it changes something anyway."""

_BUILTIN_SCHEMAS: Final = ("", "pg_catalog")


def is_allowed(name: Name) -> bool:
    """Tell whether a call of this name is harmless, provided that it means a built-in function."""
    return name.schema in _BUILTIN_SCHEMAS and name.name in ALLOWED


def is_allowed_in_write(name: Name) -> bool:
    """Tell the same for what changes something anyway."""
    return is_allowed(name) or (name.schema in _BUILTIN_SCHEMAS and name.name in ALLOWED_IN_WRITES)


def is_denied(name: Name) -> bool:
    """Tell whether this name can mean a built-in function that a read may not call."""
    return name.schema in _BUILTIN_SCHEMAS and name.name in DENIED


def names_of(signatures: frozenset[str]) -> frozenset[str]:
    """Return the bare names of the signatures of a policy, such as `pg_catalog.pg_sleep(double precision)`."""
    return frozenset(signature.partition("(")[0].rpartition(".")[2].strip().strip('"') for signature in signatures)


def schemas_of(signatures: frozenset[str]) -> frozenset[str]:
    """Return the schemas that the signatures of a policy name."""
    return frozenset(signature.partition("(")[0].rpartition(".")[0].strip().strip('"') for signature in signatures)
