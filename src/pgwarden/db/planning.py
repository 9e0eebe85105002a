"""What the planner expects of a statement, without running it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pgwarden.errors import QueryError

MAX_BYTES = 8_000_000
"""Bytes of a plan at most: half of its JSON is of no use."""

_EXPLAIN = "EXPLAIN (FORMAT JSON) "
_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)""")
"""The canonical text doubles every quote inside quotes, and has no dollar-quoted strings."""


def statement(text: str, *, generic: bool) -> tuple[str, str]:
    """Return the statement that asks for the plan of another, and what has to be prepared for it (empty: nothing).

    Args:
        text: A canonical statement.
        generic: Whether to plan without the values of its parameters.
    """
    count = max((int(match[1]) for match in _PARAMETER.finditer(text) if match[1]), default=0)
    if not (generic and count):
        return _EXPLAIN + text, ""
    return f"{_EXPLAIN}EXECUTE judged({', '.join(['NULL'] * count)})", text


def expected(plan: str | None) -> tuple[float, float]:
    """Return rows and cost of a plan in JSON.

    The rows are those that are returned or, where that is more, those that one part of it changes.

    Raises:
        QueryError: The plan is too large to be read.
    """
    if plan is None or len(plan) > MAX_BYTES:
        raise QueryError(f"The plan is larger than {MAX_BYTES:,} bytes.", code="plan_too_large")
    # A rule that does nothing instead leaves no plan at all.
    root = (json.loads(plan) or [{}])[0].get("Plan")
    if root is None:
        return 0.0, 0.0
    return max(_rows(root)), float(root["Total Cost"])


def located(exc: QueryError, prepared: str) -> QueryError:
    """Return an error whose position is in the statement that was asked about."""
    position = exc.details.pop("position", None)
    if position is not None and (prepared or position > len(_EXPLAIN)):
        exc.details["position"] = position if prepared else position - len(_EXPLAIN)
    return exc


def _rows(node: dict[str, Any]) -> Iterator[float]:
    yield float(node["Plan Rows"])
    todo = [node]
    while todo:
        current = todo.pop()
        below = current.get("Plans", [])
        if current["Node Type"] == "ModifyTable":
            yield from (float(each["Plan Rows"]) for each in below if each.get("Parent Relationship") == "Outer")
        todo += below
