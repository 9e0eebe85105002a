"""What is kept of one committed transaction: JSON with a checksum, one file each.

Values are PostgreSQL's text under the settings of `db.guc`, as they were stored: nothing in here is masked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1

Cell = str | None


@dataclass(frozen=True, slots=True)
class Image:
    """One row: its columns' values before, and after; None where there was no such row."""

    before: tuple[Cell, ...] | None
    after: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class Member:
    """One change of a transaction.

    Attributes:
        tool: What it was made with.
        operation: INSERT, UPDATE, DELETE or UPSERT.
        schema, table: Names, as they are.
        key: The columns that tell its rows apart.
        columns: The columns of the images.
        types: Their types, as format_type() prints them.
        images: The rows.
        touched: Other tables whose rows it changed, which are not kept.
        undoes: Ids of the changes that it puts back.
    """

    tool: str
    operation: str
    schema: str
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    images: tuple[Image, ...]
    touched: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction.

    Attributes:
        id: Unguessable, of letters and digits.
        time: When it was about to be committed, in seconds since the epoch.
        caller: Who made it.
        system, database: PostgreSQL's identifier of the cluster, and the database's object id.
        xid: The transaction's 64-bit id.
        members: Its changes, in their order.
        committed: Whether it was committed; None: only the server knows.
    """

    id: str
    time: float
    caller: str
    system: str
    database: str
    xid: str
    members: tuple[Member, ...]
    committed: bool | None = None

    def name(self, number: int) -> str:
        """Return the id of a member, by its number from 0."""
        return self.id if len(self.members) == 1 else f"{self.id}.{number + 1}"

    def dump(self) -> bytes:
        """Return the file's bytes."""
        body = asdict(self)
        del body["committed"]
        text = json.dumps({"version": VERSION, **body}, ensure_ascii=False, separators=(",", ":"))
        return f'{{"checksum":"{_checksum(text)}","entry":{text}}}\n'.encode()


def parse(data: bytes, committed: bool | None) -> Entry | None:
    """Return what a file holds; None where it is damaged, or of another version."""
    try:
        outer = json.loads(data)
        body: Mapping[str, Any] = outer["entry"]
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        if outer["checksum"] != _checksum(text) or body["version"] != VERSION:
            return None
        members = tuple(_member(each) for each in body["members"])
        names = ("id", "time", "caller", "system", "database", "xid")
        return Entry(**{name: body[name] for name in names}, members=members, committed=committed)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _member(body: Mapping[str, Any]) -> Member:
    found: dict[str, Any] = {name: body[name] for name in ("tool", "operation", "schema", "table")}
    found |= {name: tuple(body[name]) for name in ("key", "columns", "types", "touched", "undoes")}
    images = tuple(Image(_row(each["before"]), _row(each["after"])) for each in body["images"])
    return Member(**found, images=images)


def _row(values: list[Cell] | None) -> tuple[Cell, ...] | None:
    return None if values is None else tuple(values)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
