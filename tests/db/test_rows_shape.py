"""No identifier and no value changes the shape of a composed statement: properties, on a real catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from psycopg import sql

from pgwarden.db.compose import Draft, Order, Slot, Value
from pgwarden.guard import judge
from pgwarden.guard.catalog import Catalog
from pgwarden.guard.lexer import Kind, lex
from pgwarden.results import Bindable

HOSTILE = (
    *("'", '"', '""', "';--", '";DROP TABLE x;--', "/*", "*/", "--", "\\", "\\'", "$1", "$$", "$a$", "%s", "{}"),
    *("%(a)s", ") OR (1=1", "a b", "SELECT", "ü", "\u200b", "E'", "U&", "\n", "::", ";", "?"),
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20), st.lists(st.sampled_from(HOSTILE)).map("".join))


def is_taken(name: str) -> bool:
    """Whether the guard takes a name; what it does not, it refuses with the whole statement."""
    return all(char.isascii() or char.isalnum() for char in name) and name.isprintable()


_CHARS = st.characters(min_codepoint=32, max_codepoint=0x24F).filter(is_taken)
names = st.one_of(
    st.sampled_from([each for each in HOSTILE if is_taken(each)]),
    st.text(_CHARS, min_size=1, max_size=20),
    st.lists(st.sampled_from([each for each in HOSTILE if is_taken(each)]), min_size=1, max_size=4).map("".join),
)


def shape(statement: str) -> list[tuple[Kind, str]]:
    """The tokens of a statement, quoted names as one word."""
    return [(token.kind, "name" if token.kind is Kind.QUOTED else token.text) for token in lex(statement)]


def statements(table: str, column: str, other: str, value: str) -> list[tuple[str, list[Bindable]]]:
    """One statement of each form, made with these names and this value."""
    made = []

    def add(form: str) -> None:
        draft = Draft()
        where = draft.some(
            [
                draft.every([draft.test(column, "ilike", value), draft.among(other, [value, value])]),
                draft.negate(draft.between(column, value, value)),
                draft.null(other),
                draft.after([Order(column), Order(other, descending=True)], [value, None]),
            ]
        )
        ref = ("public", table)
        slot: Slot = Value(value)
        text = {
            "select": lambda: draft.select(ref, [column, other], where, [Order(column), Order(other, True)]),
            "insert": lambda: draft.insert(
                ref, [column, other], [[slot, "default"], ["now", slot]], [column], conflict=[column], replaced=[other]
            ),
            "update": lambda: draft.update(ref, {column: slot, other: "next"}, where, [other]),
            "delete": lambda: draft.delete(ref, where, [column]),
        }[form]()
        made.append((text, draft.values))

    for form in ("select", "insert", "update", "delete"):
        add(form)
    return made


CATALOG = Catalog(version=180000, path=("public",))
PLAIN = [shape(text) for text, _ in statements("t", "a", "b", "v")]


@given(names, names, names, texts)
@settings(max_examples=200, deadline=None)
def test_no_name_or_value_changes_the_tokens(table: str, column: str, other: str, value: str) -> None:
    """The guard's lexer reads the same tokens as of plain names, and values are in none of them."""
    assume(column != other)
    for (text, values), plain in zip(statements(table, column, other, value), PLAIN, strict=True):
        assert shape(text) == plain
        assert {each for each in values if each is not None} == {value}


@pytest.fixture(scope="module")
def scratch(server: Any) -> Iterator[str]:
    """A database for the module."""
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@given(names, texts.filter(lambda text: "\0" not in text))
@settings(max_examples=40, deadline=None)
def test_postgresql_reads_the_same(scratch: str, name: str, value: str) -> None:
    """What is stored under a hostile name is the value, byte for byte, and nothing else happened."""
    assume(not any(0xD800 <= ord(char) <= 0xDFFF for char in value))
    draft = Draft()
    with psycopg.connect(scratch, autocommit=True) as connection:
        quoted = sql.Identifier(name)
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(quoted))
        connection.execute(sql.SQL("CREATE TABLE {} ({} text)").format(quoted, quoted))
        text = draft.insert(("public", name), [name], [[Value(value)]], [name])
        verdict = judge(text, CATALOG, writes=True)
        assert verdict.kinds == ("INSERT",), (text, verdict.message)
        cursor = psycopg.RawCursor(connection)
        cursor.execute(verdict.canonical.encode(), [json.loads(json.dumps(value))])
        assert cursor.fetchall() == [(value,)]
        connection.execute(sql.SQL("DROP TABLE {}").format(quoted))
