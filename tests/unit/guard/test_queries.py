"""The guard lets the analytical queries of three benchmark families pass, as they are written."""

from __future__ import annotations

import pglast
import pytest

from corpus.queries.suites import suites
from pgwarden.guard import judge

QUERIES = {f"{suite}-{name}": sql for suite, content in suites().items() for name, sql in content.queries.items()}


def test_counts() -> None:
    """The suites are whole: 22, 99 and 113 different queries."""
    found = {name: len(set(suite.queries.values())) for name, suite in suites().items()}
    assert found == {"tpch": 22, "tpcds": 99, "job": 113}


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES.keys())
def test_query_is_readable(sql: str) -> None:
    """The query is a SELECT to the guard, and its canonical text has PostgreSQL's own tree of it."""
    verdict = judge(sql, None)
    assert verdict.readable, verdict.message
    assert verdict.form == "select"
    assert verdict.kinds == ("SELECT",)
    assert pglast.prettify(verdict.canonical) == pglast.prettify(sql)


@pytest.mark.parametrize("suite", suites())
def test_relations_are_those_of_the_schema(suite: str) -> None:
    """The relations that the verdicts name are the tables of the suite, all of them, and nothing else."""
    content = suites()[suite]
    tables = {str(made.stmt.relation.relname) for made in pglast.parse_sql(content.schema)}  # type: ignore[union-attr]
    named = {relation for sql in content.queries.values() for relation in judge(sql, None).relations}
    assert named == tables
