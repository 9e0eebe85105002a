"""What a caller may mean by the name of a table.

A name can be written as in SQL (`shop.orders`, `"dot.ted"."T"`, folded where it is not quoted) or copied as a list
shows it (`Order "x".y`). Both readings are looked up; where two tables answer, the caller is asked which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pgwarden.context import Context
from pgwarden.errors import ArgumentError, NotFoundError, did_you_mean

_IDENTIFIER = r'"(?:[^"]|"")+"|[^\W\d][\w$]*'
_SQL_NAME = re.compile(rf"(?:({_IDENTIFIER})\.)?({_IDENTIFIER})")
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

LONGEST_NAME = 130
"""Characters of an unknown name that an error repeats: any real one, with its schema."""

_LONGEST_REF = 2 * (2 * 63 + 2) + 1
"""Characters of a schema and a name, quoted, of nothing but quotes."""

Reading = tuple[str | None, str]
"""Schema (None: found by the search path) and name, exact."""


def readings(text: str) -> list[Reading]:
    """Return what a name may mean, each reading once; a name with quotes that is valid SQL means just that."""
    if len(text) > _LONGEST_REF:
        # Cut, it still means nothing that there is; and each of its dots would be a reading of its own.
        return [(None, text[:_LONGEST_REF])]
    match = _SQL_NAME.fullmatch(text)
    out: list[Reading] = []
    if match:
        out.append((None if match[1] is None else _folded(match[1]), _folded(match[2])))
        if '"' in text:
            return out
    out.append((None, text))
    out += [(text[:dot], text[dot + 1 :]) for dot, char in enumerate(text) if char == "." and 0 < dot < len(text) - 1]
    return list(dict.fromkeys(out))


def lookup(texts: Sequence[str]) -> dict[str, Any]:
    """Return the parameters `idx`, `schemas` and `names` of a block that looks tables up.

    Raises:
        ArgumentError: A name is empty or has a NUL.
    """
    if any(not text.strip() or "\0" in text for text in texts):
        raise ArgumentError("The name of a table is empty.", hint="Name it as schema.table.")
    rows = [(index, *reading) for index, text in enumerate(texts) for reading in readings(text.strip())]
    return {"idx": [r[0] for r in rows], "schemas": [r[1] for r in rows], "names": [r[2] for r in rows]}


async def check_found(ctx: Context, texts: Sequence[str], found: Sequence[tuple[int, str]]) -> None:
    """Make sure that each name was found exactly once.

    Args:
        ctx: The call.
        texts: Names as the caller wrote them.
        found: Index in `texts` and quoted name of each table that was found.

    Raises:
        ArgumentError: A name fits several tables.
        NotFoundError: A name fits none; says which are near.
    """
    for index, text in enumerate(texts):
        refs = [ref for at, ref in found if at == index]
        if len(refs) > 1:
            raise ArgumentError(
                f"{_brief(text)} can mean {' or '.join(refs)}.",
                hint="Write one of these, with its quotes.",
                code="ambiguous_name",
            )
        if not refs:
            raise await _not_found(ctx, text)


async def resolve(ctx: Context, text: str, schema: str = "", *, recent: bool = False) -> int:
    """Return the oid of the table that a name means.

    Args:
        ctx: The call.
        text: The name as the caller wrote it.
        schema: Where it must be; empty: wherever its own schema or the search path says.
        recent: Whether what it meant a moment ago will do.

    Raises:
        ArgumentError: see check_found.
        NotFoundError: see check_found.
    """
    params = lookup([text])
    if schema:
        names = [name for nsp, name in zip(params["schemas"], params["names"], strict=True) if nsp in (None, schema)]
        params = {"idx": [0] * len(names), "schemas": [schema] * len(names), "names": names}
    found = await (ctx.db.recent if recent else ctx.db.json)("resolve_tables", params)
    if not found and schema:
        raise await _not_found(ctx, text, schema)
    await check_found(ctx, [text], [(index, ref) for index, _, ref in found])
    return int(found[0][1])


async def near_missing(ctx: Context, relations: Sequence[str]) -> list[str]:
    """Return tables, quoted, with names like the first relation of a statement that does not exist; empty where all do.

    Args:
        ctx: The call.
        relations: As the guard names them: `schema.name` where it knows the relation, else as written; never folded.
    """
    if not relations:
        return []
    found = await ctx.db.json("resolve_tables", lookup(relations))
    exact = {(index, ref.replace('"', "")) for index, _, ref in found}
    missing = [text for index, text in enumerate(relations) if (index, text.replace('"', "")) not in exact]
    return list((await _near(ctx, missing[0]))["tables"]) if missing else []


async def check_schema(ctx: Context, schema: str) -> None:
    """Make sure that a schema exists; for use where a list came out empty.

    Raises:
        NotFoundError: It does not; says which is near.
    """
    if not schema:
        return
    known = await ctx.db.json("names_like", {"schema": schema, "grams": []})
    if not known["schema"]:
        raise _no_schema(schema, known)


def trigrams(text: str) -> list[str]:
    """Return the trigrams of a text as pg_trgm makes them: lower case, each word padded with two spaces and one."""
    words = [f"  {word} " for word in re.split(r"[\W_]+", text.lower()) if word]
    return sorted({word[at : at + 3] for word in words for at in range(len(word) - 2)})


async def _near(ctx: Context, text: str, schema: str = "") -> dict[str, Any]:
    """Return what the block names_like finds for a name that does not exist, and the `asked` schema."""
    text = text.strip()[:_LONGEST_REF]
    asked, name = readings(text)[0]
    if asked is None and "." in text:
        asked, _, name = text.partition(".")
    asked = schema or asked or ""
    return {"asked": asked, **await ctx.db.json("names_like", {"schema": asked, "grams": trigrams(name)})}


async def _not_found(ctx: Context, text: str, schema: str = "") -> NotFoundError:
    near = await _near(ctx, text, schema)
    if near["asked"] and not near["schema"] and not near["tables"]:
        return _no_schema(near["asked"], near)
    tables = near["tables"]
    hint = "list_tables and search_objects find tables."
    if tables:
        hint = did_you_mean_tables(tables)
    elif named := {name for _, name in readings(text.strip())}.intersection(near["schemas"]):
        hint = f"{min(named)} is a schema; list_tables shows what is in it."
    where = f" in schema {_brief(schema)}" if schema else ""
    details = {"near": tables} if tables else None
    return NotFoundError(f"There is no table or view {_brief(text)}{where}.", hint=hint, details=details)


def did_you_mean_tables(tables: Sequence[str]) -> str:
    """Return the hint that names tables."""
    return f"Did you mean {' or '.join(tables)}?"


def _no_schema(schema: str, known: Mapping[str, Any]) -> NotFoundError:
    by_folded = {name.lower(): name for name in known["schemas"]}
    near = did_you_mean(schema, by_folded)
    hint = f"Did you mean {by_folded[near]}?" if near else "list_schemas shows them."
    return NotFoundError(f"There is no schema {_brief(schema)}.", hint=hint)


def _brief(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def _folded(identifier: str) -> str:
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.translate(_FOLD)
