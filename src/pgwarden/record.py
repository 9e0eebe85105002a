"""What the audit log says of one call, filled in as the call proceeds."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pgwarden.errors import ArgumentError, GuardError, PolicyError, WardenError
from pgwarden.format import dumps

_ARGUMENTS = 32
"""Arguments of a call in its line at most; no tool has as many."""
_CHARS = 4_000
"""Characters of one of them."""
_NAME_CHARS = 128
_OF_ROWS = frozenset({"rows", "values", "key", "keys", "filter", "expected_version"})
"""Arguments that hold values of rows: only their shape is described."""
_CONNECTIVES = ("and", "or", "not")
_OPERATORS = frozenset(
    {
        *("=", "<>", "!=", "==", "<", "<=", ">", ">=", "eq", "ne", "lt", "lte", "gt", "gte"),
        *("in", "like", "ilike", "between", "is_null", "contains", "overlaps"),
    }
)
_OF_STEPS = ("tool", "table", "as", "expect_rows")
"""What is kept of a step of a transaction; of the rest, the shape."""
_SHAPE_DEPTH = 16
_STEPS = 64
"""Steps of a transaction that are described."""
_MAY_HOLD_SECRET = re.compile(r"pass|secret|://", re.IGNORECASE)
"""What it does not match needs no closer look, for which the guard would have to be imported."""


@dataclass(slots=True)
class Record:
    """One call.

    Attributes:
        tool: What was called.
        arguments: As given, from the first page of a result on.
        literals: Whether literals of SQL may stay in the line.
        known: Names of the arguments that the tool has; the values of others may be literals, or anything.
        tier: What the call needed: the tool's, or the statement's own.
        kinds: Statement types by effect.
        consent: How a yes was given: "argument", "person"; None: none was needed, or none was given.
        outcome: "started" (a change that is about to run), "allowed", "asked", "denied", "failed" or "cancelled";
            "automatic" where no call asked for it.
        code: The error's code.
        rows: Rows shown.
        affected: Rows changed.
        connection: The connection that it ran on; empty where there is but one.
        note: What became of a change whose call was cancelled, what file was made, or why a transaction was rolled
            back.
        changed: Whether it came to a change that was about to run.
        change: The id by which what was done can be undone; empty: none.
        transaction: The id of the interactive transaction that it ran in, or was about; empty: none.
    """

    tool: str
    arguments: Mapping[str, Any]
    literals: bool = True
    known: Collection[str] = ()
    tier: str | None = None
    kinds: tuple[str, ...] = ()
    consent: str | None = None
    outcome: str = "cancelled"
    code: str | None = None
    rows: int | None = None
    affected: int | None = None
    changed: bool = False
    note: str | None = None
    connection: str = ""
    transaction: str = ""
    change: str = ""
    started: float = field(default_factory=time.perf_counter)

    def fail(self, exc: WardenError) -> None:
        """Note why the call was refused, or what failed."""
        denied = isinstance(exc, PolicyError | GuardError | ArgumentError)
        self.outcome, self.code = "denied" if denied else "failed", exc.error_code

    def line(self, caller: str, token_id: str = "") -> dict[str, Any]:
        """Return what the log keeps: who, what, how it ended; never a value of a parameter, never a password."""
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "caller": caller,
            "token": token_id or None,
            "connection": self.connection or None,
            "tool": _without_secrets(self.tool)[:_NAME_CHARS],
            "tier": self.tier,
            "arguments": {
                _without_secrets(name)[:_NAME_CHARS]: self._redacted(name, value)
                for name, value in islice(self.arguments.items(), _ARGUMENTS)
            },
            "kinds": list(self.kinds),
            "consent": self.consent,
            "outcome": self.outcome,
            "code": self.code,
            "rows": self.rows,
            "affected": self.affected,
            "transaction": _without_secrets(self.transaction)[:_NAME_CHARS] or None,
            "change": self.change or None,
            "note": self.note,
            "ms": None if self.outcome == "started" else round((time.perf_counter() - self.started) * 1000, 2),
        }
        return {name: value for name, value in record.items() if value not in (None, [], {})}

    def _redacted(self, name: str, value: Any) -> Any:
        """Return an argument without data: values of parameters are no description of the call."""
        if name == "params":
            return f"{len(value)} values" if isinstance(value, list) else "not a list"
        if name == "steps" and isinstance(value, list):
            value = [_step(each) for each in islice(value, _STEPS)]
        elif name in _OF_ROWS:
            value = _shape(name, value)
            if isinstance(value, str):
                return value
        if name == "url":
            return _address(value)
        if name == "sql" and isinstance(value, str):
            from pgwarden.guard.redact import redact_sql

            value = redact_sql(value, literals=self.literals)
        elif name not in self.known and not self.literals:
            return "?"
        elif isinstance(value, float) and not math.isfinite(value):
            # JSON has no such numbers.
            return str(value)
        elif value is None or isinstance(value, bool | int | float):
            return value
        else:
            # Statements and connection strings also come under other names, and in lists.
            value = _without_secrets(value if isinstance(value, str) else dumps(value))
        return f"{value[:_CHARS]}…[{len(value)} characters]" if len(value) > _CHARS else value


def _step(value: Any) -> Any:
    """Return what a step of a transaction is, without its values."""
    if not isinstance(value, dict):
        return "?"
    return {
        name: each if name in _OF_STEPS and isinstance(each, str | int) else _shape(name, each)
        for name, each in islice(value.items(), _ARGUMENTS)
    }


def _shape(name: str, value: Any) -> Any:
    """Return which columns an argument names, and how, without their values: what is in a JSON document is a value."""
    if name == "filter":
        return _conditions(value, 0)
    if isinstance(value, dict):
        return dict.fromkeys(islice(value, _ARGUMENTS), "?")
    if not isinstance(value, list):
        return "?"
    if not value or not all(isinstance(each, dict) for each in value):
        return f"{len(value)} values"
    shapes: list[Any] = []
    for each in islice(value, _ARGUMENTS):
        shape = dict.fromkeys(islice(each, _ARGUMENTS), "?")
        if shape not in shapes:
            shapes.append(shape)
    return [f"{len(value)} of", *shapes] if len(value) > len(shapes) else shapes


def _conditions(value: Any, depth: int) -> Any:
    """Return what a filter names: columns, their operators, and how conditions are joined."""
    if isinstance(value, list) and depth < _SHAPE_DEPTH:
        return [_conditions(each, depth + 1) for each in islice(value, _ARGUMENTS)]
    if not isinstance(value, dict) or depth == _SHAPE_DEPTH:
        return "?"
    shape: dict[str, Any] = {}
    for name, each in islice(value.items(), _ARGUMENTS):
        if name in _CONNECTIVES:
            shape[name] = _conditions(each, depth + 1)
        elif isinstance(each, dict):
            shape[name] = {_operator(word): _count(operand) for word, operand in islice(each.items(), _ARGUMENTS)}
        else:
            shape[name] = "?"
    return shape


def _operator(word: str) -> str:
    """Return an operator; where a document is given in the place of one, its names are values."""
    return word if word.lower() in _OPERATORS else "?"


def _count(operand: Any) -> str:
    return f"{len(operand)} values" if isinstance(operand, list) else "?"


def _address(value: Any) -> str:
    """Return of a URL where it leads, and nothing else; in doubt not even that."""
    scheme, found, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    where = re.split(r"[?#]", rest)[0].rpartition("@")[2]
    plain = found and scheme.isalpha() and re.fullmatch(r"[\w.:\[\]-]{1,128}(/[\w$-]{0,63})?", where)
    return f"{scheme}://{where}" if plain else "?"


def _without_secrets(text: str) -> str:
    if not _MAY_HOLD_SECRET.search(text):
        return text
    from pgwarden.guard.redact import redact_text

    return redact_text(text)
