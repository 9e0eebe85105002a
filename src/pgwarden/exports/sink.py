"""What stands between the database, which gives blocks of rows, and a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pgwarden.results import Cell

Shape = Literal["csv", "lines", "rows"]
"""How a sink wants rows: as lines of CSV, as one JSON object a line, or as values."""

_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, its type's oid and modifier (-1: none)."""

    name: str
    oid: int
    modifier: int = -1


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: as whole lines, or as values."""

    count: int
    data: bytes | bytearray = b""
    values: Sequence[tuple[Cell, ...]] = ()


class Sink(Protocol):
    """Takes the rows of one result, in order. Its methods are called one at a time, from any thread."""

    @property
    def shape(self) -> Shape:
        """How it wants them."""

    def begin(self, fields: Sequence[Field]) -> None:
        """Learn of the columns, before the first row."""

    def take(self, block: Block) -> None:
        """Take the next rows."""


def unique(names: Iterable[str]) -> list[str]:
    """Return names of which no two are the same: `_2`, `_3`, ... is put behind one that was there before.

    None gets longer than the 63 bytes that PostgreSQL would cut it to.
    """
    given = list(names)
    taken, out = set[str](), list[str]()
    for name in given:
        made, number = name, 1
        while made in taken or (number > 1 and made in given):
            number += 1
            end = f"_{number}"
            made = name.encode()[: _NAME_BYTES - len(end)].decode(errors="ignore") + end
        taken.add(made)
        out.append(made)
    return out
