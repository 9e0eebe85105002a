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
        """Check every name of the file, also in roles and connections that are not in force.

        Raises:
            ConfigError: One does not exist; with its line and the nearest one that does.
        """
        roles = ((f"roles.{name}.", role) for name, role in document.roles.items())
        connections = ((f"connections.{name}.", each) for name, each in document.connections.items())
        for prefix, rules in [("", document), *roles, *connections]:
            for key in ("allow", "deny"):
                self._all(f"{prefix}categories.{key}", getattr(rules.categories, key), self._categories)
                self._all(f"{prefix}tools.{key}", getattr(rules.tools, key), self._tools)
            words = [commands.normal(each) for each in rules.commands.deny]
            self._all(f"{prefix}commands.deny", words, commands.COMMANDS)
        self.signatures(document.functions.allow)
        if document.role is not None:
            self.role(document.role, document)
        for name, each in document.connections.items():
            self.signatures(each.functions.allow, f"connections.{name}.")
            if each.role is not None:
                self.role(each.role, document, f"connections.{name}.role")

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

    def connection(self, name: str, known: Iterable[str], key: str = "connection") -> str:
        """Return the name of a connection; `key` is where it was given.

        Raises:
            ConfigError: There is no such connection.
        """
        return self._one(key, name, known)

    def signatures(self, texts: Iterable[str], prefix: str = "") -> frozenset[str]:
        """Return the signatures of functions with single blanks; `prefix` is where in the file they stand.

        Raises:
            ConfigError: One is none.
        """
        found = [" ".join(text.split()) for text in texts]
        for number, signature in enumerate(found):
            if not _SIGNATURE.fullmatch(signature):
                start = where(self._lines, f"{prefix}functions.allow.{number}")
                raise ConfigError(
                    f"{start}{prefix}functions.allow: {signature[:128]!r} is no signature.",
                    hint="Write name(type, type), with the schema where it has one, and without quotes.",
                )
        return frozenset(found)

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
