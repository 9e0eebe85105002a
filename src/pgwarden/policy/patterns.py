"""Patterns of names: `*` stands for any characters, `?` for one.

They are written as SQL writes names: parts with dots between, folded to lower case unless double-quoted. Quotes keep
case, blanks and dots; the wild cards are wild inside of them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

_PART = re.compile(r'"((?:[^"\0]|"")+)"|([\w$*?]+)')
_PLAIN = re.compile(r"[a-z_*?][a-z0-9_$*?]*")
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)
_LONGEST = 63
"""Bytes of a name in PostgreSQL."""


def parse(text: str, parts: int) -> tuple[str, ...]:
    """Return the parts of a pattern, folded and without their quotes.

    Args:
        text: The pattern, such as `public.audit_*` or `"Weird Name".x`.
        parts: How many parts it must have.

    Raises:
        ValueError: It has more or fewer, or one is empty, not spelt like a name, or longer than a name can be.
    """
    found: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        found.append(match[1].replace('""', '"') if match[1] else match[2].translate(_FOLD))
        position = match.end() + 1
        if position > len(text) or text[position - 1] != ".":
            break
    if match is None or position <= len(text):
        raise ValueError(f"{text[:128]!r} is no pattern: put names with blanks, dots or signs in double quotes")
    if len(found) != parts:
        raise ValueError(f"{text[:128]!r} has {len(found)} of {parts} parts: write {_SHAPES[parts]}")
    for part in found:
        if len(part.replace("*", "").encode()) > _LONGEST:
            raise ValueError(f"{part[:128]!r} matches nothing: a name has {_LONGEST} bytes at most")
    return tuple(found)


_SHAPES = {1: "one name", 2: "schema.table", 3: "schema.table.column"}


def write(*parts: str) -> str:
    """Return a pattern as `parse` reads it."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)


def matches(pattern: str, name: str) -> bool:
    """Tell whether a part of a pattern matches a name as PostgreSQL stores it."""
    return pattern == "*" or _compiled(pattern).fullmatch(name) is not None


def match_any(patterns: Iterable[str], name: str) -> bool:
    """Tell whether one of several parts matches."""
    return any(matches(pattern, name) for pattern in patterns)


@lru_cache(maxsize=4096)
def overlaps(one: str, other: str) -> bool:
    """Tell whether there is a name that both match."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlaps(one[1:], other) or overlaps(one, other[1:])
    if other[0] == "*":
        return overlaps(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlaps(one[1:], other[1:])


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(each) or re.escape(each) for each in re.sub(r"\*+", "*", pattern)), re.DOTALL)
