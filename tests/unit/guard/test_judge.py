"""The guard's door: it always answers, never raises, and repeats no literal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwarden import guard
from pgwarden.guard import judge, parse


def test_readable() -> None:
    """A read comes back with its canonical text and what it touches."""
    verdict = judge("SELECT lower(a), $1 FROM s.t -- x", None)
    assert verdict.readable
    assert verdict.canonical == "SELECT lower(a), $1 FROM s.t"
    assert (verdict.form, verdict.kinds, verdict.parameters) == ("select", ("SELECT",), 1)
    assert (verdict.relations, verdict.functions) == (("s.t",), ("lower",))


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("DROP TABLE t", ("DROP",)),
        ("update t set a = 1", ("UPDATE",)),
        ("SELECT 1; DROP TABLE t", ("SELECT", "DROP")),
        ("WITH x AS (DELETE FROM t RETURNING 1) SELECT 1", ("SELECT", "DELETE")),
        ("SELECT 1 INTO t", ("SELECT", "CREATE")),
        ("EXPLAIN (ANALYZE, VERBOSE) DELETE FROM t", ("EXPLAIN", "DELETE")),
        ("DELETE FROM t WHERE a = 'unclosed", ("DELETE",)),
        ("VALUES (1", ("SELECT",)),
        ("nonsense", ()),
    ],
)
def test_kinds_of_refused(sql: str, kinds: tuple[str, ...]) -> None:
    """A refusal says what the statement would have done, as far as its words tell."""
    verdict = judge(sql, None)
    assert not verdict.readable
    assert verdict.canonical == ""
    assert verdict.kinds == kinds


def test_refusal_has_a_way_out() -> None:
    """A refusal says what is wrong and what to do instead."""
    verdict = judge("UPDATE t SET a = 1", None)
    assert verdict.code == "not_a_read"
    assert "UPDATE" in verdict.message
    assert verdict.hint


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT f('s3cret')",
        "DELETE FROM t WHERE a = 's3cret'",
        "SELECT 's3cret' 's3cret'",
        "SELECT ('s3cret'",
        "'s3cret'",
    ],
)
def test_no_literal_in_messages(sql: str) -> None:
    """Messages and hints never repeat a constant of the statement."""
    verdict = judge(sql, None)
    assert not verdict.readable
    assert "s3cret" not in f"{verdict.message} {verdict.hint}"


def test_allowed_functions() -> None:
    """A function of the policy is allowed by name where only the text decides, and no other with it."""
    listed = frozenset({"pg_sleep(double precision)"})
    assert judge("SELECT pg_sleep(1)", None, listed).readable
    assert not judge("SELECT pg_sleep_for('1 s')", None, listed).readable
    assert not judge("SELECT pg_sleep(1)", None).readable


def test_unknown_functions_are_refused() -> None:
    """By the text alone a function that is not built in could be anything."""
    assert judge("SELECT crosstab('x')", None).code == "function_not_allowed"
    assert judge("SELECT public.lower('x')", None).code == "function_not_allowed"


def test_defects_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of the guard's own is a refusal, not an exception and not a pass."""

    def broken(sql: str, writes: bool, unsafe: frozenset[str]) -> None:
        raise KeyError(sql)

    monkeypatch.setattr(parse, "read", broken)
    guard._read.cache_clear()
    verdict = judge("SELECT 1 AS never_seen_before", None)
    assert (verdict.readable, verdict.code) == (False, "not_understood")
    assert "never_seen_before" not in verdict.message


@given(st.text())
def test_any_text(sql: str) -> None:
    """Whatever the text, there is a verdict; a refusal has a code and no text to run."""
    verdict = judge(sql, None)
    assert verdict.readable is bool(verdict.canonical)
    assert verdict.readable is not bool(verdict.code)
