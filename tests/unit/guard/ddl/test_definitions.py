"""What a definition says beside its kinds and its tier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwarden.guard import canonical, keywords
from pgwarden.guard.ddl import Reference, read
from pgwarden.guard.lexer import lex
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.verdict import Target

from .reading import define

ALL_UNSAFE = frozenset({"COPY", "DO", "LOAD", "ALTER SYSTEM", "SUPERUSER"})


def used(sql: str) -> list[tuple[str, str]]:
    """Return operation and name of every relation that a definition names."""
    return [(it.operation, str(it.name)) for it in define(sql).relations]


@pytest.mark.parametrize(
    ("sql", "uses"),
    [
        ("DROP TABLE a, s.b", [("DROP", "a"), ("DROP", "s.b")]),
        ("TRUNCATE a", [("TRUNCATE", "a")]),
        ("CREATE TABLE a (b int REFERENCES s.c)", [("CREATE", "a"), ("SELECT", "s.c")]),
        ("CREATE TABLE a () INHERITS (b)", [("CREATE", "a"), ("SELECT", "b"), ("ALTER", "b")]),
        ("CREATE INDEX i ON a (b)", [("SELECT", "a"), ("ALTER", "a")]),
        ("CREATE POLICY p ON a USING (b IN (SELECT c FROM s.d))", [("SELECT", "a"), ("ALTER", "a"), ("SELECT", "s.d")]),
        ("ALTER TABLE a ATTACH PARTITION b DEFAULT", [("ALTER", "a"), ("SELECT", "b"), ("ALTER", "b")]),
        ("GRANT SELECT ON a, s.b TO c", [("GRANT", "a"), ("GRANT", "s.b")]),
        ("REVOKE SELECT ON a FROM c", [("REVOKE", "a")]),
        ("DROP TRIGGER g ON a", [("ALTER", "a")]),
        ("COMMENT ON COLUMN s.a.b IS 'x'", [("ALTER", "s.a")]),
        ("CREATE SEQUENCE q OWNED BY s.a.b", [("CREATE", "q"), ("ALTER", "s.a")]),
        ("CREATE OR REPLACE VIEW a AS SELECT 1", [("CREATE", "a"), ("ALTER", "a")]),
    ],
)
def test_relations(sql: str, uses: list[tuple[str, str]]) -> None:
    """Every relation is named with what is done to it, in order."""
    assert used(sql) == uses


def test_relations_know_their_place() -> None:
    """The index of a relation is that of the first part of its name among the tokens, also inside of an expression."""
    sql = "ALTER TABLE s.t ADD FOREIGN KEY (a) REFERENCES u"
    tokens = lex(sql)
    found = read(tokens, frozenset())
    assert [(tokens[it.index].value, it.name.name) for it in found.relations] == [("s", "t"), ("u", "u")]
    tokens = lex("CREATE POLICY p ON t USING (a IN (SELECT b FROM s.u))")
    inner = [it for it in read(tokens, frozenset()).relations if it.name.name == "u"]
    assert inner == [Reference("SELECT", Name("s", "u"), next(i for i, t in enumerate(tokens) if t.value == "s"))]


def test_embedded_query() -> None:
    """The query of a view comes with the tokens before and behind it; together they are the statement."""
    sql = "CREATE VIEW v (a) AS SELECT b FROM t WITH CHECK OPTION"
    found = define(sql)
    assert canonical.render(found.query) == "SELECT b FROM t"
    assert canonical.render(found.suffix) == "WITH CHECK OPTION"
    assert canonical.render([*found.prefix, *found.query, *found.suffix]) == sql


@pytest.mark.parametrize(
    ("sql", "unsafe", "typed_name", "kinds"),
    [
        ("COPY t FROM '/x' WITH (FORMAT csv) WHERE a > 1", "COPY", "COPY public.t", ("INSERT",)),
        ("COPY s.t (a, b) TO PROGRAM 'x'", "COPY", "COPY s.t", ("SELECT",)),
        ("COPY (SELECT a FROM t) TO '/x'", "COPY", "COPY", ("SELECT",)),
        ("DO $$ BEGIN END $$ LANGUAGE plpgsql", "DO", "DO", ("CALL",)),
        ("LOAD 'x'", "LOAD", "LOAD", ("CALL",)),
        ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM", "ALTER SYSTEM", ("ALTER",)),
        ("CREATE ROLE bob SUPERUSER", "SUPERUSER", "bob", ("CREATE",)),
        ("GRANT pg_read_server_files TO bob", "SUPERUSER", "pg_read_server_files", ("GRANT",)),
    ],
)
def test_unsafe(sql: str, unsafe: str, typed_name: str, kinds: tuple[str, ...]) -> None:
    """What the policy lists as unsafe is accepted by that name alone, typed, as power; without it never."""
    found = define(sql, frozenset({unsafe}))
    change = found.qualified(lambda name: name if name.schema else Name("public", name.name))
    assert (change.tier, change.object_class, change.unsafe) == ("typed", "power", unsafe)
    assert (change.typed_name, found.kinds) == (typed_name, kinds)
    for listed in (frozenset[str](), ALL_UNSAFE - {unsafe}):
        with pytest.raises(Refused) as caught:
            define(sql, listed)
        assert caught.value.code == "never_allowed"


@pytest.mark.parametrize(
    "sql", ["COPY t FROM STDIN", "COPY t TO STDOUT", "COPY (SELECT 1) TO stdout", "PREPARE p AS SELECT 1", "SET ROLE x"]
)
def test_never_even_if_unsafe(sql: str) -> None:
    """There is no stream to copy, and what leaves something in a session stays refused."""
    with pytest.raises(Refused) as caught:
        define(sql, ALL_UNSAFE)
    assert caught.value.code == "never_allowed"


@pytest.mark.parametrize(
    ("sql", "secret"),
    [
        ("CREATE ROLE bob PASSWORD 's3cret'", True),
        ("ALTER USER bob ENCRYPTED PASSWORD 's3cret'", True),
        ("CREATE SUBSCRIPTION s CONNECTION 'password=x' PUBLICATION p", True),
        ("CREATE USER MAPPING FOR bob SERVER s OPTIONS (password 'x')", True),
        ("ALTER SUBSCRIPTION s CONNECTION 'password=x'", True),
        ("CREATE ROLE bob", False),
        ("ALTER SUBSCRIPTION s ENABLE", False),
    ],
)
def test_secrets(sql: str, secret: bool) -> None:
    """A statement with a password or a connection string says that it holds a secret."""
    assert define(sql).secret is secret


@pytest.mark.parametrize(
    ("sql", "sweeps"),
    [
        ("DROP SCHEMA s, u CASCADE", (Target("schema", "s"), Target("schema", "u"))),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA s TO bob", (Target("schema", "s"),)),
        ("VACUUM", (Target("database", ""),)),
        ("ANALYZE", (Target("database", ""),)),
        ("CLUSTER", (Target("database", ""),)),
        ("REINDEX SCHEMA s", (Target("schema", "s"),)),
        ("REINDEX DATABASE", (Target("database", ""),)),
        ("DROP OWNED BY bob", (Target("database", ""),)),
        ("REASSIGN OWNED BY bob TO ann", (Target("database", ""),)),
        ("VACUUM t", ()),
    ],
)
def test_sweeps(sql: str, sweeps: tuple[Target, ...]) -> None:
    """A target that stands for relations which are not named says so."""
    assert define(sql).sweeps == sweeps


@pytest.mark.parametrize(
    ("sql", "rewrites"),
    [
        ("ALTER TABLE t ALTER a TYPE int", True),
        ("ALTER TABLE t ADD a int DEFAULT f.x()", True),
        ("ALTER TABLE t ADD a int DEFAULT -5", False),
        ("ALTER TABLE t ADD a text DEFAULT 'a'::text", False),
        ("ALTER TABLE t ADD a text DEFAULT upper('a')", True),
        ("VACUUM FULL t", True),
        ("CLUSTER t", True),
        ("ALTER TABLE t DROP a", False),
    ],
)
def test_rewrites(sql: str, rewrites: bool) -> None:
    """What may rewrite a table says so."""
    assert read(lex(sql), frozenset()).rewrites is rewrites


def test_names_are_as_written_without_a_catalog() -> None:
    """Without a way to resolve names they stay as written."""
    assert define('DROP TABLE a, "B.c"').qualified().typed_name == 'a, "B.c"'
    assert define("DROP TABLE a").qualified(lambda _: None).typed_name == "a"


def test_refusals_repeat_no_literal() -> None:
    """No message repeats a constant or a name of the statement."""
    for sql in ("CREATE ROLE bob PASSWORD 's3cret' s3cret", "COMMENT ON TABLE t IS 'a' || 's3cret'", "s3cret t"):
        with pytest.raises(Refused) as caught:
            define(sql)
        assert "s3cret" not in caught.value.message + caught.value.hint


WORDS = keywords.words("""
    create alter drop table view index t s . , ( ) [ ] a int 'x' 1 default check using as on if exists not null set to
    grant all in schema from cascade with only or replace function trigger type = $1 constraint column add role public "
    comment is vacuum full analyze reindex copy select""")


@given(st.lists(st.sampled_from(sorted(WORDS)), max_size=25))
def test_only_refuses(words: list[str]) -> None:
    """Whatever words come, the answer is a definition or a refusal with a reason: no other error."""
    no = None
    try:
        read(lex(" ".join(words)), ALL_UNSAFE)
    except Refused as refused:
        no = refused
    assert no is None or (no.code and no.message)
