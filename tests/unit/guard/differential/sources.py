"""Where statements come from: the corpus, and PostgreSQL's own regression suite where it has been fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pglast.parser import ParseError, split

from corpus.cases import load

REGRESS = Path(__file__).parents[4] / "build" / "regress-sql"
"""Where `scripts/fetch_regress_sql.py` puts PostgreSQL's regression SQL."""

COPY_DATA = re.compile(r"^(?=COPY\b[^;]*\bFROM\s+STDIN\b[^;]*;$)(?P<copy>[^\n]*)\n.*?^\\\.$", re.S | re.M | re.I)
PSQL_COMMAND = re.compile(r"^[ \t]*\\.*$|\\(?:gset|gdesc|gexec|g|gx|crosstabview|bind)\b[^\n]*", re.M)
PSQL_VARIABLE = re.compile(r"(?<![:\w]):['\"]?([A-Za-z_]\w*)['\"]?")


def corpus() -> list[str]:
    """Return the statements of the corpus, allowed and denied."""
    return [case.sql for case in load()]


def readable_corpus() -> list[str]:
    """Return the statements of the corpus that are reads."""
    return [case.sql for case in load() if case.readable]


def regress(folder: Path = REGRESS) -> list[str]:
    """Return the distinct statements of the regression suite; empty where it has not been fetched."""
    found = (
        statement
        for path in sorted(folder.glob("*.sql"))
        for statement in statements(path.read_text("utf-8", errors="replace"))
    )
    return list(dict.fromkeys(found))


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a psql script; its own commands, variables and COPY data are taken out."""
    plain = PSQL_VARIABLE.sub(r"\1", PSQL_COMMAND.sub(";", COPY_DATA.sub(r"\g<copy>", script)))
    try:
        yield from split(plain, with_parser=False)
    except (ParseError, UnicodeError):
        # The scanner gives up on the whole text where one literal does not end; a cruder cut loses only that one.
        yield from (part.strip() for part in re.split(r";[ \t]*(?:--[^\n]*)?\n", plain) if part.strip())
