"""Definitions and utilities where columns are masked: nothing may move values out from under their mask.

Judged by the statement's words alone, and by a short list of what is harmless: a definition can hide a value's way in
more places (defaults, checks, index predicates, code) than are worth telling apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgwarden.guard.keywords import words
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.masking import refusals
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.shields import Shield, Shields

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.verdict import Change, Verdict

_HARMLESS: Final = words("comment analyze analyse vacuum reindex cluster refresh truncate drop grant revoke set reset")
"""First words of statements that show no value and change no column's name."""
_MOVES: Final = words("rename inherit attach detach using generated rule trigger policy like of schema partition")
"""Words with which an ALTER or CREATE on a shielded relation renames, connects or derives something."""
_POWERS: Final = words("role user group database tablespace privileges")
"""Objects with rights over the server that hold no values."""


def check(verdict: Verdict, change: Change, shields: Shields, catalog: Catalog | None) -> None:
    """Judge a statement that defines something.

    Args:
        verdict: The judgement so far.
        change: What it changes.
        shields: The masks in force.
        catalog: Resolves names.

    Raises:
        Refused: It could show a masked value, or a hidden object's name.
    """
    if change.unsafe and change.unsafe.upper() in ("COPY", "DO", "LOAD"):
        raise Refused(refusals.CODE, f"{change.unsafe} is refused where the policy masks or hides anything.")
    tokens = lex(verdict.canonical)
    named = _words(tokens)
    first = named[0]
    if change.object_class == "code" and first != "drop" and not (shields.hides and first == "comment"):
        raise Refused(
            refusals.CODE,
            f"{change.command} is refused where the policy masks or hides anything: nothing can tell what code reads.",
        )
    if change.object_class == "power" and first not in _HARMLESS and _POWERS.isdisjoint(named[:4]):
        raise Refused(refusals.CODE, f"{change.command} is refused where the policy masks or hides anything.")
    if first == "alter" and named[1] in ("schema", "type") and _touches(named, shields):
        raise refusals.changed(f"{change.command} could take columns out of their mask.")
    used = {_resolved(use.relation, catalog): use.operation for use in verdict.uses}
    for name in used:
        shield = shields.relations.get(name)
        if shield is not None and first not in _HARMLESS:
            _check_definition(tokens, change, verdict.kinds, shield)


def _words(tokens: list[Token]) -> list[str]:
    return [token.value for token in tokens if _is_name(token)]


def _resolved(name: Name, catalog: Catalog | None) -> Name:
    return (catalog.resolve(name) if catalog else None) or name


def _touches(named: list[str], shields: Shields) -> bool:
    """Tell whether ALTER SCHEMA or ALTER TYPE changes names that masks go by."""
    return not shields.schemas.isdisjoint(named[2:3]) or not shields.masked.isdisjoint(named)


def _check_definition(tokens: list[Token], change: Change, kinds: tuple[str, ...], shield: Shield) -> None:
    """Judge a CREATE or ALTER that names a shielded relation; CREATE TABLE AS takes masked rows."""
    named = _words(tokens)
    keywords = {token.value for token in tokens if token.kind is Kind.WORD}
    if change.targets and change.targets[0].kind == "table" and "SELECT" in kinds and named[0] == "create":
        return
    index = change.command.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))
    references = change.command == "CREATE TABLE" and "references" in keywords
    if not (index or references or change.command == "ALTER TABLE"):
        raise refusals.changed(f"{change.command} on {shield.name} could show its masked columns.")
    moved = _MOVES - ({"using"} if index else set())
    if not moved.isdisjoint(keywords):
        raise refusals.changed(f"This {change.command} on {shield.name} could take columns out of their mask.")
    mentions = [at for at, token in enumerate(tokens) if token.value in shield.masked and _is_name(token)]
    if not all(index and _is_plain_element(tokens, at) for at in mentions) or named.count(shield.name.name) > 1:
        raise refusals.changed(f"This {change.command} names a masked column, or a whole row, of {shield.name}.")


def _is_name(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.QUOTED)


def _is_plain_element(tokens: list[Token], at: int) -> bool:
    """Tell whether a column is an element by itself of an index's list, and not in its predicate."""
    before = [token.value for token in tokens[:at]]
    depth = before.count("(") - before.count(")")
    ends = tokens[at + 1].value in (")", ",", "asc", "desc", "nulls") if at + 1 < len(tokens) else False
    return depth == 1 and before[-1] in ("(", ",") and ends and "where" not in before
