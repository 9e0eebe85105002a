"""What the guard says of one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["select", "show", "explain"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's judgement of one statement.

    Attributes:
        readable: Whether the statement may run as a read. False in every case of doubt.
        canonical: The text to run instead of the caller's: the same statement with comments removed and strings
            re-quoted, so that PostgreSQL's lexer and the guard's cannot read it differently. Empty unless readable.
        form: How it runs: a "select" (SELECT, VALUES, TABLE, WITH) can be wrapped in a LIMIT; the others cannot.
        kinds: Statement types by effect, upper case: SELECT, SHOW, EXPLAIN, INSERT, ...
        relations: Relations read, `schema.name` where the catalog resolved them, else as written; sorted.
        functions: Functions called, likewise; sorted.
        parameters: The highest `$n` used.
        code, message, hint: Why it is not readable; empty where it is. The message quotes no literal of the statement.
        fault: The class of an exception that the guard itself failed with, for the log; empty where it did not.
    """

    readable: bool
    canonical: str = ""
    form: Form = "select"
    kinds: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    parameters: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""
    fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what a caller is told: everything but the canonical text."""
        out: dict[str, Any] = {
            "allowed": self.readable,
            "kinds": list(self.kinds),
            "relations": list(self.relations),
            "functions": list(self.functions),
        }
        if not self.readable:
            out |= {"code": self.code, "message": self.message, "hint": self.hint}
        return out
