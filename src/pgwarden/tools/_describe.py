"""The text of describe_table: dense Markdown, one line a column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")

MAX_VALUES = 40
"""Values of an enum that are shown."""


def describe(table: Facts) -> str:
    """Return the description of one table, as the block describe_tables found it."""
    return "\n".join(_lines(table))


def on_one_line(text: str) -> str:
    """Return a text without line breaks and runs of blanks."""
    return " ".join(text.split())


def _lines(table: Facts) -> Iterator[str]:
    yield f"## {table['ref']}{_note(table)}"
    yield "; ".join(_headline(table))
    foreign = _single_references(table.get("keys", ()))
    yield from _section("Columns", [_column(column, foreign) for column in table.get("columns", ())])
    yield from _section("Keys", [_key(key) for key in table.get("keys", ())])
    more = ["... and more; list_constraints has them all"] if "referenced_by_more" in table else []
    yield from _section("Referenced by", [_referrer(key) for key in table.get("referenced_by", ())] + more)
    yield from _section("Indexes", [_index(index) for index in table.get("indexes", ())])
    yield from _section(
        "Constraints", [f"{c['name']}: {c['definition']}{_note(c)}" for c in table.get("constraints", ())]
    )
    yield from _section("Triggers", [_trigger(trigger) for trigger in table.get("triggers", ())])
    yield from _section("Partitions", _partitions(table))
    yield from _section("Sizes (bytes)", _pairs(table.get("sizes", {})))
    yield from _section("Statistics", _statistics(table.get("statistics", {})))
    if "definition" in table:
        yield f"\nDefinition:\n```sql\n{table['definition'].strip()}\n```"


def _headline(table: Facts) -> Iterator[str]:
    yield " ".join(part for part in (table.get("persistence"), table["kind"]) if part)
    if "rows" in table:
        yield f"about {table['rows']:,} rows"
    elif table["kind"] in ("table", "materialized view"):
        yield "rows unknown (never analyzed)"
    yield f"owner {table['owner']}"
    if "server" in table:
        yield f"on foreign server {table['server']}"
    if "partition_key" in table:
        yield f"partitioned by {table['partition_key']}, {table['partition_count']} partitions"
    if "partition_of" in table:
        yield f"partition of {table['partition_of']['table']} {table['partition_of']['bound']}"
    if "inherits" in table:
        yield f"inherits {', '.join(table['inherits'])}"
    if "inherited_by" in table:
        yield f"inherited by {', '.join(table['inherited_by'])}"
    if "readable" in table:
        yield "this role may not read it"
    if "row_security" in table:
        yield "row security is on: a role may see only some rows"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"\n{title}:"
        yield from (f"- {line}" for line in lines)


def _column(column: Facts, foreign: Mapping[str, str]) -> str:
    parts = [column.get("quoted", column["name"]), column["type"]]
    if "collation" in column:
        parts.append(f"collate {column['collation']}")
    if "not_null" in column:
        parts.append("not null")
    if "default" in column:
        parts.append(f"default {on_one_line(column['default'])}")
    if "identity" in column:
        parts.append(f"identity {column['identity']}")
    if "generated" in column:
        how = "virtual" if "virtual" in column else "stored"
        parts.append(f"generated {on_one_line(column['generated'])} {how}")
    if column["name"] in foreign:
        parts.append(f"-> {foreign[column['name']]}")
    return " ".join(parts) + _type_detail(column) + _note(column)


def _type_detail(column: Facts) -> str:
    if "values" in column:
        values = column["values"]
        more = f", ... {len(values) - MAX_VALUES} more" if len(values) > MAX_VALUES else ""
        return f" [enum: {', '.join(values[:MAX_VALUES])}{more}]"
    if "domain" in column:
        return f" [domain: {on_one_line(column['domain'])}]"
    if "fields" in column:
        return f" [fields: {', '.join(column['fields'])}]"
    return ""


def _single_references(keys: Sequence[Facts]) -> dict[str, str]:
    return {
        key["columns"][0]: f"{key['references']}.{_quoted(key['to'][0])}"
        for key in keys
        if "references" in key and len(key["columns"]) == 1
    }


def _quoted(name: str) -> str:
    # Key words are not known here; nobody reads `t.select` as anything else.
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _key(key: Facts) -> str:
    return f"{key['name']}: {key['definition']}"


def _referrer(key: Facts) -> str:
    return f"{key['table']} ({', '.join(map(_quoted, key['columns']))}) -> ({', '.join(map(_quoted, key['to']))})"


def _index(index: Facts) -> str:
    flags = "primary " if "primary" in index else "unique " if "unique" in index else ""
    invalid = " INVALID" if "invalid" in index else ""
    return f"{index['name']}: {flags}{index['definition']}{invalid}{_note(index)}"


def _trigger(trigger: Facts) -> str:
    enabled = f" [enabled: {trigger['enabled']}]" if "enabled" in trigger else ""
    return f"{trigger['name']}: {on_one_line(trigger['definition'])}{enabled}"


def _partitions(table: Facts) -> list[str]:
    shown = table.get("partitions", ())
    lines = [f"{p['table']} {p['bound']}" + (f", about {p['rows']:,} rows" if "rows" in p else "") for p in shown]
    hidden = table.get("partition_count", 0) - len(shown)
    return [*lines, f"... {hidden:,} more"] if shown and hidden > 0 else lines


def _statistics(statistics: Facts) -> list[str]:
    columns = [
        f"{c['name']}: " + ", ".join(_pairs({k: v for k, v in c.items() if k != "name"}, "{} {}"))
        for c in statistics.get("columns", ())
    ]
    return _pairs({k: v for k, v in statistics.items() if k != "columns"}) + columns


def _pairs(facts: Facts, form: str = "{}: {}") -> list[str]:
    return [
        form.format(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value)
        for name, value in facts.items()
    ]


def _note(facts: Facts) -> str:
    return f" -- {on_one_line(facts['comment'])}" if facts.get("comment") else ""
