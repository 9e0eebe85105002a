"""What is kept of one committed transaction, in one file: two lines of JSON, each with a checksum.

The first line says what was changed, the second has the rows: a list of changes needs the first alone. Values are
PostgreSQL's text under the settings of `db.guc` and those that the entry names, as they were stored: nothing in here is
masked.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

VERSION = 2
_LAST_S = 253_402_300_799
"""The last second that a date can be made of."""

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
        oid: Of the table: what bears its name later may be another one.
        key: The columns that tell its rows apart.
        columns: The columns of the images.
        types: Their types, as format_type() prints them.
        images: The rows; none where only the first line was read.
        rows: How many there are.
        touched: Other tables whose rows it changed, or its own where others of it did, which are not kept.
        undoes: Ids of the changes that it puts back.
    """

    tool: str
    operation: str
    schema: str
    table: str
    oid: int
    key: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    images: tuple[Image, ...]
    rows: int
    touched: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction.

    Attributes:
        id: Unguessable, of letters and digits.
        time: When it was about to be committed, in seconds since the epoch.
        caller: Who made it.
        role: PostgreSQL's role that did.
        system, database: PostgreSQL's identifier of the cluster, and the database's object id.
        xid: The transaction's 64-bit id.
        members: Its changes, in their order.
        settings: Those under which the values are text.
        committed: Whether it was committed; None: only the server knows.
        own: Whether the role that looks at it is the one that made it.
    """

    id: str
    time: float
    caller: str
    role: str
    system: str
    database: str
    xid: str
    members: tuple[Member, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    committed: bool | None = None
    own: bool = True

    def name(self, number: int) -> str:
        """Return the id of a member, by its number from 0."""
        return self.id if len(self.members) == 1 else f"{self.id}.{number + 1}"

    def dump(self) -> bytes:
        """Return the file's bytes."""
        rows = _text([[[image.before, image.after] for image in member.images] for member in self.members])
        body = asdict(replace(self, members=tuple(replace(member, images=()) for member in self.members)))
        del body["committed"], body["own"]
        for member in body["members"]:
            del member["images"]
        text = _text({"version": VERSION, **body, "images": _checksum(rows)})
        return f'{{"checksum":"{_checksum(text)}","entry":{text}}}\n{rows}\n'.encode()


_TEXTS = ("id", "caller", "role", "system", "database", "xid")


def parse(data: bytes, committed: bool | None) -> Entry | None:
    """Return what a file holds, or without rows its first line; None: it is damaged, or of another version."""
    try:
        head, _, rest = data.partition(b"\n")
        outer = json.loads(head)
        body: Mapping[str, Any] = outer["entry"]
        if outer["checksum"] != _checksum(_text(body)) or body["version"] != VERSION:
            return None
        members = tuple(_member(each) for each in body["members"])
        if rest:
            if body["images"] != _checksum(rest.decode().removesuffix("\n")):
                return None
            members = tuple(_filled(*each) for each in zip(members, json.loads(rest), strict=True))
        time, settings = float(body["time"]), dict(body["settings"])
        if not (math.isfinite(time) and 0 <= time <= _LAST_S and members):
            return None
        _check([*settings, *settings.values(), *(body[name] for name in _TEXTS)])
        found = {name: body[name] for name in _TEXTS}
        return Entry(**found, time=time, members=members, settings=settings, committed=committed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _member(body: Mapping[str, Any]) -> Member:
    found: dict[str, Any] = {name: body[name] for name in ("tool", "operation", "schema", "table")}
    _check(list(found.values()))
    for name in ("key", "columns", "types", "touched", "undoes"):
        _check(body[name])
        found[name] = tuple(body[name])
    if not (found["key"] and set(found["key"]) <= set(found["columns"])) or len(found["columns"]) != len(
        found["types"]
    ):
        raise ValueError
    return Member(**found, oid=int(body["oid"]), rows=int(body["rows"]), images=())


def _filled(member: Member, images: Sequence[Any]) -> Member:
    found = tuple(Image(_row(member, before), _row(member, after)) for before, after in images)
    if len(found) != member.rows:
        raise ValueError
    return replace(member, images=found)


def _row(member: Member, values: list[Cell] | None) -> tuple[Cell, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != len(member.columns):
        raise ValueError
    _check([cell for cell in values if cell is not None])
    return tuple(values)


def _check(values: Sequence[Any]) -> None:
    """Raise where something is no list of texts."""
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise TypeError


def _text(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
