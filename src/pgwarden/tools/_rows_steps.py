"""The steps of a transaction, each composed as a call of its tool would be, with references to earlier ones.

{"tool": "insert_rows", "table": "orders", "rows": [...], "as": "order", "expect_rows": 1}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pgwarden.catalogue import ToolSpec
from pgwarden.context import Composed, Context, Part
from pgwarden.errors import ArgumentError, InternalError, WardenError, did_you_mean
from pgwarden.tools import _rows_later, _rows_run
from pgwarden.tools._rows_read import Read
from pgwarden.tools._rows_table import Table

MOST_STEPS = 50
_OWN = ("tool", "as", "expect_rows")
_OF_CALLS = frozenset({"confirm", "confirm_name", "dry_run", "format", "max_rows", "cursor"})
"""Arguments of the tools that are the whole transaction's business."""
_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    Attributes:
        source: Its number and name, and what later steps can refer to.
        tool: The tool that it is a call of.
        given: The arguments, references understood.
        expected: How many rows it has to affect or return; None: any number.
        about: What its tool left in the statement.
    """

    source: _rows_later.Source
    tool: str
    given: Mapping[str, Any]
    expected: int | None
    about: Any

    @property
    def table(self) -> Table:
        """The table that it is about."""
        table: Table = self.about.table if isinstance(self.about, Read) else self.about
        return table

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return isinstance(self.about, Read)

    def __str__(self) -> str:
        """Return what it is called in messages."""
        return f"steps[{self.source.number}]" + (f" ({self.source.name})" if self.source.name else "")


async def compose(ctx: Context, steps: Sequence[Mapping[str, Any]], specs: Mapping[str, ToolSpec]) -> list[Composed]:
    """Return the statements of a transaction.

    Args:
        ctx: The call.
        steps: As given.
        specs: The tools that a step can be a call of.

    Raises:
        ArgumentError: A step is not valid; `details` has its number from 0.
    """
    made: list[Composed] = []
    sources: list[_rows_later.Source] = []
    for number, given in enumerate(steps):
        with numbered(f"steps[{number}]", number):
            composed, step = await _composed(ctx, number, given, specs, sources)
        made.append(composed)
        sources.append(step.source)
    rows, most = sum(each.most or 0 for each in sources), ctx.limits.max_affected_rows
    if rows > most:
        raise ArgumentError(f"{rows:,} rows are given, and {most:,} are allowed.", hint="Give fewer at a time.")
    return made


@contextmanager
def numbered(what: str, number: int) -> Iterator[None]:
    """Say in errors that leave this block which step they are of."""
    try:
        yield
    except WardenError as exc:
        exc.message, exc.details = f"{what}: {exc.message}", {**exc.details, "step": number}
        raise


def step(part: Part) -> Step:
    """Return the step that a statement is of."""
    found = part.composed.about
    if not isinstance(found, Step):
        raise InternalError
    return found


def context(ctx: Context, part: Part) -> Context:
    """Return the context of a step alone, as its own tool would have it."""
    composed = replace(part.composed, about=step(part).about)
    return replace(ctx, composed=composed, verdict=part.verdict, decision=part.decision, parts=())


async def _composed(
    ctx: Context,
    number: int,
    given: Mapping[str, Any],
    specs: Mapping[str, ToolSpec],
    sources: Sequence[_rows_later.Source],
) -> tuple[Composed, Step]:
    spec, name, expected = _spec(given, specs), _name(given, sources), _expected(given)
    rest = {key: value for key, value in given.items() if key not in _OWN}
    rest = {key: value for key, value in rest.items() if value is not None or key not in spec.argument_names}
    values = _rows_later.understood(spec.check(rest, _OF_CALLS), sources)
    assert spec.compose is not None
    composed = await spec.compose(ctx, **values)
    if not isinstance(composed, Composed):
        raise InternalError
    source = _source(number, name, spec.name, values, composed.about)
    made = Step(source, spec.name, values, expected, composed.about)
    return replace(composed, about=made, spec=spec), made


def _spec(given: Mapping[str, Any], specs: Mapping[str, ToolSpec]) -> ToolSpec:
    tool = given.get("tool")
    if isinstance(tool, str) and tool in specs:
        return specs[tool]
    near = did_you_mean(tool, specs) if isinstance(tool, str) else None
    message = f"no step is {tool[:64]!r}." if isinstance(tool, str) else "tool is missing."
    raise ArgumentError(message, hint=f"Did you mean {near}?" if near else f"It is one of: {', '.join(specs)}.")


def _name(given: Mapping[str, Any], sources: Sequence[_rows_later.Source]) -> str:
    name = given.get("as")
    if name is None:
        return ""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArgumentError("as is a name of letters, digits and _.")
    if any(each.name == name for each in sources):
        raise ArgumentError(f"an earlier step is called {name} as well.")
    return name


def _expected(given: Mapping[str, Any]) -> int | None:
    count = given.get("expect_rows")
    if count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= 0):
        return count
    raise ArgumentError("expect_rows is a number of rows.")


def _source(number: int, name: str, tool: str, values: Mapping[str, Any], about: Any) -> _rows_later.Source:
    """Return what can be referred to of a step."""
    if isinstance(about, Read):
        table, shown = about.table, [*about.shown]
    else:
        columns = values["columns"]
        table, shown = about, _rows_run.returned(about, (columns or []) if tool == "delete_rows" else columns)
    returned = {each: table.columns[each] for each in shown if each in table.columns}
    rows = values.get("rows")
    return _rows_later.Source(
        number,
        name,
        returned,
        tuple(each for each in table.readable if each not in returned),
        tuple(sorted(table.masked)),
        len(rows) if isinstance(rows, list) else None,
    )
