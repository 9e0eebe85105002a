"""Nothing that the guard calls readable does more than read, by PostgreSQL's own parser."""

from __future__ import annotations

from random import Random
from time import monotonic

import pytest

from pgwarden.guard import judge

from . import oracle
from .compare import compare
from .mutate import mutate
from .sources import REGRESS, corpus, readable_corpus, regress

SAMPLE = 6000
"""Statements of the regression suite in a default run; all of them where the fuzzer is given over a minute."""
LEAST_SHARE = 0.90
"""Of the regression suite's harmless reads, how many the guard must let through."""


@pytest.mark.parametrize("text", ["SELECT 1; SELECT 2", "DELETE FROM t", "SELECT 1 FOR UPDATE", "SELECT 1 INTO t"])
def test_oracle_objects(text: str) -> None:
    """The oracle objects to what is plainly no read: it can fail the guard."""
    statements = oracle.parse(text)
    assert statements is not None
    assert oracle.objections(statements, frozenset())


def test_oracle_sees_calls_and_attributes() -> None:
    """The oracle objects to a call that is not allowed, and to a harmful function in attribute notation."""
    for text in ("SELECT lower('A')", "SELECT ('s'::regclass).nextval", "SELECT TREAT(1 AS pg_sleep)"):
        statements = oracle.parse(text)
        assert statements is not None
        assert oracle.objections(statements, frozenset({"upper"})), text


def test_oracle_has_no_objection_to_reads() -> None:
    """The oracle lets every read of the corpus pass, so that its share of harmless statements means something."""
    outcomes = {sql: compare(sql) for sql in readable_corpus()}
    assert [sql for sql, outcome in outcomes.items() if not outcome.harmless] == []


def test_shape_tells_statements_apart() -> None:
    """Shapes differ where the meaning differs, and only there."""
    one, same, other = (oracle.parse(text) for text in ("SELECT 'a', b", "SELECT  $$a$$ , /**/ b", "SELECT 'a', c"))
    assert one
    assert same
    assert other
    assert oracle.shape(one) == oracle.shape(same) != oracle.shape(other)


def test_corpus() -> None:
    """Over the corpus, the oracle has no objection to anything that the guard accepts."""
    assert _faults(corpus()) == {}


def test_regression_suite(fuzz_seconds: float) -> None:
    """Over PostgreSQL's regression suite likewise, and nine of ten harmless reads pass."""
    statements = regress()
    if not statements:
        pytest.skip(f"no regression SQL in {REGRESS}: run scripts/fetch_regress_sql.py")
    if fuzz_seconds <= 60:
        statements = Random(1).sample(statements, SAMPLE)
    outcomes = {sql: compare(sql) for sql in statements}
    assert {sql: outcome.faults for sql, outcome in outcomes.items() if outcome.faults} == {}
    harmless = [outcome for outcome in outcomes.values() if outcome.harmless]
    assert sum(outcome.accepted for outcome in harmless) / len(harmless) >= LEAST_SHARE


@pytest.mark.timeout(0)
def test_mutations(fuzz_seconds: float, fuzz_seed: int) -> None:
    """Over mutations of all statements likewise, for as long as the run allows."""
    seeds = readable_corpus() * 8 + corpus() + regress()
    random, accepted, end = Random(fuzz_seed), 0, monotonic() + fuzz_seconds
    while monotonic() < end:
        sql = mutate(random.choice(seeds), random, seeds)
        outcome = compare(sql)
        assert outcome.faults == (), sql
        accepted += outcome.accepted
    assert accepted > fuzz_seconds, "the mutations are too wild to test what passes"


def test_canonical_text_is_its_own() -> None:
    """The canonical text of a read is a read, and is its own canonical text."""
    for sql in readable_corpus():
        canonical = judge(sql, None).canonical
        assert judge(canonical, None).canonical == canonical, sql


def _faults(statements: list[str]) -> dict[str, tuple[str, ...]]:
    outcomes = {sql: compare(sql) for sql in statements}
    return {sql: outcome.faults for sql, outcome in outcomes.items() if outcome.faults}
