"""Lines of the audit log for people. What was logged is data of others: it must not steer the terminal."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_WIDTHS = {"n": 7, "time": 19, "caller": 10, "tool": 16, "tier": 7, "outcome": 24, "rows": 7, "ms": 9}
_RIGHT = frozenset({"n", "rows", "ms"})
_LAYOUT = re.compile(r"[ \t\r\n]+")
_STATEMENT_CHARS = 40
"""Of the statement at least, however narrow the terminal."""

HEADING = "  ".join(name.rjust(width) if name in _RIGHT else name.ljust(width) for name, width in _WIDTHS.items())
HEADING += "  statement"


def as_json(record: Mapping[str, Any], indent: int | None = None) -> str:
    """Return a record as JSON in which every character that does not print is escaped."""
    text = json.dumps(record, ensure_ascii=False, indent=indent)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def as_row(record: Mapping[str, Any]) -> str:
    """Return a record as one row under HEADING, clipped to the terminal's width."""
    changed = record.get("affected")
    values = {
        **record,
        "time": _local(record.get("time")),
        "outcome": "/".join(str(part) for part in (record.get("outcome"), record.get("code")) if part),
        "rows": record.get("rows") if changed is None else changed,
    }
    cells = [_cell(values.get(name), width, name in _RIGHT) for name, width in _WIDTHS.items()]
    used = sum(len(cell) + 2 for cell in cells)
    room = max(shutil.get_terminal_size((160, 24)).columns - used, _STATEMENT_CHARS)
    return "  ".join([*cells, clip(_statement(record.get("arguments")), room)]).rstrip()


def clip(text: str, width: int) -> str:
    """Return a text of at most `width` characters in which what does not print is escaped."""
    # Nothing gets shorter by escaping, so no more than this can be shown.
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[: width + 1])
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _cell(value: Any, width: int, right: bool) -> str:
    text = clip("" if value is None else str(value), width)
    return text.rjust(width) if right else text.ljust(width)


def _local(time: Any) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, TypeError, OverflowError):
        return str(time or "")


def _statement(arguments: Any) -> str:
    """Return the SQL on one line, or the arguments of a tool without SQL."""
    if not isinstance(arguments, Mapping):
        return ""
    if isinstance(sql := arguments.get("sql"), str):
        return _LAYOUT.sub(" ", sql).strip()
    return " ".join(f"{name}={value}" for name, value in arguments.items())
