"""What the guard says of statements that change rows, by PostgreSQL's own parser: nothing that they do is left out."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import monotonic

import pytest

from pgwarden.guard import judge

from . import oracle, oracle_changes
from .mutate import mutate
from .sources import REGRESS, regress

SAMPLE = 3000
"""Statements of the regression suite in a default run; all of them where the fuzzer is given over a minute."""
LEAST_SHARE = 0.85
"""Of the regression suite's changes of rows that are harmless but for that, how many the guard must accept."""
SHARE_OF_TIME = 0.3
"""Of the fuzzer's seconds; the other statements get the rest."""
COMMANDS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
SEEDS = [
    "INSERT INTO t VALUES (1, 'a'), (2, DEFAULT) RETURNING *",
    "INSERT INTO t AS x (a, b) SELECT a, lower(b) FROM s WHERE c = 1 ON CONFLICT (a) WHERE b > 1 DO UPDATE SET a = 1",
    "INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING",
    "INSERT INTO t (a) OVERRIDING SYSTEM VALUE WITH x AS (SELECT 1) SELECT * FROM x",
    "UPDATE ONLY t AS u SET (a, b) = (SELECT 1, 2), c[1] = DEFAULT FROM s JOIN v USING (k) WHERE u.a = s.a OR u.b = 1",
    "UPDATE t SET a = b IS DISTINCT FROM c WHERE a = 1 AND (b OR NOT c) RETURNING a AS x",
    "DELETE FROM t USING a, b c WHERE t.id = c.id AND EXISTS (SELECT 1 FROM d WHERE d.x = t.x)",
    "WITH x AS (DELETE FROM t WHERE a = 1 RETURNING *), y AS (SELECT 1) INSERT INTO u SELECT * FROM x, y",
    "WITH x AS (UPDATE t SET a = 1 WHERE b = 2 RETURNING *) SELECT * FROM x",
    "MERGE INTO t AS u USING (SELECT 1 AS a) s ON u.a = s.a WHEN MATCHED AND s.a > 1 THEN UPDATE SET b = 1 "
    "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
    "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN DO NOTHING "
    "RETURNING t.*",
    "EXPLAIN (VERBOSE) DELETE FROM t WHERE id = 1",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the guard accepts a statement, whether it had reason not to, and what it says wrongly."""

    accepted: bool
    harmless: bool
    faults: tuple[str, ...] = ()


def compare(sql: str) -> Outcome | None:
    """Compare guard and PostgreSQL on a statement; None where it neither changes rows nor is taken to."""
    written = oracle.parse(sql) if "\0" not in sql else None
    verdict = judge(sql, None, writes=True)
    changes = written is not None and oracle_changes.is_change(written)
    if not verdict.accepted:
        return Outcome(False, harmless=_is_harmless(written)) if changes else None
    if not changes and (verdict.change is None or verdict.change.command not in COMMANDS):
        return None
    running = oracle.parse(verdict.canonical)
    if running is None:
        return Outcome(True, True, ("the canonical text is not SQL, the original is",) if written else ())
    faults = oracle_changes.faults(running, verdict)
    if written is not None and oracle.shape(written) != oracle.shape(running):
        faults.append("the canonical text has another tree")
    return Outcome(True, True, tuple(faults + _faults_of_matching(verdict.change.matching if verdict.change else "")))


def _faults_of_matching(sql: str) -> list[str]:
    if sql and (not judge(sql, None).readable or oracle.parse(sql) is None):
        return ["the matching rows are not counted by a read"]
    return []


def _is_harmless(statements: object) -> bool:
    """Tell whether only what changes rows could be a reason to refuse it."""
    assert isinstance(statements, tuple)
    nodes = list(oracle.walk(statements[0].stmt))
    others = [node for node in nodes if not isinstance(node, oracle_changes.CHANGES)]
    return not any(True for node in others for _ in oracle.of_node(node, oracle_changes.ALLOWED, set(), nodes[0]))


@pytest.mark.parametrize("sql", SEEDS)
def test_seeds(sql: str) -> None:
    """Every form of statement is accepted, and nothing of it is left out."""
    assert compare(sql) == Outcome(True, True)


def test_regression_suite(fuzz_seconds: float) -> None:
    """Over PostgreSQL's regression suite nothing is left out, and most changes of rows are accepted."""
    statements = [
        sql for sql in regress() if any(word in sql.lower() for word in ("insert", "update", "delete", "merge"))
    ]
    if not statements:
        pytest.skip(f"no regression SQL in {REGRESS}: run scripts/fetch_regress_sql.py")
    if fuzz_seconds <= 60:
        statements = Random(2).sample(statements, SAMPLE)
    outcomes = {sql: outcome for sql in statements if (outcome := compare(sql)) is not None}
    assert {sql: outcome.faults for sql, outcome in outcomes.items() if outcome.faults} == {}
    harmless = [outcome for outcome in outcomes.values() if outcome.harmless]
    assert sum(outcome.accepted for outcome in harmless) / len(harmless) >= LEAST_SHARE


@pytest.mark.timeout(0)
def test_mutations(fuzz_seconds: float, fuzz_seed: int) -> None:
    """Over mutations likewise, for as long as the run allows."""
    seeds = SEEDS * 20 + [sql for sql in regress() if "insert" in sql.lower()][:500]
    random, accepted, end = Random(fuzz_seed), 0, monotonic() + fuzz_seconds * SHARE_OF_TIME
    while monotonic() < end:
        sql = mutate(random.choice(seeds), random, seeds)
        outcome = compare(sql)
        assert outcome is None or outcome.faults == (), sql
        accepted += outcome is not None and outcome.accepted
    assert accepted > fuzz_seconds, "the mutations are too wild to test what passes"
