"""Checks the names of a policy against what exists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pgwarden.errors import ConfigError
from pgwarden.policy import commands
from pgwarden.policy.lines import Lines, near_hint, where

if TYPE_CHECKING:
    from pgwarden.policy.document import Document

_SIGNATURE = re.compile(r"[^\s\"'(),]+\([^\"'()]*\)")


class Names:
    """The names that there are."""

    def __init__(self, lines: Lines, tools: dict[str, str]) -> None:
        """Take the line of each YAML key, and each tool's category."""
        self._lines = lines
        self._tools = tools
        self._categories = set(tools.values())

    def document(self, document: Document) -> None:
        """Check every name of the file, also in roles that are not in force.

        Raises:
            ConfigError: One does not exist; with its line and the nearest one that does.
        """
        for prefix, rules in [("", document), *((f"roles.{name}.", role) for name, role in document.roles.items())]:
            for key in ("allow", "deny"):
                self._all(f"{prefix}categories.{key}", getattr(rules.categories, key), self._categories)
                self._all(f"{prefix}tools.{key}", getattr(rules.tools, key), self._tools)
            words = [commands.normal(each) for each in rules.commands.deny]
            self._all(f"{prefix}commands.deny", words, commands.COMMANDS)
        if document.role is not None:
            self.role(document.role, document)

    def role(self, name: str, document: Document, key: str = "role") -> str:
        """Return the name of a role; `key` is where it was given.

        Raises:
            ConfigError: There is no such role.
        """
        from pgwarden.policy.document import BUILT_IN

        return self._one(key, name, {*BUILT_IN, *document.roles})

    def toolsets(self, names: tuple[str, ...], key: str = "toolsets") -> tuple[str, ...]:
        """Return the categories to list at first; `key` is where they were given.

        Raises:
            ConfigError: One does not exist.
        """
        self._all(key, names, self._categories | {"all"})
        return tuple(sorted(self._categories)) if "all" in names else names

    def signature(self, text: str, number: int) -> str:
        """Return a function's signature with single blanks.

        Raises:
            ConfigError: It is none.
        """
        signature = " ".join(text.split())
        if not _SIGNATURE.fullmatch(signature):
            start = where(self._lines, f"functions.allow.{number}")
            raise ConfigError(
                f"{start}functions.allow: {signature[:128]!r} is no signature.",
                hint="Write name(type, type), with the schema where it has one, and without quotes.",
            )
        return signature

    def _all(self, key: str, names: Iterable[str], known: Iterable[str]) -> None:
        for number, name in enumerate(names):
            self._one(key, name, known, f"{key}.{number}")

    def _one(self, key: str, name: str, known: Iterable[str], path: str = "") -> str:
        known = sorted(known)
        if name not in known:
            raise ConfigError(
                f"{where(self._lines, path or key)}{key}: {name[:64]!r} is not known.",
                hint=near_hint(name, known) or None,
            )
        return name
