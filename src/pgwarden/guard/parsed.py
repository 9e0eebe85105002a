"""What the text of a statement alone says, before the catalog is asked.

`parse.read` makes a Parsed or raises Refused; `resolve.check` judges its names against the live catalog.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgwarden.guard.verdict import Form


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
