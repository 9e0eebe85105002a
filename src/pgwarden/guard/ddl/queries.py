"""A query inside of a definition: CREATE TABLE AS, CREATE VIEW, CREATE MATERIALIZED VIEW, COPY."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind
from pgwarden.guard.parsed import Refused

_STARTS: Final = keywords.words("select values table with")


def read(reader: Reader, draft: Draft, *suffixes: str) -> str:
    """Read AS and a query up to the end of the statement; what the query is, the guard judges.

    Args:
        reader: The statement, before AS.
        draft: What has been read.
        suffixes: Phrases of which one can stand behind the query. Each ends with words that no query ends with.

    Returns:
        The suffix found; empty for none.
    """
    reader.expect("as")
    start = reader.at
    suffix = next((it for it in suffixes if _ends_with(reader, it)), "")
    take(reader, draft, start, reader.end - len(suffix.split()))
    reader.at = reader.end
    return suffix


def take(reader: Reader, draft: Draft, start: int, end: int) -> None:
    """Take the tokens from one index to before another for a query.

    Raises:
        Refused: They do not start like one.
    """
    reader.at = start
    if start >= end or (reader.word() not in _STARTS and reader.mark() != "("):
        raise Refused("not_understood", "A query has to follow AS.", "Write AS SELECT ..., AS VALUES or AS WITH ....")
    draft.query = (start, end)
    draft.does("SELECT")


def _ends_with(reader: Reader, phrase: str) -> bool:
    words = phrase.split()
    tail = reader.stream.tokens[max(reader.at, reader.end - len(words)) : reader.end]
    return [token.value for token in tail if token.kind is Kind.WORD] == words
