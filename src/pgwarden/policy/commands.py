"""Commands that a policy blocks by their words: `VACUUM`, `CREATE INDEX`, `ALTER TABLE`."""

from __future__ import annotations

from collections.abc import Iterable

_SPECIAL = """
    select insert update delete merge truncate show set reset explain call comment refresh-materialized-view vacuum
    vacuum-full analyze reindex cluster grant revoke copy do load security-label import-foreign-schema
    drop-owned reassign-owned create-index-concurrently drop-index-concurrently reindex-index
    reindex-table reindex-schema reindex-database reindex-system alter-system alter-default-privileges
    alter-large-object"""
_OBJECTS = """
    access-method aggregate cast collation conversion database domain event-trigger extension foreign-data-wrapper
    foreign-table function group index language materialized-view operator operator-class operator-family policy
    procedure publication role routine rule schema sequence server statistics subscription table tablespace
    text-search-configuration text-search-dictionary text-search-parser text-search-template transform trigger type user
    user-mapping view"""

COMMANDS: frozenset[str] = frozenset(
    name.replace("-", " ").upper()
    for name in (
        *_SPECIAL.split(),
        *(f"{verb}-{kind}" for verb in ("create", "alter", "drop") for kind in _OBJECTS.split()),
        "create",
        "alter",
        "drop",
        "reset",
    )
)
"""What can be blocked: commands in PostgreSQL's words, and the first word alone for all that begin with it."""

_FILLERS = frozenset({"OR", "REPLACE", "UNIQUE", "UNLOGGED", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "RECURSIVE"}) | {
    *("CONSTRAINT", "DEFAULT", "TRUSTED", "PROCEDURAL")
}
"""Words that do not change what is created, so that no spelling gets around a blocked command."""
_SAME = {"USER": "ROLE", "GROUP": "ROLE", "FUNCTION": "ROUTINE", "PROCEDURE": "ROUTINE", "AGGREGATE": "ROUTINE"}
"""Words for the same objects: `DROP ROUTINE` drops functions, `CREATE USER` makes a role."""
_NESTED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
"""Commands that can stand inside of others; blocked by what the whole statement does."""


def normal(text: str) -> str:
    """Return the words of a command, upper case, with one blank between."""
    return " ".join(text.upper().split())


def blocked_by(rules: Iterable[str], command: str, kinds: Iterable[str]) -> str | None:
    """Return the rule that blocks a statement, or None.

    Args:
        rules: Blocked commands, each of COMMANDS.
        command: The statement's own, in PostgreSQL's words.
        kinds: Everything that it does.
    """
    words = normal(command).split()
    bare = _bare(words)
    effects = _NESTED & set(kinds)
    for rule in sorted(rules):
        prefix = rule.split()
        if rule in effects or words[: len(prefix)] == prefix or bare[: len(prefix)] == _bare(prefix):
            return rule
    return None


def _bare(words: list[str]) -> list[str]:
    """Return a command's words without fillers, and one word for each kind of object that has several."""
    kept = [word for at, word in enumerate(words) if word not in _FILLERS or words[at - 1] == "ALTER"]
    if len(kept) > 1 and kept[2:3] != ["MAPPING"]:
        kept[1] = _SAME.get(kept[1], kept[1])
    return kept
