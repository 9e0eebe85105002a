"""What the text of a statement alone says, before the catalog is asked.

`parse.read` makes a Parsed or raises Refused; `resolve.check` judges its names against the live catalog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.guard.verdict import Form, Use

if TYPE_CHECKING:
    from pgwarden.guard.ddl import Definition
    from pgwarden.guard.dml import Effect
    from pgwarden.guard.lexer import Token
    from pgwarden.guard.names import Names
    from pgwarden.guard.stream import Stream


class Refused(Exception):  # noqa: N818 - it is an answer, no error
    """The guard's no, raised inside the guard only; `judge` turns it into a Verdict."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A name as PostgreSQL folds it; `schema` is empty where the statement does not qualify it."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Source:
    """A statement's tokens, for whoever has to change its text.

    Attributes:
        prefix: The tokens before the query: EXPLAIN with its options, CREATE VIEW ... AS; else empty.
        stream: The tokens of the query or change.
        names: Where its names are. `names.relations` holds those that are read, and those that are changed.
        targets: The relations that are changed, by the index of their first token.
        suffix: The tokens behind the query, such as WITH NO DATA.
    """

    prefix: tuple[Token, ...]
    stream: Stream
    names: Names
    targets: frozenset[int] = frozenset()
    suffix: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """Everything in a statement that has a meaning in the catalog. In doubt a name is in more than one of the sets.

    Attributes:
        canonical: see Verdict.
        form: see Verdict.
        kinds: see Verdict.
        parameters: see Verdict.
        relations: Every relation read that is not provably a CTE of the statement in scope there.
        calls: Every `name(` that is not provably syntax.
        attributes: Every `x.name` and `(x).name`: a column, or a call of the function with one argument.
        operators: Every operator, also those that syntax stands for (LIKE is `~~`, IN is `=`, BETWEEN `>=` and `<=`).
        types: Every type named in a cast, a typed literal, or a column definition list.
        source: The tokens; None for SHOW, and for a definition without a query in it.
        uses: Of what changes something: every relation with what is done to it, as written. Empty for a read.
        changing: Whether it changes something, or is the EXPLAIN of what would.
        effect: What it does to rows; None for everything else, and for EXPLAIN.
        definition: What it defines, grants, sets or maintains; None for everything else.
    """

    canonical: str
    form: Form
    kinds: tuple[str, ...]
    parameters: int
    relations: frozenset[Name]
    calls: frozenset[Name]
    attributes: frozenset[str]
    operators: frozenset[Name]
    types: frozenset[Name]
    source: Source | None = None
    uses: tuple[Use, ...] = ()
    changing: bool = False
    effect: Effect | None = None
    definition: Definition | None = None
