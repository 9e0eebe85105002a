"""What the grammar of definitions accepts is what PostgreSQL's own parser makes of it."""

from __future__ import annotations

from functools import cache
from random import Random
from time import monotonic
from typing import Any

import pytest
from pglast import ast

from pgwarden.guard import canonical, names
from pgwarden.guard.ddl import Definition
from pgwarden.guard.lexer import lex
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream
from unit.guard.differential import oracle as reads
from unit.guard.differential.mutate import mutate
from unit.guard.differential.sources import REGRESS, regress

from . import oracle
from .cases import Accepted, accepted, refused
from .reading import define as define_by_policy
from .reading import text

UNSAFE = frozenset({"COPY", "DO", "LOAD", "ALTER SYSTEM", "SUPERUSER"})
OTHERS = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.ExplainStmt)
UNSAFE_ROOTS = (ast.CopyStmt, ast.DoStmt, ast.LoadStmt)
SAMPLE = 2500
"""Definitions of the regression suite in one run."""
LEAST_SHARE = 0.75
"""Of the regression suite's definitions, how many the grammar must have."""
FUZZ_SECONDS = 3.0


def faults(sql: str) -> list[str] | None:
    """Return why the grammar is wrong to accept a statement; None where it refuses it."""
    try:
        found = define_by_policy(sql, UNSAFE)
    except Refused:
        return None
    running = reads.parse(text(sql))
    if running is None:
        return []  # PostgreSQL will refuse it as a whole: nothing can run
    if len(running) != 1:
        return [f"{len(running)} statements"]
    wrong = _faults_of(found, running[0].stmt)
    written = reads.parse(sql) if "\0" not in sql else None
    if written is not None and reads.shape(written) != reads.shape(running):
        wrong.append("the canonical text has another tree")
    return wrong


def _faults_of(found: Definition, root: Any) -> list[str]:
    change, wrong = found.qualified(), list[str]()
    if isinstance(root, OTHERS):
        wrong.append(f"a {type(root).__name__}")
    if not isinstance(root, UNSAFE_ROOTS) and (missing := oracle.kinds(root) - set(found.kinds)):
        wrong.append(f"misses {missing}")
    if oracle.is_typed(root) and change.tier != "typed":
        wrong.append("is only confirmed")
    if change.tier == "typed" and not change.typed_name:
        wrong.append("has nothing to type")
    if oracle.needs_no_transaction(root) and change.in_transaction:
        wrong.append("runs in no transaction")
    query = names.find(Stream(list(found.query))) if found.query else None
    calls = {(name.schema, name.name) for name in (*found.calls, *(query.calls.values() if query else ()))}
    if missed := oracle.calls(root) - calls:
        wrong.append(f"calls {missed}")
    relations = {(it.name.schema, it.name.name) for it in found.relations}
    relations |= {(name.schema, name.name) for name in (query.relations.values() if query else ())}
    if unseen := oracle.relations(root) - relations:
        wrong.append(f"names {unseen}")
    return wrong


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.sql[:60])
def test_corpus(case: Accepted) -> None:
    """The oracle has no objection to the corpus."""
    assert faults(case.sql) == []


def test_regression_suite() -> None:
    """Nor to anything accepted of PostgreSQL's regression suite, of which most definitions are."""
    statements = _definitions()
    if not statements:
        pytest.skip(f"no regression SQL in {REGRESS}: run scripts/fetch_regress_sql.py")
    outcomes = {sql: faults(sql) for sql in Random(1).sample(statements, SAMPLE)}
    assert {sql: found for sql, found in outcomes.items() if found} == {}
    assert sum(found is not None for found in outcomes.values()) / len(outcomes) >= LEAST_SHARE


def test_mutations() -> None:
    """Nor to mutations of all of these."""
    own = [case.sql for case in accepted()] + [case.sql for case in refused()]
    seeds, random, passed = own * 10 + _definitions(), Random(3), 0
    end = monotonic() + FUZZ_SECONDS
    while monotonic() < end:
        sql = mutate(random.choice(seeds), random, seeds)
        found = faults(sql)
        assert not found, sql
        passed += found is not None
    assert passed > 20, "the mutations are too wild to test what passes"


def test_canonical_text_is_its_own() -> None:
    """The canonical text of a definition is a definition, and is its own canonical text."""
    for case in accepted():
        once = text(case.sql)
        assert canonical.render(lex(once)) == once


@cache
def _definitions() -> list[str]:
    """Return the statements of the regression suite that are no queries and change no rows."""
    found: list[str] = []
    for sql in regress():
        parsed = reads.parse(sql)
        if parsed and len(parsed) == 1 and not isinstance(parsed[0].stmt, (*OTHERS, ast.TransactionStmt)):
            found.append(sql)
    return found
