"""Our own SQL: named blocks of the files in `sql/`, in variants by the server's version.

A block starts with a line `-- name: list_tables`, or `-- name: list_tables, server: >=16` for servers from that major
version on (`<16`: below it), and ends at the next one. Where several variants fit, the first in the file is taken.
A block with `%(name)s` in it takes parameters by name, and a percent sign is doubled there; any other is sent as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

from pgwarden.errors import InternalError, NotSupportedError

_HEADER = re.compile(r"^-- name: *(?P<name>\w+)(?:, *server: *(?P<operator>>=|<) *(?P<version>\d+))? *$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")

Parameters = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True)
class Block:
    """One variant of a block: servers of `at_least` <= major version < `below`."""

    name: str
    text: str
    at_least: int = 0
    below: int = 1_000

    def fits(self, major: int) -> bool:
        """Tell whether the variant is for a server of this major version."""
        return self.at_least <= major < self.below

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that it takes; empty for a block that takes `$1`, `$2`, ..., or nothing."""
        return self._rendered[1]

    @cached_property
    def _rendered(self) -> tuple[str, tuple[str, ...]]:
        """The text with `$1`, `$2`, ... and the names that they stand for."""
        names: list[str] = []

        def number(match: re.Match[str]) -> str:
            if (name := match[1]) is None:
                return "%"
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        if "%(" not in self.text:
            return self.text, ()
        return _PLACEHOLDER.sub(number, self.text), tuple(names)

    def render(self, parameters: Parameters) -> tuple[str, tuple[object, ...]]:
        """Return the statement with `$n` placeholders, and the values in their order.

        Args:
            parameters: By name where the block names them, else the values of `$1`, `$2`, ...; names that the block
                does not use are ignored, so that variants may need fewer.

        Raises:
            InternalError: A parameter is missing.
        """
        text, names = self._rendered
        if not isinstance(parameters, Mapping):
            return text, tuple(parameters)
        if missing := [name for name in names if name not in parameters]:
            raise InternalError(f"Block {self.name} was not given {', '.join(missing)}.")
        return text, tuple(parameters[name] for name in names)


class Blocks:
    """The blocks of a package directory of .sql files, read when one is first asked for."""

    def __init__(self, texts: Sequence[str] | None = None) -> None:
        """Take the texts of .sql files; None: those of this package."""
        self._texts = texts

    @cached_property
    def _variants(self) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        for text in _package_texts() if self._texts is None else self._texts:
            for block in parse(text):
                found.setdefault(block.name, []).append(block)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all blocks."""
        return tuple(self._variants)

    def pick(self, name: str, server_version: int) -> Block:
        """Return the variant of a block for a server.

        Args:
            name: The block's name.
            server_version: As libpq reports it, for example 150018.

        Raises:
            InternalError: There is no such block.
            NotSupportedError: It has no variant for this server.
        """
        if name not in self._variants:
            raise InternalError(f"There is no SQL block {name}.")
        major = server_version // 10_000
        for block in self._variants[name]:
            if block.fits(major):
                return block
        raise NotSupportedError(f"PostgreSQL {major} does not support this.", details={"block": name})


def parse(text: str) -> list[Block]:
    """Split a file into its blocks; what stands before the first one is commentary."""
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return [_block(header, text[header.end() : end]) for header, end in zip(headers, ends, strict=False)]


def _block(header: re.Match[str], body: str) -> Block:
    statement = body.strip().removesuffix(";")
    if header["operator"] is None:
        return Block(header["name"], statement)
    version = int(header["version"])
    if header["operator"] == "<":
        return Block(header["name"], statement, below=version)
    return Block(header["name"], statement, at_least=version)


@cache
def _package_texts() -> tuple[str, ...]:
    folder = resources.files("pgwarden.db") / "sql"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return tuple(file.read_text(encoding="utf-8") for file in files)
