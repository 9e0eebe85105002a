"""Read the corpus of definitions: tests/corpus/ddl/accepted.txt and refused.txt, which say what their lines mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "corpus" / "ddl"
HEADER = re.compile(
    r"@(?P<kinds>[A-Z+]+) (?P<tier>confirm|typed) (?P<object_class>\w+) (?P<lock>-|\w+Lock) "
    r"(?P<apart>! )?(?P<command>.+)"
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A definition and what the guard must say of it; see `Definition` and `Change`."""

    sql: str
    kinds: tuple[str, ...]
    tier: str
    object_class: str
    lock: str
    in_transaction: bool
    command: str
    typed_name: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement and the code that it must be refused with."""

    sql: str
    code: str


def accepted() -> list[Accepted]:
    """Return the definitions that are accepted."""
    found: list[Accepted] = []
    for header, line in _lines(FOLDER / "accepted.txt"):
        match = HEADER.fullmatch(header)
        if match is None:
            raise ValueError(f"not a header: {header}")
        sql, _, typed_name = line.partition(" => ") if match["tier"] == "typed" else (line, "", "")
        found.append(
            Accepted(
                sql=sql,
                kinds=tuple(match["kinds"].split("+")),
                tier=match["tier"],
                object_class=match["object_class"],
                lock=match["lock"].strip("-"),
                in_transaction=not match["apart"],
                command=match["command"],
                typed_name=typed_name,
            )
        )
    return found


def refused() -> list[Refusal]:
    """Return the statements that are refused."""
    return [Refusal(line, header[1:]) for header, line in _lines(FOLDER / "refused.txt")]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each statement with its header."""
    header = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            header = line
        elif line and not line.startswith("#"):
            yield header, line
