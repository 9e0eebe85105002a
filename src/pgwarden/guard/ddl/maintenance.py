"""VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH MATERIALIZED VIEW and COMMENT. They need the right to ALTER."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl import columns, objects, options
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.verdict import Target

_MILD: Final = "ShareUpdateExclusiveLock"
_FULL: Final = "AccessExclusiveLock"
_VACUUM: Final = keywords.words("""
    full freeze verbose analyze analyse disable_page_skipping skip_locked index_cleanup process_main process_toast
    truncate parallel skip_database_stats only_database_stats buffer_usage_limit""")
_ANALYZE: Final = keywords.words("verbose skip_locked buffer_usage_limit")
_REINDEX: Final = keywords.words("concurrently tablespace verbose")
_OFF: Final = frozenset({"off", "false", "0"})
_ON: Final = frozenset({"", "on", "true", "1"})


def vacuum(reader: Reader, draft: Draft) -> None:
    """Read VACUUM behind this word."""
    _starts(draft)
    draft.in_transaction = False
    if reader.mark() == "(":
        switches = _switches(reader, _VACUUM)
        full = "full" in switches and switches["full"] not in _OFF
    else:
        full = bool(reader.take("full"))
        reader.take("freeze")
        reader.take("verbose")
        reader.take("analyze", "analyse")
    draft.locks(_FULL if full else _MILD)
    if full:
        draft.command = "VACUUM FULL"
        draft.rewrite("VACUUM FULL rewrites the table, and locks out everybody else meanwhile.")
    _tables(reader, draft)


def analyze(reader: Reader, draft: Draft) -> None:
    """Read ANALYZE behind this word."""
    _starts(draft)
    draft.command = "ANALYZE"
    if reader.mark() == "(":
        _switches(reader, _ANALYZE)
    else:
        reader.take("verbose")
    draft.locks(_MILD)
    _tables(reader, draft)


def reindex(reader: Reader, draft: Draft) -> None:
    """Read REINDEX behind this word."""
    _starts(draft)
    switches = _switches(reader, _REINDEX) if reader.mark() == "(" else {}
    kind = reader.expect("index", "table", "schema", "database", "system")
    draft.command = f"REINDEX {kind.upper()}"
    concurrently = reader.take("concurrently") or switches.get("concurrently") in _ON
    if concurrently:
        draft.command += " CONCURRENTLY"
    draft.locks(_MILD if concurrently else "ShareLock" if kind == "table" else _FULL)
    draft.in_transaction = kind in ("index", "table") and not concurrently
    if kind in ("index", "table"):
        draft.relation(reader, kind, "ALTER")
        return
    name = reader.identifier() if kind == "schema" or not reader.done else ""
    draft.sweeps.append(Target("schema" if kind == "schema" else "database", name))
    if name:
        draft.target(Object("schema" if kind == "schema" else "database", Name("", name)))


def cluster(reader: Reader, draft: Draft) -> None:
    """Read CLUSTER behind this word."""
    _starts(draft)
    draft.locks(_FULL)
    draft.rewrite("CLUSTER rewrites the table, and locks out everybody else meanwhile.")
    if reader.mark() == "(":
        _switches(reader, frozenset({"verbose"}))
    else:
        reader.take("verbose")
    if reader.done:
        draft.in_transaction = False
        draft.sweeps.append(Target("database", ""))
        return
    index, first = reader.at, reader.name()
    if reader.take("on"):  # the old form: CLUSTER index ON table
        draft.relation(reader, "table", "ALTER")
        return
    draft.target(Object("table", first, is_relation=True))
    draft.uses("ALTER", first, index)
    if reader.take("using"):
        reader.identifier()


def refresh(reader: Reader, draft: Draft) -> None:
    """Read REFRESH MATERIALIZED VIEW behind REFRESH."""
    _starts(draft)
    reader.expect("materialized view")
    draft.command = "REFRESH MATERIALIZED VIEW"
    draft.locks("ExclusiveLock" if reader.take("concurrently") else _FULL)
    draft.relation(reader, "materialized view", "ALTER")
    if reader.take("with no data"):
        draft.typed("It empties the materialized view.")
    else:
        reader.take("with data")


def comment(reader: Reader, draft: Draft) -> None:
    """Read COMMENT behind this word."""
    draft.does("ALTER")
    reader.expect("on")
    if reader.sees("large object"):
        raise Refused("not_understood", "Comments on large objects are not accepted.")
    kind = objects.expect_kind(reader)
    found = objects.read(reader, draft, kind, "ALTER")
    draft.locks(_MILD if found.is_relation or kind == "column" else "AccessShareLock" if found.on else "")
    reader.expect("is")
    if not reader.take("null"):
        reader.string()


def _starts(draft: Draft) -> None:
    draft.does("ALTER")
    draft.classify("maintenance")


def _switches(reader: Reader, known: frozenset[str]) -> dict[str, str]:
    switches = options.switches(reader)
    if switches.keys() - known:
        raise Refused("not_understood", "The statement has an option that is not known.", f"Known: {sorted(known)}.")
    return switches


def _tables(reader: Reader, draft: Draft) -> None:
    """Read a list of tables with columns; none stands for the whole database."""
    if reader.done:
        draft.sweeps.append(Target("database", ""))
        return
    for _ in reader.items():
        reader.take("only")
        draft.relation(reader, "table", "ALTER")
        reader.take_mark("*")
        if reader.mark() == "(":
            columns.column_list(reader)
