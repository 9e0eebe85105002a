"""sqlglot's reading of a skeleton, within bounds.

sqlglot is loaded at the first statement, its logger is silenced (it would log the statement), and its compiled build
is refused: a deep statement ends that in a segmentation fault.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from pgwarden.guard.parsed import Refused

MAX_STEPS_PER_TOKEN: Final = 40
_LONGEST_WORD: Final = 63
_COMPILED: Final = (
    "The compiled build of sqlglot is installed; a statement could crash the server.",
    "Uninstall sqlglotc and install plain sqlglot, without its extras c and rs.",
)


class _TooManyStepsError(Exception):
    pass


def parse(skeleton: str) -> Any:
    """Return sqlglot's tree of a skeleton.

    Raises:
        Refused: sqlglot does not understand it, takes too many steps (40 a token), or is the compiled build.
    """
    parser = _load()
    try:
        trees = parser(skeleton)
    except (_TooManyStepsError, RecursionError):
        raise Refused("too_complex", "The statement is too complex.", "Split it, or simplify it.") from None
    except Exception as exc:  # whatever sqlglot raises (it raises IndexError and KeyError too) means no
        raise Refused("not_understood", "The statement is not understood.", f"Check its syntax{_near(exc)}.") from None
    if len(trees) != 1 or trees[0] is None:
        raise Refused("multiple_statements", "There is more than one statement.", "Send one statement at a time.")
    return trees[0]


def _near(exc: Exception) -> str:
    """Tell where a parser's error is, in a word of the statement; constants are not in a skeleton."""
    found = getattr(exc, "errors", None) or [{}]
    word = str(found[0].get("highlight") or "").strip('"')
    return f" near {word}" if word.isidentifier() and len(word) <= _LONGEST_WORD else ""


@cache
def _load() -> Callable[[str], list[Any]]:
    import sqlglot.parser
    from sqlglot import tokenizer_core, tokens
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import ErrorLevel
    from sqlglot.parsers.postgres import PostgresParser

    for module in (sqlglot.parser, tokens, tokenizer_core):
        if not str(module.__file__).endswith(".py"):
            raise Refused("guard_unavailable", *_COMPILED)
    logging.getLogger("sqlglot").disabled = True

    class BoundedParser(PostgresParser):
        """Postgres' parser that gives up when it goes back and forth too often."""

        steps_left = 0

        def _advance(self, times: int = 1) -> None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise _TooManyStepsError
            super()._advance(times)

    dialect = Postgres()

    def parse_skeleton(skeleton: str) -> list[Any]:
        found = dialect.tokenize(skeleton)
        parser = BoundedParser(dialect=dialect, error_level=ErrorLevel.IMMEDIATE)
        parser.steps_left = MAX_STEPS_PER_TOKEN * (len(found) + 5)
        return list(parser.parse(found, skeleton))

    return parse_skeleton
