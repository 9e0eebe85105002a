"""The three suites of analytical queries, each with the tables that it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from corpus.queries import job

FOLDER = Path(__file__).parent
BLOCK = re.compile(r"^-- name: (?P<name>\w+)\n(?P<sql>.*?)(?=^-- name: |\Z)", re.S | re.M)


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite: the DDL of its tables, and its queries by name."""

    schema: str
    queries: dict[str, str]


def suites() -> dict[str, Suite]:
    """Return the suites by name."""
    return {
        "tpch": Suite(_text("tpch_schema.sql"), _blocks("tpch.sql")),
        "tpcds": Suite(_text("tpcds_schema.sql"), _blocks("tpcds_a.sql") | _blocks("tpcds_b.sql")),
        "job": Suite(_text("imdb_schema.sql"), dict(job.queries())),
    }


def _text(file: str) -> str:
    return (FOLDER / file).read_text(encoding="utf-8")


def _blocks(file: str) -> dict[str, str]:
    return {found["name"]: found["sql"].strip() for found in BLOCK.finditer(_text(file))}
