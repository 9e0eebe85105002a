"""A masked value: as an expression for the server, and made here of what the server sent. Both give the same."""

from __future__ import annotations

import hashlib
from typing import Final

from pgwarden.guard.shields import ShieldColumn
from pgwarden.policy.masks import Mask

REDACTED: Final = "[redacted]"
STARS: Final = "*****"
HASH_DIGITS: Final = 16


def show(value: str | None, mask: Mask, key: bytes = b"") -> str | None:
    """Return what is shown of a value.

    Args:
        value: The value as PostgreSQL prints it; None for NULL, which stays NULL but for "redact".
        mask: How it is shown.
        key: The secret of "hash".
    """
    match mask.kind:
        case "redact":
            return REDACTED
        case "null":
            return None
        case "clear":
            return value
    if value is None:
        return None
    if mask.kind == "hash":
        return hashlib.sha256(key + value.encode()).hexdigest()[:HASH_DIGITS]
    if len(value) <= mask.first + mask.last:
        return STARS
    return value[: mask.first] + STARS + (value[-mask.last :] if mask.last else "")


def column(item: ShieldColumn, key: int | None) -> str:
    """Return the select item of a column under its name.

    Args:
        item: The column.
        key: The number of the parameter with the secret of "hash", in hexadecimal digits; None where there is to be
            none, and a hash becomes NULL.
    """
    name = quote(item.name)
    return name if item.mask is None else f"{_masked(name, item.type, item.mask, key)} AS {name}"


def output(item: str, mask: Mask, key: int | None) -> str:
    """Return the expression of what is shown of a column of a subquery.

    Args:
        item: The column, quoted.
        mask: How it is shown.
        key: As in `column`.
    """
    return _masked(item, "pg_catalog.text", mask, key)


def quote(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def _masked(name: str, type_: str, mask: Mask, key: int | None) -> str:
    # concat() prints as the type's output function does, which is what the server sends; a cast to text does not
    # for char(n), boolean and inet.
    text = f"pg_catalog.concat({name})"
    match mask.kind:
        case "redact":
            return f"CAST('{REDACTED}' AS pg_catalog.text)"
        case "null":
            return f"CAST(NULL AS {type_})"
        case "clear":
            return name
        case "hash":
            if key is None:
                return "CAST(NULL AS pg_catalog.text)"
            secret = f"pg_catalog.decode(CAST(${key} AS pg_catalog.text), 'hex')"
            data = f"{secret} OPERATOR(pg_catalog.||) pg_catalog.convert_to({text}, 'UTF8')"
            shown = f"pg_catalog.left(pg_catalog.encode(pg_catalog.sha256({data}), 'hex'), {HASH_DIGITS})"
            return f"CASE WHEN {name} IS DISTINCT FROM NULL THEN {shown} END"
    enough = f"pg_catalog.char_length({text}) OPERATOR(pg_catalog.>) {mask.first + mask.last}"
    parts = [f"pg_catalog.left({text}, {mask.first})"] * (mask.first > 0)
    parts += [f"'{STARS}'", *[f"pg_catalog.right({text}, {mask.last})"] * (mask.last > 0)]
    shown = f"pg_catalog.concat({', '.join(parts)})"
    return f"CASE WHEN {name} IS DISTINCT FROM NULL THEN CASE WHEN {enough} THEN {shown} ELSE '{STARS}' END END"
