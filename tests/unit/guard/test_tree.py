"""The second reading, by sqlglot: a veto that is independent of the token rules."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from pgwarden.guard import judge, skeleton, tree
from pgwarden.guard.lexer import lex
from pgwarden.guard.names import Names, find
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.rules import tree_calls, tree_nodes, tree_relations, tree_root
from pgwarden.guard.stream import Stream

NO_NAMES = Names({}, {}, {}, frozenset(), frozenset(), frozenset(), {})


def skeleton_of(sql: str) -> str:
    """Return the skeleton with single spaces."""
    stream = Stream(lex(sql))
    return " ".join(skeleton.build(stream, find(stream)).split())


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'secret', 42, $1", "SELECT 'x' , 1 , 1"),
        ("SELECT f(a), s.g(b)", 'SELECT fn ( "a" ) , fn ( "b" )'),
        ("SELECT a <-> b", 'SELECT "a" + "b"'),
        ("SELECT qualify, pivot FROM semi", 'SELECT "qualify" , "pivot" FROM "semi"'),
        ("SELECT a::foo, b::bar(3)", 'SELECT "a" :: text , "b" :: varchar ( 1 )'),
        ("TABLE t", 'SELECT * FROM "t"'),
    ],
)
def test_skeleton(sql: str, expected: str) -> None:
    """The skeleton keeps the shape; constants, calls, types and rare operators are neutral."""
    assert skeleton_of(sql) == expected


@pytest.mark.parametrize("sql", ["DELETE FROM t", "SHOW x", "CALL fn()", "DROP TABLE t", "EXPLAIN SELECT 1"])
def test_other_roots(sql: str) -> None:
    """A tree that is not a query is refused whatever the token rules thought."""
    with pytest.raises(Refused):
        tree_root.check(list(tree.parse(sql).walk()), NO_NAMES)


@pytest.mark.parametrize("sql", ["WITH x AS (DELETE FROM t) SELECT 1", "SELECT 1 INTO t", "SELECT md5('x')"])
def test_other_nodes(sql: str) -> None:
    """A node that is not listed is refused: statements, INTO, and functions that a skeleton would have neutralised."""
    with pytest.raises(Refused, match="not accepted"):
        tree_nodes.check(list(tree.parse(sql).walk()), NO_NAMES)


def test_disagreement_on_calls() -> None:
    """A call that the token rules took for an alias is refused."""
    nodes = list(tree.parse('SELECT fn(1), "f"(2)').walk())
    with pytest.raises(Refused, match="two ways"):
        tree_calls.check(nodes, NO_NAMES)


def test_disagreement_on_relations() -> None:
    """A relation that the token rules did not see is refused; CTEs and relations that they saw are not."""
    nodes = list(tree.parse('SELECT * FROM "a", "b"').walk())
    seen = Names({0: Name("", "a")}, {}, {}, frozenset(), frozenset(), frozenset({"b"}), {})
    tree_relations.check(nodes, seen)
    with pytest.raises(Refused, match="two ways"):
        tree_relations.check(nodes, NO_NAMES)


@pytest.mark.parametrize("sql", ["SELECT (", "SELECT 1; SELECT 2", "", "SELECT FROM WHERE FROM"])
def test_what_sqlglot_does_not_read(sql: str) -> None:
    """Any failure of sqlglot's is a refusal."""
    with pytest.raises(Refused):
        tree.parse(sql)


def test_statements_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """sqlglot logs nothing: it would log the statement."""
    with caplog.at_level(logging.DEBUG):
        tree.parse("DROP ROLE secret_name")
    assert not caplog.records


def test_compiled_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled build of sqlglot can be crashed by a statement, so that nothing is judged with it."""
    import sqlglot

    monkeypatch.setattr(sqlglot, "tokenizer_core", SimpleNamespace(__file__="tokenizer_core.cpython-311.so"))
    tree._load.cache_clear()
    try:
        with pytest.raises(Refused) as caught:
            tree.parse("SELECT 1")
    finally:
        tree._load.cache_clear()
    assert caught.value.code == "guard_unavailable"


@pytest.mark.parametrize(
    ("sql", "near"), [("select id frm t", "t"), ("select a b c from t", "c"), ("select * from t where", "where")]
)
def test_a_syntax_error_says_where(sql: str, near: str) -> None:
    """The word at which the parser gave up is in the hint."""
    assert judge(sql, None).hint == f"Check its syntax near {near}."
