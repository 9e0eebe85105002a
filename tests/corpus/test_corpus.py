"""The guard gives the verdict that the corpus states, by the text alone."""

from __future__ import annotations

from pathlib import Path

import pglast
import pytest

from corpus.cases import Case, load
from pgwarden.guard import judge

CASES = load()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case: Case) -> None:
    """A statement is readable exactly where the corpus says so, and is refused with the code it states."""
    verdict = judge(case.sql, None)
    assert verdict.readable is case.readable, f"{case.why}: {verdict.code} {verdict.message}"
    assert bool(verdict.canonical) is case.readable
    if not case.readable:
        assert verdict.code
        assert verdict.message
        assert case.code in ("", verdict.code), verdict.message


@pytest.mark.parametrize("case", [case for case in CASES if case.readable], ids=lambda case: case.id)
def test_readable_cases_are_sql(case: Case) -> None:
    """What the corpus calls a read is one statement of PostgreSQL's grammar."""
    assert len(pglast.parse_sql(case.sql)) == 1


def test_malformed_corpus_is_refused(tmp_path: Path) -> None:
    """A header that cannot be read stops the load: a typo never drops a case silently."""
    (tmp_path / "x.txt").write_text("@alow x: y\nSELECT 1\n")
    with pytest.raises(ValueError, match="not a header"):
        load(tmp_path)


def test_repeated_id_is_refused(tmp_path: Path) -> None:
    """Two cases with one id stop the load."""
    (tmp_path / "x.txt").write_text("@allow x: y\nSELECT 1\n@deny x: y\nDROP TABLE t\n")
    with pytest.raises(ValueError, match="used twice"):
        load(tmp_path)
