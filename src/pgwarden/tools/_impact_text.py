"""The facts of a plan as a short text for the person who has to say yes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MOST_NAMES = 6
"""Names in one line; the rest is counted."""
MOST_CHARS = 400
"""Characters of one line: names are the database's, and may be long."""

LOCKS = {
    "AccessShareLock": "blocks only DROP and rewrites",
    "RowShareLock": "blocks only what locks the whole table",
    "RowExclusiveLock": "other reads and writes go on, but for the same rows",
    "ShareUpdateExclusiveLock": "reads and writes go on; blocks changes of the schema and VACUUM",
    "ShareLock": "blocks all writes",
    "ShareRowExclusiveLock": "blocks all writes",
    "ExclusiveLock": "blocks all writes",
    "AccessExclusiveLock": "blocks all reads and writes",
}
"""What each lock keeps others from, in a few words."""

Facts = Mapping[str, Any]


def render(facts: Facts) -> str:
    """Return the text of a plan, a line for each thing to know; see `_impact.plan` for the facts."""
    lines = [_headline(facts), *_effect(facts), *_keys(facts), *_around(facts), *_dependents(facts)]
    lines += [facts["note"]] if "note" in facts else []
    if "not_found" in facts:
        lines.append(f"not found: {_listed(facts['not_found'])}")
    if "unknown" in facts:
        lines.append(f"not known: {_listed(facts['unknown'])}")
    return "\n".join(line if len(line) <= MOST_CHARS else f"{line[:MOST_CHARS]}…" for line in lines)


def _headline(facts: Facts) -> str:
    targets = [f"{target['kind']} {target['name']}" for target in facts.get("targets", ())]
    what = f"{facts['command']} on {_listed(targets)}" if targets else str(facts["command"])
    extra = [kind for kind in facts["kinds"] if kind not in facts["command"].split()]
    also = f", with {', '.join(extra)}" if extra else ""
    why = f": {facts['why']}" if facts.get("why") else ""
    return f"{what}{also} (tier {facts['tier']}){why}"


def _effect(facts: Facts) -> Iterator[str]:
    if "rows" in facts:
        yield _rows(facts["rows"])
    for table in facts.get("tables", ()):
        if line := _size(table):
            yield line
    if facts.get("rewrites"):
        yield "may rewrite the whole table, which takes time and space of its size"
    if "lock" in facts:
        lock = facts["lock"]
        yield f"lock: {lock['name']}" + (f" ({lock['blocks']})" if lock["blocks"] else "")
    if facts.get("in_transaction") is False:
        yield "runs outside a transaction: cannot be rolled back"


def _rows(rows: Facts) -> str:
    if "inserted" in rows:
        number, text = rows["inserted"], f"rows: {rows['inserted']:,} inserted"
    elif "matching" in rows:
        number, text = rows["matching"], f"rows: {rows['matching']:,} match"
    elif "estimated" in rows:
        number, text = rows["estimated"], f"rows: about {rows['estimated']:,}, not counted, by the planner's estimate"
    else:
        return "rows: not known"
    if number > rows["limit"]:
        text += f"; more than the {rows['limit']:,} allowed: it would be rolled back"
    return text


def _size(table: Facts) -> str:
    parts = []
    if "exact" in table:
        parts.append(_rows_of(table["exact"]))
    elif "bytes" in table and "rows" in table:
        parts.append(f"about {_rows_of(table['rows'])} by statistics")
    if "bytes" in table:
        parts.append(_bytes(table["bytes"]))
    if "partitions" in table:
        parts.append(f"{table['partitions']:,} partitions")
    if "children" in table:
        parts.append(f"{table['children']:,} child tables")
    if "over" in table:
        parts.append(f"a view over {_listed(table['over'])}")
    return f"{table['kind']} {table['name']}: {', '.join(parts)}" if parts else ""


def _keys(facts: Facts) -> Iterator[str]:
    keys = facts.get("referenced_by", ())
    for operation, action in (("DELETE", "on_delete"), ("UPDATE", "on_update")):
        for key in _some(
            [key for key in keys if key["for"] == operation and key["level"] == 1 and "hidden" not in key]
        ):
            yield _key(key, key[action], operation) if isinstance(key, Mapping) else key
        further = [key for key in keys if key["for"] == operation and key["level"] > 1 and key[action] in _CHANGES]
        if further:
            yield f"and from there: {_listed(_names(further, action))}"
    truncated = [key for key in keys if key["for"] == "TRUNCATE"]
    if truncated:
        named = _listed(dict.fromkeys(_with_rows(key) for key in truncated if "hidden" not in key))
        if facts.get("cascade"):
            yield f"CASCADE empties as well: {named}"
        else:
            yield f"PostgreSQL will refuse while foreign keys refer to it, from: {named}"
    if hidden := sum("hidden" in key for key in keys):
        yield f"{_number(hidden, 'foreign key')} of tables that are not shown"


_CHANGES = {"CASCADE": "deleted too", "SET NULL": "set to NULL", "SET DEFAULT": "set to the default"}


def _key(key: Facts, action: str, operation: str) -> str:
    where = f"foreign key {key['table']} ({', '.join(key['columns'])}), ON {operation} {action}"
    rows = _rows_of(key["referring"]) if "referring" in key else ""
    if operation == "UPDATE":
        return f"{where}: changes with the key it refers to"
    if action in _CHANGES:
        about = rows or (f"of about {_rows_of(key['rows'])}, those that refer are" if "rows" in key else "rows are")
        return f"{where}: {about} {_CHANGES[action]}"
    if key.get("referring") == 0:
        return f"{where}: no row refers"
    return f"{where}: PostgreSQL will refuse while {rows or 'any rows'} refer"


def _names(keys: Iterable[Facts], action: str) -> list[str]:
    return [f"{key['table']} ({key[action]})" for key in keys if "hidden" not in key]


def _with_rows(key: Facts) -> str:
    return f"{key['table']} (about {_rows_of(key['rows'])})" if "rows" in key else str(key["table"])


def _around(facts: Facts) -> Iterator[str]:
    """Yield what else runs or stands in the way: triggers, rules, row security."""
    for table in facts.get("tables", ()):
        if "triggers" in table:
            fire = [
                f"{each['name']} ({each['when']} each {each['each']}: {each['function']})" for each in table["triggers"]
            ]
            yield f"triggers of {table['name']}: {_listed(dict.fromkeys(fire))}"
        if "rules" in table:
            apply = [f"{each['name']}{' (instead)' if each['instead'] else ''}" for each in table["rules"]]
            yield f"rules of {table['name']}: {_listed(apply)}"
        if "row_security" in table:
            yield f"row security of {table['name']} limits which rows"
    if "event_triggers" in facts:
        fire = [f"{each['name']} ({each['function']})" for each in facts["event_triggers"]]
        yield f"event triggers: {_listed(fire)}"


def _dependents(facts: Facts) -> Iterator[str]:
    if "dependents" not in facts:
        return
    found = facts["dependents"]
    names = _listed(found["objects"], found["total"])
    if found["dropped"]:
        yield f"CASCADE drops {_number(found['total'], 'dependent object')} as well: {names}"
    else:
        yield f"PostgreSQL will refuse while {_number(found['total'], 'object')} depend on it: {names}"


def _some(items: Sequence[Facts]) -> Iterator[Facts | str]:
    yield from items[:MOST_NAMES]
    if len(items) > MOST_NAMES:
        yield f"and {len(items) - MOST_NAMES:,} foreign keys more"


def _listed(names: Iterable[str], total: int | None = None) -> str:
    known = list(names)
    more = (len(known) if total is None else total) - len(known[:MOST_NAMES])
    shown = ", ".join(known[:MOST_NAMES])
    return f"{shown} and {more:,} more" if shown and more else shown or f"{more:,} not shown"


def _rows_of(number: int) -> str:
    return _number(number, "row")


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bytes(size: int) -> str:
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1_024:
            break
        value, unit = value / 1_024, larger
    return f"{value:,.0f} {unit}"
